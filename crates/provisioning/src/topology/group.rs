//! One rule with its counts.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/topologygroup.go`.

use cluster::requirements::{Requirement, Requirements, Shape};
use cluster::template::{PodAffinityTerm, TopologySpread};
use cluster::{LabelSelector, Name, SelectorOperator, SelectorRequirement, Toleration};

use super::filter::{FilterIdentity, NodeFilter};
use super::ground::{Ground, Placed};
use super::{Domains, Place, Unsatisfied, domain_of};
use crate::class::{Constraints, TEMPLATE_HASH, labels_of};
use crate::sets::HOSTNAME;

/// What kind of rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Topology spread.
    Spread,
    /// Pod affinity.
    Affinity,
    /// Pod anti-affinity.
    AntiAffinity,
}

/// A rule with its counts.
#[derive(Clone, Debug)]
pub struct Group {
    /// The topology key.
    pub key: Name,
    /// What kind of rule.
    pub kind: Kind,
    /// Which nodes count.
    pub filter: NodeFilter,
    /// The counts.
    pub domains: Domains,
    /// How often a domain that has a name was counted up.
    pub changes: u64,
    max_skew: u32,
    min_domains: Option<u32>,
    namespaces: Vec<Name>,
    selector: Option<LabelSelector>,
}

/// What tells rules apart. `minDomains` is not part of it, as in Karpenter: the first pod's counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    key: Name,
    kind: Kind,
    max_skew: u32,
    namespaces: Vec<Name>,
    selector: Option<Vec<SelectorRequirement>>,
    filter: FilterIdentity,
}

impl Group {
    /// The rule of a spread constraint.
    pub fn of_spread(spread: &TopologySpread, constraints: &Constraints, ground: &Ground<'_>) -> Group {
        let tolerations = spread.honor_node_taints.then_some(constraints.tolerations.as_slice());
        Group {
            key: spread.topology_key.clone(),
            kind: Kind::Spread,
            filter: NodeFilter::of(spread, constraints),
            domains: universe(&spread.topology_key, tolerations, ground),
            changes: 0,
            max_skew: u32::try_from(spread.max_skew).unwrap_or(0),
            min_domains: spread.min_domains.map(|least| u32::try_from(least).unwrap_or(0)),
            namespaces: vec![constraints.namespace.clone()],
            selector: spread.selector.clone(),
        }
    }

    /// The rule of an affinity term. Its domains are those of pools whose taints the pod tolerates.
    pub fn of_term(
        kind: Kind,
        term: &PodAffinityTerm,
        namespace: &Name,
        tolerations: &[Toleration],
        ground: &Ground<'_>,
    ) -> Group {
        Group {
            key: term.topology_key.clone(),
            kind,
            filter: NodeFilter::default(),
            domains: universe(&term.topology_key, Some(tolerations), ground),
            changes: 0,
            max_skew: u32::MAX,
            min_domains: None,
            namespaces: namespaces(term, namespace, ground),
            selector: term.selector.clone(),
        }
    }

    /// See [`GroupKey`].
    pub fn identity(&self) -> GroupKey {
        let selector = self.selector.as_ref().map(|selector| {
            let mut requirements = selector.requirements.clone();
            requirements.sort_unstable();
            requirements.dedup();
            requirements
        });
        GroupKey {
            key: self.key.clone(),
            kind: self.kind,
            max_skew: self.max_skew,
            namespaces: self.namespaces.clone(),
            selector,
            filter: self.filter.identity().clone(),
        }
    }

    /// Whether the rule counts pods with these constraints.
    pub fn selects(&self, constraints: &Constraints) -> bool {
        self.namespaces.contains(&constraints.namespace)
            && self.selector.as_ref().is_some_and(|selector| selector.matches(&constraints.labels))
    }

    /// Counts the pods that run, and makes the domains of nodes known. A rule without a selector counts every pod.
    pub fn count(&mut self, ground: &Ground<'_>) {
        for &id in ground.hosts.keys() {
            let node = ground.cluster.node(id);
            if self.filter.admits_node(&node.labels, &node.name, &node.taints) {
                node.labels.get(&self.key).into_iter().for_each(|domain| self.domains.register(domain));
            }
        }
        let by_hash = self.names_template_hash();
        for placed in ground.placed.iter().filter(|placed| !placed.leaving) {
            let counted = self.namespaces.contains(placed.namespace)
                && self.selector.as_ref().is_none_or(|selector| {
                    if by_hash {
                        selector.matches(&labels_of(placed.template, placed.revision, true))
                    } else {
                        selector.matches(&placed.template.labels)
                    }
                });
            if counted {
                self.record_nodes(placed, ground);
            }
        }
    }

    /// Counts pods on the nodes that they run on.
    pub fn record_nodes(&mut self, placed: &Placed<'_>, ground: &Ground<'_>) {
        for (&id, &pods) in &placed.nodes {
            let node = ground.cluster.node(id);
            if !self.filter.admits_node(&node.labels, &node.name, &node.taints) {
                continue;
            }
            let Some(domain) = domain_of(&node.labels, &node.name, &self.key) else { continue };
            match ground.hosts.get(&id) {
                Some(&host) if self.key == HOSTNAME => self.domains.record_host(host, pods),
                _ => self.domains.record(domain, pods),
            }
        }
    }

    /// Whether the rule is on the host name.
    pub fn on_hosts(&self) -> bool {
        matches!(self.domains, Domains::Hosts { .. })
    }

    /// Counts one pod at a place whose requirements are `node`. Anti-affinity blocks every domain that the
    /// pod could land in; the others count only a domain that is certain.
    pub fn record_at(&mut self, place: &Place<'_>, node: &Requirements) {
        if self.on_hosts() {
            self.domains.record_host(place.host, 1);
            return;
        }
        let Some(at) = node.get(&self.key) else { return };
        if self.kind == Kind::AntiAffinity || at.shape() == Shape::In && at.values.len() == 1 {
            self.changes += 1;
            for domain in &at.values {
                self.domains.record(domain, 1);
            }
        }
    }

    /// Whether the rule, on the host name, allows this place.
    pub fn check_host(
        &self,
        place: &Place<'_>,
        pod_domains: Option<&Requirement>,
        self_selecting: bool,
        hostnames: &[Name],
    ) -> Result<(), Unsatisfied> {
        let count = self.domains.of_host(place.host);
        let (allowed, final_for_place) = match self.kind {
            // A new node can always be made, so the least count is zero.
            Kind::Spread => (count + u32::from(self_selecting) <= self.max_skew, true),
            Kind::AntiAffinity => (count == 0, true),
            Kind::Affinity => {
                let wanted = pod_domains.is_none_or(|wanted| wanted.has(place.hostname));
                (wanted && (count > 0 || self_selecting && self.may_begin(pod_domains, hostnames)), false)
            }
        };
        if allowed { Ok(()) } else { Err(Unsatisfied { key: self.key.clone(), final_for_place }) }
    }

    /// Narrows what a place may be by the domains that the rule allows of those that `node` leaves.
    pub fn narrow(
        &self,
        pod_domains: Option<&Requirement>,
        node: &Requirements,
        self_selecting: bool,
        narrowing: &mut Requirements,
    ) -> Result<(), Unsatisfied> {
        let at = node.get(&self.key);
        let domains = self.next_domains(pod_domains, at, self_selecting);
        if domains.is_empty() {
            // Anti-affinity leaves fewer and fewer domains; the others may allow another one later.
            let final_for_place = self.kind == Kind::AntiAffinity;
            return Err(Unsatisfied { key: self.key.clone(), final_for_place });
        }
        // What the place has is part of the answer: `NotIn` with no domain left becomes `DoesNotExist`, which
        // Karpenter then takes for compatible.
        let domains = Requirement::new(&self.key, SelectorOperator::In, &domains);
        let so_far = narrowing.get(&self.key).or(at);
        narrowing.set(so_far.map_or_else(|| domains.clone(), |so_far| so_far.intersection(&domains)));
        Ok(())
    }

    /// The domains, of those that the place leaves, that the rule allows.
    pub fn next_domains(
        &self,
        pod_domains: Option<&Requirement>,
        node_domains: Option<&Requirement>,
        self_selecting: bool,
    ) -> Vec<Name> {
        let Domains::Named(counts) = &self.domains else { return Vec::new() };
        let on_node = |domain: &Name| node_domains.is_none_or(|domains| domains.has(domain));
        let of_pod = |domain: &Name| pod_domains.is_none_or(|domains| domains.has(domain));
        let open = counts.iter().filter(|(domain, _)| on_node(domain));
        match self.kind {
            Kind::Spread => {
                let least = self.least_count(pod_domains);
                let own = u32::from(self_selecting);
                open.filter(|(_, count)| (*count + own).saturating_sub(least) <= self.max_skew)
                    .min_by_key(|(_, count)| **count)
                    .map(|(domain, _)| vec![domain.clone()])
                    .unwrap_or_default()
            }
            Kind::AntiAffinity => open
                .filter(|(domain, count)| **count == 0 && of_pod(domain))
                .map(|(d, _)| d.clone())
                .collect(),
            Kind::Affinity => {
                let occupied: Vec<Name> = open
                    .filter(|(domain, count)| **count > 0 && of_pod(domain))
                    .map(|(d, _)| d.clone())
                    .collect();
                if occupied.is_empty() && self_selecting && self.may_begin(pod_domains, &[]) {
                    // The first pod of its kind: a domain that the node can have, and any that the pod can.
                    let both = counts.keys().find(|domain| of_pod(domain) && on_node(domain));
                    let any = counts.keys().find(|domain| of_pod(domain));
                    let mut begin: Vec<Name> = both.into_iter().chain(any).cloned().collect();
                    begin.dedup();
                    return begin;
                }
                occupied
            }
        }
    }

    /// No pod of the rule runs anywhere that this pod could go.
    fn may_begin(&self, pod_domains: Option<&Requirement>, hostnames: &[Name]) -> bool {
        !self.domains.any_occupied(pod_domains, hostnames)
    }

    fn least_count(&self, pod_domains: Option<&Requirement>) -> u32 {
        let Domains::Named(counts) = &self.domains else { return 0 };
        let of_pod =
            counts.iter().filter(|(domain, _)| pod_domains.is_none_or(|domains| domains.has(domain)));
        let (mut least, mut domains) = (u32::MAX, 0u32);
        for (_, &count) in of_pod {
            domains += 1;
            least = least.min(count);
        }
        let too_few = self.min_domains.is_some_and(|needed| domains < needed);
        if too_few { 0 } else { least }
    }

    fn names_template_hash(&self) -> bool {
        let requirements = self.selector.iter().flat_map(|selector| &selector.requirements);
        requirements.into_iter().any(|requirement| requirement.key == TEMPLATE_HASH)
    }
}

fn universe(key: &Name, tolerations: Option<&[Toleration]>, ground: &Ground<'_>) -> Domains {
    if key == HOSTNAME {
        return Domains::hosts();
    }
    let mut domains = Domains::Named(std::collections::BTreeMap::new());
    for domain in ground.universe(key, tolerations) {
        domains.register(&domain);
    }
    domains
}

/// The namespaces that a term is about: those it names and those its selector finds, or the pod's own.
fn namespaces(term: &PodAffinityTerm, own: &Name, ground: &Ground<'_>) -> Vec<Name> {
    let mut namespaces = term.namespaces.clone();
    match &term.namespace_selector {
        Some(selector) => {
            let all = ground.cluster.declared.namespaces.values();
            namespaces.extend(all.filter(|ns| selector.matches(&ns.labels)).map(|ns| ns.name.clone()));
        }
        None if namespaces.is_empty() => namespaces.push(own.clone()),
        None => {}
    }
    namespaces.sort_unstable();
    namespaces.dedup();
    namespaces
}
