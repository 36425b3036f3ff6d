//! How fast unhealthy nodes get their `NoExecute` taint: by the health of their zone.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/nodelifecycle/node_lifecycle_controller.go` (`ComputeZoneState`,
//! `handleDisruption`, `ReducedQPSFunc`) with kube-controller-manager's default flags.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Name, NodeId, Timestamp};

/// `--node-eviction-rate` 0.1: one node in ten seconds, in a zone that is healthy or wholly unhealthy.
const PAUSE_MS: i64 = 10_000;
/// `--secondary-node-eviction-rate` 0.01, in a large zone that is mostly unhealthy.
const LARGE_ZONE_PAUSE_MS: i64 = 100_000;
/// `--large-cluster-size-threshold`: mostly unhealthy zones up to this size lose no pods.
const LARGE_ZONE: usize = 50;
/// `--unhealthy-zone-threshold`, in percent, and the fewest nodes for which it holds.
const UNHEALTHY_PERCENT: usize = 55;
const UNHEALTHY_NODES: usize = 3;

/// The health of all nodes, by zone.
#[derive(Clone, Debug, Default)]
pub struct Zones {
    zones: BTreeMap<Name, Zone>,
    of_node: BTreeMap<NodeId, Name>,
}

#[derive(Clone, Debug, Default)]
struct Zone {
    ready: usize,
    unready: BTreeSet<NodeId>,
    /// Unhealthy nodes that have their taint.
    tainted: BTreeSet<NodeId>,
    /// When the last one got it.
    last: Option<Timestamp>,
}

impl Zones {
    /// A node of this zone is Ready, not Ready, or (`None`) gone. Say so only when it changes.
    pub fn set(&mut self, node: NodeId, zone: &Name, ready: Option<bool>) {
        if let Some(zone) = self.of_node.remove(&node).and_then(|zone| self.zones.get_mut(&zone)) {
            zone.tainted.remove(&node);
            if !zone.unready.remove(&node) {
                zone.ready = zone.ready.saturating_sub(1);
            }
        }
        let Some(ready) = ready else { return };
        self.of_node.insert(node, zone.clone());
        let zone = self.zones.entry(zone.clone()).or_default();
        if ready {
            zone.ready += 1;
        } else {
            zone.unready.insert(node);
        }
    }

    /// Whether the node should have its `NoExecute` taint.
    pub fn is_tainted(&self, node: NodeId) -> bool {
        let zone = self.of_node.get(&node).and_then(|zone| self.zones.get(zone));
        zone.is_some_and(|zone| zone.tainted.contains(&node))
    }

    /// Taints what may be tainted now. Returns the nodes for which that changed, and when to ask again.
    pub fn release(&mut self, now: Timestamp) -> (Vec<NodeId>, Option<Timestamp>) {
        let mut changed = Vec::new();
        // Nobody is healthy: the control plane is more likely to be cut off, and takes back what it did.
        if self.zones.values().filter(|zone| zone.size() > 0).all(|zone| zone.ready == 0) {
            self.zones.values_mut().for_each(|zone| changed.extend(std::mem::take(&mut zone.tainted)));
            return (changed, None);
        }
        let mut again: Option<Timestamp> = None;
        for zone in self.zones.values_mut() {
            let Some(pause_ms) = zone.pause_ms() else { continue };
            while let Some(next) = zone.unready.difference(&zone.tainted).next().copied() {
                let at = zone.last.map_or(now, |last| last.after_ms(pause_ms));
                if at > now {
                    again = Some(again.map_or(at, |known| known.min(at)));
                    break;
                }
                zone.tainted.insert(next);
                zone.last = Some(now);
                changed.push(next);
            }
        }
        (changed, again)
    }
}

impl Zone {
    fn size(&self) -> usize {
        self.ready + self.unready.len()
    }

    /// The pause between two nodes; `None` when no node is tainted at all.
    fn pause_ms(&self) -> Option<i64> {
        let unready = self.unready.len();
        let mostly =
            self.ready > 0 && unready >= UNHEALTHY_NODES && unready * 100 >= self.size() * UNHEALTHY_PERCENT;
        match (mostly, self.size() > LARGE_ZONE) {
            (false, _) => Some(PAUSE_MS),
            (true, true) => Some(LARGE_ZONE_PAUSE_MS),
            (true, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zones(ready: u32, unready: u32) -> Zones {
        let mut zones = Zones::default();
        for node in 0..ready + unready {
            zones.set(NodeId(node), &"a".into(), Some(node < ready));
        }
        zones
    }

    #[test]
    fn nodes_are_tainted_one_in_ten_seconds() {
        let mut zones = zones(8, 2);
        assert_eq!(zones.release(Timestamp(0)), (vec![NodeId(8)], Some(Timestamp(10_000))));
        assert_eq!(zones.release(Timestamp(10_000)), (vec![NodeId(9)], None));
        assert!(zones.is_tainted(NodeId(8)));
        zones.set(NodeId(8), &"a".into(), Some(true));
        assert!(!zones.is_tainted(NodeId(8)));
    }

    #[test]
    fn a_small_zone_that_is_mostly_unhealthy_loses_no_pods() {
        assert_eq!(zones(2, 3).release(Timestamp(0)), (vec![], None));
        assert_eq!(zones(3, 3).release(Timestamp(0)).0, [NodeId(3)]);
        assert_eq!(zones(1, 2).release(Timestamp(0)).0, [NodeId(1)]);
        assert_eq!(zones(20, 40).release(Timestamp(0)), (vec![NodeId(20)], Some(Timestamp(100_000))));
    }

    #[test]
    fn when_nobody_is_healthy_nothing_is_evicted() {
        let mut zones = zones(1, 1);
        assert_eq!(zones.release(Timestamp(0)).0, [NodeId(1)]);
        zones.set(NodeId(0), &"a".into(), Some(false));
        assert_eq!(zones.release(Timestamp(1)), (vec![NodeId(1)], None));
        // Another zone that is healthy makes the first one's nodes lose their pods after all.
        zones.set(NodeId(2), &"b".into(), Some(true));
        assert_eq!(zones.release(Timestamp(20_000)).0, [NodeId(0)]);
    }
}
