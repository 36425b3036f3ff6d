//! The order in which nodes are looked at: one of each zone in turn, nodes of a zone in the order they came.
//!
//! Follows `pkg/scheduler/backend/cache/node_tree.go` and `k8s.io/component-helpers/node/topology` `GetZoneKey`.

use std::sync::Arc;

use cluster::{Labels, Name, NodeId};

/// Nodes by zone.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeOrder {
    /// Zones in the order they came, each with region and zone.
    zones: Vec<((Name, Name), Vec<NodeId>)>,
    list: Arc<[NodeId]>,
    stale: bool,
}

impl NodeOrder {
    /// Adds a node, or moves it to the zone that its labels say now.
    pub fn put(&mut self, node: NodeId, labels: &Labels) {
        let zone = zone_key(labels);
        if self.zones.iter().any(|(key, nodes)| *key == zone && nodes.contains(&node)) {
            return;
        }
        self.remove(node);
        match self.zones.iter_mut().find(|(key, _)| *key == zone) {
            Some((_, nodes)) => nodes.push(node),
            None => self.zones.push((zone, vec![node])),
        }
        self.stale = true;
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeId) {
        for (_, nodes) in &mut self.zones {
            if let Some(index) = nodes.iter().position(|member| *member == node) {
                nodes.remove(index);
                self.stale = true;
            }
        }
        self.zones.retain(|(_, nodes)| !nodes.is_empty());
    }

    /// Brings [`NodeOrder::list`] up to date.
    pub fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let longest = self.zones.iter().map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
        let round = |round| self.zones.iter().filter_map(move |(_, nodes)| nodes.get(round)).copied();
        self.list = (0..longest).flat_map(round).collect();
    }

    /// All nodes in order, as of the last [`NodeOrder::refresh`].
    pub fn list(&self) -> &[NodeId] {
        &self.list
    }

    /// The same, to be kept while the index changes.
    pub fn shared(&self) -> Arc<[NodeId]> {
        self.list.clone()
    }
}

fn zone_key(labels: &Labels) -> (Name, Name) {
    let first = |keys: [&str; 2]| keys.iter().find_map(|key| labels.get(*key)).cloned().unwrap_or_default();
    (
        first(["failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"]),
        first(["failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_take_turns_in_the_order_they_came() {
        let mut order = NodeOrder::default();
        let zone = |zone: &str| Labels::from([("topology.kubernetes.io/zone".into(), zone.into())]);
        for (id, name) in [(0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            order.put(NodeId(id), &zone(name));
        }
        order.refresh();
        assert_eq!(order.list(), [0, 2, 4, 1, 3].map(NodeId));
        order.put(NodeId(1), &zone("c"));
        order.remove(NodeId(2));
        order.refresh();
        assert_eq!(order.list(), [0, 4, 3, 1].map(NodeId));
    }
}
