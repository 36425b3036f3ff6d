//! `PodTopologySpread`: hard constraints filter, soft ones and the cluster's defaults score.
//!
//! Follows `plugins/podtopologyspread/{common,filtering,scoring,plugin}.go` and `plugins/helper/spread.go`.
//! `matchLabelKeys` with a hash that a controller adds (`pod-template-hash`, `controller-revision-hash`) means the
//! pod's own revision: templates do not have that label.

use cluster::template::TopologySpread;
use cluster::workload::Shape;
use cluster::{Cluster, LabelSelector, Name, SelectorOperator, SelectorRequirement};

use crate::class::{Class, ClassId, HardSpread, SoftSpread, Wishes};
use crate::counter::PodTerm;
use crate::domain::{Inclusion, NO_DOMAIN};
use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::refusal::Refusal;
use crate::score::natural_logarithm;

/// A domain of its own for each node.
const HOSTNAME: &str = "kubernetes.io/hostname";
/// `systemDefaultConstraints`: key and maximal skew.
const DEFAULTS: [(&str, i32); 2] = [(HOSTNAME, 3), ("topology.kubernetes.io/zone", 5)];
/// Labels that controllers add to tell revisions apart.
const REVISION_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];

/// Works out the constraints of a class.
pub(crate) fn wish(
    index: &mut Placements,
    cluster: &Cluster,
    id: ClassId,
    pinned: bool,
    wishes: &mut Wishes,
) {
    let class = index.classes[id.0 as usize].clone();
    let rule = index.rule(cluster, id, pinned);
    if class.template.topology_spread.is_empty() {
        default_constraints(index, cluster, &class, rule, wishes);
        return;
    }
    for required in [true, false] {
        let constraints: Vec<&TopologySpread> = class
            .template
            .topology_spread
            .iter()
            .filter(|constraint| constraint.required == required)
            .collect();
        let keys: Vec<u32> = constraints.iter().map(|c| index.key(cluster, &c.topology_key)).collect();
        for (constraint, key) in constraints.into_iter().zip(&keys) {
            let counter = index.counter(cluster, vec![counted(constraint, &class)], true);
            let inclusion = Inclusion {
                rule,
                affinity: constraint.honor_node_affinity,
                taints: constraint.honor_node_taints,
                keys: keys.clone(),
            };
            if required {
                let everyone = index.counter(cluster, vec![term(constraint, &class)], false);
                wishes.hard_spread.push(HardSpread {
                    group: index.group(counter, *key, Some(inclusion.clone())),
                    moved: index.group(everyone, *key, Some(inclusion)),
                    key: *key,
                    max_skew: i64::from(constraint.max_skew),
                    min_domains: u32::try_from(constraint.min_domains.unwrap_or(1)).unwrap_or(1),
                    itself: i64::from(
                        term(constraint, &class).matches(class.facts(), &cluster.declared.namespaces),
                    ),
                    honors_affinity: constraint.honor_node_affinity,
                });
            } else {
                let by_node = constraint.topology_key == HOSTNAME;
                let group = (!by_node).then(|| index.group(counter, *key, Some(inclusion)));
                wishes.soft_spread.push(SoftSpread {
                    key: *key,
                    max_skew: constraint.max_skew,
                    counter,
                    group,
                });
            }
        }
        if !required {
            wishes.soft_keys = keys;
        }
    }
}

/// The constraints that pods without any get, counted over what their Services and their controller select.
fn default_constraints(
    index: &mut Placements,
    cluster: &Cluster,
    class: &Class,
    rule: u32,
    wishes: &mut Wishes,
) {
    let Some(term) = default_term(cluster, class) else { return };
    let counter = index.counter(cluster, vec![term], true);
    for (name, max_skew) in DEFAULTS {
        let key = index.key(cluster, &name.into());
        let inclusion = Inclusion { rule, affinity: true, taints: false, keys: Vec::new() };
        let group = (name != HOSTNAME).then(|| index.group(counter, key, Some(inclusion)));
        wishes.soft_spread.push(SoftSpread { key, max_skew, counter, group });
    }
}

/// By `helper.DefaultSelector`: the selectors of matching Services and of an owning ReplicaSet or StatefulSet, all
/// together; `None` when that selects everything. A Deployment's pods belong to the ReplicaSet of their revision.
fn default_term(cluster: &Cluster, class: &Class) -> Option<PodTerm> {
    let mut selector = LabelSelector::default();
    for service in cluster.declared.services.iter().filter(|service| service.namespace == class.namespace) {
        let Some(wanted) = &service.selector else { continue };
        if wanted.iter().all(|(key, value)| class.template.labels.get(key) == Some(value)) {
            selector.requirements.extend(wanted.iter().map(|(key, value)| equals(key, value)));
        }
    }
    let mut revision = None;
    if let Some((workload, number)) = class.owner {
        let owner = cluster.declared.workload(workload);
        match owner.shape {
            Shape::Deployment { .. } => {
                selector.requirements.extend(owner.selector.requirements.iter().cloned());
                revision = Some((workload, number));
            }
            Shape::ReplicaSet { .. } | Shape::StatefulSet { .. } => {
                selector.requirements.extend(owner.selector.requirements.iter().cloned());
            }
            Shape::DaemonSet | Shape::Job { .. } | Shape::CronJob { .. } | Shape::Pod => {}
        }
    }
    if selector.requirements.is_empty() {
        return None;
    }
    selector.requirements.sort();
    selector.requirements.dedup();
    Some(PodTerm {
        namespaces: vec![class.namespace.clone()],
        namespace_selector: None,
        selector: Some(selector),
        revision,
    })
}

fn equals(key: &Name, value: &Name) -> SelectorRequirement {
    let (key, values) = (key.clone(), vec![value.clone()]);
    SelectorRequirement { key, operator: SelectorOperator::In, values, min_values: None }
}

/// Which pods a constraint means, `matchLabelKeys` merged in.
fn term(constraint: &TopologySpread, class: &Class) -> PodTerm {
    let mut selector = constraint.selector.clone();
    let mut revision = None;
    for key in &constraint.match_label_keys {
        match (class.template.labels.get(key), &mut selector) {
            (Some(value), Some(selector)) => selector.requirements.push(equals(key, value)),
            (None, Some(_)) if REVISION_LABELS.contains(&key.as_str()) => revision = class.owner,
            _ => {}
        }
    }
    PodTerm { namespaces: vec![class.namespace.clone()], namespace_selector: None, selector, revision }
}

/// Which pods are counted: an empty selector matches the pod itself but counts none (`countPodsMatchSelector`).
fn counted(constraint: &TopologySpread, class: &Class) -> PodTerm {
    let term = term(constraint, class);
    let empty = term.revision.is_none() && term.selector.as_ref().is_some_and(|s| s.requirements.is_empty());
    if empty { PodTerm::nothing() } else { term }
}

/// How constraints were counted before pods came or went for a try, as `PreFilter` leaves it: by constraint and
/// domain, what must be added to [`HardSpread::moved`]. Empty while nothing is tried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest(Vec<Vec<i64>>);

impl Rest {
    /// As it is now.
    pub fn new(index: &Placements, constraints: &[HardSpread]) -> Rest {
        let offsets = |constraint: &HardSpread| {
            let (counted, moved) =
                (&index.groups[constraint.group as usize], &index.groups[constraint.moved as usize]);
            let domains = counted.per_domain().zip(moved.per_domain());
            domains.map(|((counted, _), (moved, _))| i64::from(counted) - i64::from(moved)).collect()
        };
        Rest(constraints.iter().map(offsets).collect())
    }

    /// Matching pods by domain, and whether the domain has nodes.
    fn per_domain<'a>(
        &'a self,
        index: &'a Placements,
        place: usize,
        constraint: &HardSpread,
    ) -> Box<dyn Iterator<Item = (i64, bool)> + 'a> {
        match self.0.get(place) {
            None => {
                let domains = index.groups[constraint.group as usize].per_domain();
                Box::new(domains.map(|(count, inhabited)| (i64::from(count), inhabited)))
            }
            Some(offsets) => {
                let domains = index.groups[constraint.moved as usize].per_domain();
                let moved = |((count, inhabited), offset): ((u32, bool), &i64)| {
                    (i64::from(count) + offset, inhabited)
                };
                Box::new(domains.zip(offsets).map(moved))
            }
        }
    }

    fn count(&self, index: &Placements, place: usize, constraint: &HardSpread, domain: u32) -> i64 {
        match self.0.get(place) {
            None => i64::from(index.groups[constraint.group as usize].count(domain)),
            Some(offsets) => {
                let moved = i64::from(index.groups[constraint.moved as usize].count(domain));
                moved + offsets.get(domain as usize).copied().unwrap_or(0)
            }
        }
    }
}

/// For each constraint the fewest matching pods of any eligible domain; 0 when there are fewer domains than
/// `minDomains`.
pub(crate) fn minima(index: &Placements, constraints: &[HardSpread], rest: &Rest) -> Vec<i64> {
    let minimum = |(place, constraint): (usize, &HardSpread)| {
        if index.groups[constraint.group as usize].domains < constraint.min_domains {
            return 0;
        }
        let inhabited = rest.per_domain(index, place, constraint).filter(|(_, inhabited)| *inhabited);
        inhabited.map(|(count, _)| count).min().unwrap_or(0)
    };
    constraints.iter().enumerate().map(minimum).collect()
}

/// The first constraint that refuses a node; `minima` as [`minima`] tells them.
pub(crate) fn refuses(
    index: &Placements,
    constraints: &[HardSpread],
    (minima, rest): (&[i64], &Rest),
    pinned: bool,
    node: usize,
) -> Option<Refusal> {
    for (place, (constraint, minimum)) in constraints.iter().zip(minima).enumerate() {
        let domain = index.keys[constraint.key as usize].of(node);
        if domain == NO_DOMAIN {
            return Some(Refusal::SpreadLabelMissing);
        }
        let mut minimum = *minimum;
        let mut matching = rest.count(index, place, constraint, domain);
        if pinned && constraint.honors_affinity {
            // The node affinity of a DaemonSet pod leaves its own node as the only domain.
            let counter = index.groups[constraint.group as usize].counter;
            matching = i64::from(index.counters[counter as usize].on(node));
            minimum = if constraint.min_domains > 1 { 0 } else { matching };
        }
        if matching + constraint.itself - minimum > constraint.max_skew {
            return Some(Refusal::SpreadSkew);
        }
    }
    None
}

/// Adds the weighted, normalized score of each node to `totals`.
pub(crate) fn score(index: &Placements, wishes: &Wishes, nodes: &[u32], totals: &mut [i64], weight: i64) {
    if wishes.soft_spread.is_empty() {
        return;
    }
    let domain = |key: u32, node: u32| index.keys[key as usize].of(node as usize);
    let ignored = |node: u32| wishes.soft_keys.iter().any(|key| domain(*key, node) == NO_DOMAIN);
    let scored = nodes.iter().filter(|node| !ignored(**node)).count();
    let logarithms: Vec<f64> = wishes
        .soft_spread
        .iter()
        .map(|constraint| match constraint.group {
            None => natural_logarithm(scored + 2),
            Some(_) => natural_logarithm(
                distinct(nodes.iter().filter(|n| !ignored(**n)).map(|n| domain(constraint.key, *n))) + 2,
            ),
        })
        .collect();
    let raw: Vec<Option<i64>> = nodes
        .iter()
        .map(|node| (!ignored(*node)).then(|| raw_score(index, wishes, &logarithms, *node)))
        .collect();
    let least = raw.iter().flatten().copied().min().unwrap_or(i64::MAX);
    let most = raw.iter().flatten().copied().max().unwrap_or(0).max(0);
    for (total, raw) in totals.iter_mut().zip(raw) {
        let score = match raw {
            None => 0,
            Some(_) if most == 0 => 100,
            Some(raw) => 100 * (most + least - raw) / most,
        };
        *total += weight * score;
    }
}

/// Pods in the node's domains, each weighed by how many domains there are; upstream's float64 operations.
fn raw_score(index: &Placements, wishes: &Wishes, logarithms: &[f64], node: u32) -> i64 {
    let mut score = 0.0;
    for (constraint, logarithm) in wishes.soft_spread.iter().zip(logarithms) {
        let domain = index.keys[constraint.key as usize].of(node as usize);
        if domain == NO_DOMAIN {
            continue;
        }
        let count = match constraint.group {
            Some(group) => index.groups[group as usize].count(domain),
            None => index.counters[constraint.counter as usize].on(node as usize),
        };
        score += f64::from(count) * logarithm + f64::from(constraint.max_skew - 1);
    }
    score.round() as i64
}

fn distinct(domains: impl Iterator<Item = u32>) -> usize {
    let mut seen: Vec<u32> = Vec::new();
    for domain in domains {
        if seen.last() != Some(&domain) && !seen.contains(&domain) {
            seen.push(domain);
        }
    }
    seen.len()
}

/// A queueing hint: a matching pod came or went, or a node with the keys came, went, or changed in them.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    let hard = || waiter.wishes().hard_spread.iter();
    let has_keys =
        |domains: &dyn Fn(u32) -> u32| hard().all(|constraint| domains(constraint.key) != NO_DOMAIN);
    let now = |node: cluster::NodeId| move |key: u32| waiter.index.keys[key as usize].of(node.0 as usize);
    let before = |difference: &crate::event::NodeDifference| {
        let domains = difference.domains.clone();
        move |key: u32| domains.get(key as usize).copied().unwrap_or(NO_DOMAIN)
    };
    match event {
        Event::PodAdded(_, class) | Event::PodDeleted { class, .. } => {
            let class = &waiter.index.classes[class.0 as usize];
            class.namespace == waiter.class().namespace
                && waiter.template().topology_spread.iter().filter(|constraint| constraint.required).any(
                    |constraint| {
                        term(constraint, waiter.class())
                            .matches(class.facts(), &waiter.cluster.declared.namespaces)
                    },
                )
        }
        Event::NodeAdded(node) => has_keys(&now(*node)),
        Event::NodeDeleted(difference) => has_keys(&before(difference)),
        Event::NodeUpdated(difference) => {
            let (was, is) = (before(difference), now(difference.node));
            has_keys(&was) != has_keys(&is)
                || has_keys(&is)
                    && (difference.taints_changed
                        || hard().any(|constraint| was(constraint.key) != is(constraint.key)))
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "pod_topology_spread_test.rs"]
mod tests;
