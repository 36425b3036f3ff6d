//! Topology keys, their domains, and counters summed to domains.

use std::collections::BTreeMap;

use cluster::Name;

/// A node is in no domain of a key: it does not have the label.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;

/// A node label that makes domains.
#[derive(Clone, Debug)]
pub(crate) struct TopologyKey {
    pub name: Name,
    /// Domains by label value.
    ids: BTreeMap<Name, u32>,
    /// The domain of each node.
    pub of_node: Vec<u32>,
}

impl TopologyKey {
    pub fn new(name: Name) -> TopologyKey {
        TopologyKey { name, ids: BTreeMap::new(), of_node: Vec::new() }
    }

    pub fn of(&self, node: usize) -> u32 {
        self.of_node.get(node).copied().unwrap_or(NO_DOMAIN)
    }

    /// Puts a node into the domain of its label's value.
    pub fn set(&mut self, node: usize, value: Option<&Name>) {
        let next = u32::try_from(self.ids.len()).unwrap_or(NO_DOMAIN);
        let domain = value.map_or(NO_DOMAIN, |value| *self.ids.entry(value.clone()).or_insert(next));
        if self.of_node.len() <= node {
            self.of_node.resize(node + 1, NO_DOMAIN);
        }
        self.of_node[node] = domain;
    }
}

/// Which nodes a group counts: all that have the key, or those that a spread constraint includes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inclusion {
    /// The rule whose node affinity and taints are honoured.
    pub rule: u32,
    pub affinity: bool,
    pub taints: bool,
    /// All keys of the pod's constraints: nodes without one of them do not count.
    pub keys: Vec<u32>,
}

/// A counter summed to the domains of a key, over the nodes that are included.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub counter: u32,
    pub key: u32,
    pub inclusion: Option<Inclusion>,
    /// Pods by domain.
    counts: Vec<u32>,
    /// Included nodes by domain.
    nodes: Vec<u32>,
    /// Domains with at least one included node.
    pub domains: u32,
    /// Pods in all domains.
    pub total: u64,
}

impl Group {
    pub fn new(counter: u32, key: u32, inclusion: Option<Inclusion>) -> Group {
        Group { counter, key, inclusion, counts: Vec::new(), nodes: Vec::new(), domains: 0, total: 0 }
    }

    /// Pods in a domain.
    pub fn count(&self, domain: u32) -> u32 {
        self.counts.get(domain as usize).copied().unwrap_or(0)
    }

    /// Pods of each domain in turn, and whether it has nodes.
    pub fn per_domain(&self) -> impl Iterator<Item = (u32, bool)> {
        self.counts.iter().zip(&self.nodes).map(|(count, nodes)| (*count, *nodes > 0))
    }

    /// Counts or uncounts one pod on an included node.
    pub fn change(&mut self, domain: u32, up: bool) {
        let Some(count) = self.counts.get_mut(domain as usize) else { return };
        *count = if up { count.saturating_add(1) } else { count.saturating_sub(1) };
        self.total = if up { self.total.saturating_add(1) } else { self.total.saturating_sub(1) };
    }

    /// Includes a node with `pods` pods.
    pub fn include(&mut self, domain: u32, pods: u32) {
        let index = domain as usize;
        if self.counts.len() <= index {
            self.counts.resize(index + 1, 0);
            self.nodes.resize(index + 1, 0);
        }
        self.domains += u32::from(self.nodes[index] == 0);
        self.nodes[index] += 1;
        self.counts[index] = self.counts[index].saturating_add(pods);
        self.total += u64::from(pods);
    }

    /// Takes a node with `pods` pods out again.
    pub fn exclude(&mut self, domain: u32, pods: u32) {
        let index = domain as usize;
        if self.nodes.get(index).is_none_or(|nodes| *nodes == 0) {
            return;
        }
        self.nodes[index] -= 1;
        self.domains -= u32::from(self.nodes[index] == 0);
        self.counts[index] = self.counts[index].saturating_sub(pods);
        self.total = self.total.saturating_sub(u64::from(pods));
    }
}
