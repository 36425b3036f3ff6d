//! Topology spread, pod affinity and pod anti-affinity: which domains a pod may go to.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/topology.go`. One [`Group`]
//! counts for all pods with the same rule; classes are linked to the groups that bind them and to those that
//! count them. Where Karpenter takes a random one of equal domains, the first in name order is taken.

mod domains;
mod filter;
mod ground;
mod group;

use std::collections::HashMap;

pub use domains::Domains;
pub use ground::{DomainSource, Ground, Running, Sources};
pub use group::{Group, GroupKey, Kind};

use cluster::requirements::{Requirements, Undefined};
use cluster::{Labels, Name, Taint};

use crate::class::{Class, ClassId, Classes, Constraints};
use crate::sets::HOSTNAME;

/// A place that a pod could go to, as topology sees it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The index of its host name: existing nodes first, then the claims of this plan.
    pub host: usize,
    /// Its host name.
    pub hostname: &'a str,
    /// Its taints.
    pub taints: &'a [Taint],
}

/// Why topology refuses a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsatisfied {
    /// The topology key.
    pub key: Name,
    /// The place can never become possible for the class in this plan: counts only grow.
    pub final_for_place: bool,
}

/// The rules on the host name that bind a class: its own, with whether they count it, and others'.
type HostRules = (Vec<(usize, bool)>, Vec<usize>);

/// Every rule of one plan, with its counts.
#[derive(Debug, Default)]
pub struct Topology {
    groups: Rules,
    /// Required anti-affinity of pods, against the pods that it selects.
    inverse: Rules,
    links: Vec<Links>,
    /// Rules on the host name that bind some class: which are its own, with whether they count it, and which are of
    /// others.
    // Looked up, never iterated over.
    host_rules: HashMap<HostRules, usize>,
    /// Host names by host index: nodes, then claims.
    hostnames: Vec<Name>,
}

#[derive(Debug, Default)]
struct Rules {
    groups: Vec<Group>,
    // Looked up, never iterated over.
    index: HashMap<GroupKey, usize>,
}

/// What binds a class, and what counts it.
#[derive(Clone, Debug, Default)]
struct Links {
    /// The rules of the class are known.
    learned: bool,
    refreshed: bool,
    /// With whether the rule counts the class itself.
    owned: Vec<(usize, bool)>,
    counted: Vec<usize>,
    inverse_owned: Vec<usize>,
    inverse_counted: Vec<usize>,
    seen: (usize, usize),
    host_rules: usize,
}

impl Topology {
    /// The rules of running pods: their required anti-affinity keeps others away.
    ///
    /// `hostnames` are those of the nodes, by host index.
    pub fn of_running_pods(ground: &Ground<'_>, hostnames: Vec<Name>) -> Topology {
        let mut topology = Topology { hostnames, ..Topology::default() };
        for placed in ground.repelling() {
            for term in &placed.template.pod_anti_affinity.required {
                let group = Group::of_term(
                    Kind::AntiAffinity,
                    term,
                    placed.namespace,
                    &placed.template.tolerations,
                    ground,
                );
                let index = topology.inverse.intern(group);
                topology.inverse.groups[index].record_nodes(placed, ground);
            }
        }
        topology
    }

    /// Makes the rules of a class known, counting pods that run.
    pub fn add_class(&mut self, id: ClassId, class: &Class, ground: &Ground<'_>) {
        let index = id.0 as usize;
        if self.links.len() <= index {
            self.links.resize_with(index + 1, Links::default);
        }
        // Classes come in the order of the queue, not in that of their ids.
        if std::mem::replace(&mut self.links[index].learned, true) {
            return;
        }
        let constraints = &class.constraints;
        if constraints.untracked {
            return;
        }
        for term in &constraints.anti_affinity {
            let group = Group::of_term(
                Kind::AntiAffinity,
                term,
                &constraints.namespace,
                &constraints.tolerations,
                ground,
            );
            let group = self.inverse.intern(group);
            self.links[index].inverse_owned.push(group);
        }
        for group in rules_of(constraints, ground) {
            let known = self.groups.index.contains_key(&group.identity());
            let group = self.groups.intern(group);
            if !known {
                self.groups.groups[group].count(ground);
            }
            let owned = (group, self.groups.groups[group].selects(constraints));
            if !self.links[index].owned.contains(&owned) {
                self.links[index].owned.push(owned);
            }
        }
    }

    /// Makes sure that a class knows all rules that select it.
    pub fn refresh(&mut self, id: ClassId, constraints: &Constraints) {
        let links = &mut self.links[id.0 as usize];
        if links.refreshed && links.seen == (self.groups.groups.len(), self.inverse.groups.len()) {
            return;
        }
        links.refreshed = true;
        for index in links.seen.0..self.groups.groups.len() {
            if self.groups.groups[index].selects(constraints) {
                links.counted.push(index);
            }
        }
        for index in links.seen.1..self.inverse.groups.len() {
            if self.inverse.groups[index].selects(constraints) {
                links.inverse_counted.push(index);
            }
        }
        links.seen = (self.groups.groups.len(), self.inverse.groups.len());
        let own = links.owned.iter().filter(|(index, _)| self.groups.groups[*index].on_hosts());
        let of_others = links.inverse_counted.iter().filter(|index| self.inverse.groups[**index].on_hosts());
        let key = (own.copied().collect(), of_others.copied().collect());
        let next = self.host_rules.len();
        links.host_rules = *self.host_rules.entry(key).or_insert(next);
    }

    /// Stands for the rules on the host name that bind a class: equal for classes that the same ones bind alike.
    pub fn host_rules(&self, id: ClassId) -> usize {
        self.links[id.0 as usize].host_rules
    }

    /// Makes room for one more host; returns its index.
    pub fn add_host(&mut self, hostname: Name) -> usize {
        self.hostnames.push(hostname);
        self.hostnames.len() - 1
    }

    /// Whether any rule binds the class.
    pub fn binds(&self, id: ClassId) -> bool {
        let links = &self.links[id.0 as usize];
        !links.owned.is_empty() || !links.inverse_counted.is_empty()
    }

    /// The rules that bind a class, each with whether it counts the class itself.
    fn rules(&self, id: ClassId) -> impl Iterator<Item = (&Group, bool)> {
        let links = &self.links[id.0 as usize];
        let owned = links.owned.iter().map(|&(index, own)| (&self.groups.groups[index], own));
        owned.chain(links.inverse_counted.iter().map(|&index| (&self.inverse.groups[index], true)))
    }

    /// Stands for the counts that [`Topology::domains_left`] depends on: as long as it stays the same, so do they.
    pub fn version(&self, id: ClassId) -> u64 {
        // Rules are only ever added, and each only counts up.
        self.rules(id).map(|(group, _)| group.changes + 1).sum()
    }

    /// Whether the rules of a class on the host name allow a place.
    pub fn check_host(&self, id: ClassId, class: &Class, place: &Place<'_>) -> Result<(), Unsatisfied> {
        self.rules(id).filter(|(group, _)| group.on_hosts()).try_for_each(|(group, own)| {
            group.check_host(place, class.strict.get(&group.key), own, &self.hostnames)
        })
    }

    /// What the rules of a class leave of a place whose requirements are `node`: what comes back narrows it. Rules on
    /// the host name are not asked.
    pub fn domains_left(
        &self,
        id: ClassId,
        class: &Class,
        node: &Requirements,
    ) -> Result<Requirements, Unsatisfied> {
        let mut narrowing = Requirements::new();
        for (group, own) in self.rules(id).filter(|(group, _)| !group.on_hosts()) {
            group.narrow(class.strict.get(&group.key), node, own, &mut narrowing)?;
        }
        Ok(narrowing)
    }

    /// What all rules of a class leave of a place; the first that is not satisfied, in their order.
    pub fn narrowing(
        &self,
        id: ClassId,
        class: &Class,
        place: &Place<'_>,
        node: &Requirements,
    ) -> Result<Requirements, Unsatisfied> {
        let mut narrowing = Requirements::new();
        for (group, own) in self.rules(id) {
            let pod_domains = class.strict.get(&group.key);
            match group.on_hosts() {
                true => group.check_host(place, pod_domains, own, &self.hostnames)?,
                false => group.narrow(pod_domains, node, own, &mut narrowing)?,
            }
        }
        Ok(narrowing)
    }

    /// Counts a pod of a class that was planned for a place, whose requirements are `node` now.
    pub fn record(&mut self, id: ClassId, place: &Place<'_>, node: &Requirements) {
        let links = &self.links[id.0 as usize];
        for &index in &links.counted {
            let group = &mut self.groups.groups[index];
            if group.filter.admits(place, node) {
                group.record_at(place, node);
            }
        }
        for &index in &links.inverse_owned {
            let group = &mut self.inverse.groups[index];
            group.record_at(place, node);
        }
    }

    /// The key of the first rule that no place of a pool can satisfy, for explanations: tries a new place.
    pub fn first_unsatisfied(
        &self,
        id: ClassId,
        classes: &Classes,
        place: &Place<'_>,
        node: &Requirements,
    ) -> Option<Name> {
        let class = classes.get(id);
        match self.narrowing(id, class, place, node) {
            Err(unsatisfied) => Some(unsatisfied.key),
            Ok(narrowing) => {
                let refusal = node.compatible(&narrowing, Undefined::WellKnownAllowed).err();
                refusal.map(|refusal| refusal.wanted.key)
            }
        }
    }
}

impl Rules {
    fn intern(&mut self, group: Group) -> usize {
        let next = self.groups.len();
        match self.index.entry(group.identity()) {
            std::collections::hash_map::Entry::Occupied(known) => *known.get(),
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(next);
                self.groups.push(group);
                next
            }
        }
    }
}

/// The rules of a class: spreads, then affinities, then anti-affinities, preferred ones included.
fn rules_of(constraints: &Constraints, ground: &Ground<'_>) -> Vec<Group> {
    let mut rules: Vec<Group> =
        constraints.spread.iter().map(|spread| Group::of_spread(spread, constraints, ground)).collect();
    let both = [
        (Kind::Affinity, &constraints.affinity, &constraints.preferred_affinity),
        (Kind::AntiAffinity, &constraints.anti_affinity, &constraints.preferred_anti_affinity),
    ];
    for (kind, required, preferred) in both {
        rules.extend(required.iter().chain(preferred).map(|term| {
            Group::of_term(kind, term, &constraints.namespace, &constraints.tolerations, ground)
        }));
    }
    rules
}

/// A node's value for a topology key; a missing host name is the node's name.
fn domain_of<'n>(labels: &'n Labels, name: &'n Name, key: &str) -> Option<&'n Name> {
    labels.get(key).or_else(|| (key == HOSTNAME).then_some(name))
}
