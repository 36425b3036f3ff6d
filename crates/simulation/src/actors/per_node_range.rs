//! CNIs that need no cloud calls: a range fixed per node, or nothing known at all.
//!
//! GKE (alias ranges), Azure overlay, Cilium's cluster-pool, and inputs without any CNI. A node beyond the last range
//! of the pod network never gets one (GKE: `IP_SPACE_EXHAUSTED`; cluster-pool: the agent waits for its PodCIDR).
//! Where the input has Cilium's agent, the network is ready when it runs, and under cluster-pool the operator has to
//! run as well before a new node gets its range (cilium/cilium v1.18 `operator/cmd/cilium_node.go`).

use std::collections::BTreeSet;

use cluster::network::Cni;
use cluster::role::Program;
use cluster::waiting::AddressShortage;
use cluster::{Change, Cluster, Node, NodeId, Timestamp};

use super::address_queue::AddressQueue;
use super::agenda::Agenda;
use super::daemons::Daemons;
use super::fargate::is_fargate;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The CNI of all nodes.
#[derive(Clone, Debug)]
pub struct PerNodeRange {
    queue: AddressQueue,
    agents: Daemons,
    operators: Daemons,
    /// Nodes that have a range.
    ranges: BTreeSet<NodeId>,
    /// Nodes that wait for one.
    without: BTreeSet<NodeId>,
    dirty: BTreeSet<NodeId>,
    agenda: Agenda,
    adopted: bool,
}

impl Default for PerNodeRange {
    fn default() -> PerNodeRange {
        PerNodeRange {
            queue: AddressQueue::default(),
            agents: Daemons::of(Program::CiliumAgent),
            operators: Daemons::of(Program::CiliumOperator),
            ranges: BTreeSet::new(),
            without: BTreeSet::new(),
            dirty: BTreeSet::new(),
            agenda: Agenda::default(),
            adopted: false,
        }
    }
}

impl Actor for PerNodeRange {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if !std::mem::replace(&mut self.adopted, true) {
            self.dirty.extend(cluster.live_nodes().map(|node| node.id));
        }
        self.queue.observe(change, cluster, &mut self.dirty);
        self.agents.observe(change, cluster, &mut self.dirty);
        let mut operators_moved = BTreeSet::new();
        self.operators.observe(change, cluster, &mut operators_moved);
        if !operators_moved.is_empty() {
            self.dirty.append(&mut self.without);
        }
        match change {
            Change::NodeRegistered(node) | Change::CniReady(node, _) => {
                self.dirty.insert(*node);
            }
            Change::NodeGone(node) => {
                if self.ranges.remove(node) {
                    self.dirty.append(&mut self.without);
                }
                self.without.remove(node);
                self.dirty.remove(node);
                self.agenda.set(*node, None);
            }
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        self.dirty.extend(self.agenda.take_due(cluster.now));
        for id in std::mem::take(&mut self.dirty) {
            let node = cluster.node(id);
            if node.exists() {
                self.tend(node, cluster, effects);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }
}

impl PerNodeRange {
    fn tend(&mut self, node: &Node, cluster: &Cluster, effects: &mut Effects) {
        if !is_fargate(node) && (!self.has_range(node.id, cluster) || !self.agent_ran(node, cluster)) {
            return;
        }
        if !node.network.cni_ready {
            return effects.now(Effect::CniReady(node.id, true));
        }
        let available = match cluster.declared.cni {
            Cni::PerNodeRange { addresses_per_node, .. } => {
                addresses_per_node.saturating_sub(node.network.assigned() + node.network.own_endpoints)
            }
            _ => u32::MAX,
        };
        let why = || AddressShortage::NodeFull {
            capacity: available.saturating_add(node.network.assigned() + node.network.own_endpoints),
            own: node.network.own_endpoints,
            assigned: node.network.assigned(),
        };
        self.queue.serve(node.id, available, cluster, why, effects);
        let next = self.queue.next_ask(node.id, cluster.now, cluster.now).filter(|_| available > 0);
        self.agenda.set(node.id, next);
    }

    /// Takes a range for the node if there is one left and somebody hands it out.
    fn has_range(&mut self, node: NodeId, cluster: &Cluster) -> bool {
        let Cni::PerNodeRange { max_nodes, .. } = cluster.declared.cni else { return true };
        if self.ranges.contains(&node) {
            return true;
        }
        let left = max_nodes.is_none_or(|max| self.ranges.len() < max as usize);
        let handed_out = !self.operators.is_declared() || self.operators.runs_anywhere();
        let got = left && handed_out;
        if got {
            self.ranges.insert(node)
        } else {
            self.without.insert(node)
        };
        got
    }

    /// Where the input has Cilium's agent, the network is ready once it has run.
    fn agent_ran(&self, node: &Node, cluster: &Cluster) -> bool {
        node.network.cni_ready || self.agents.since(node.id, cluster).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::cni_stage::{Stage, subnet};
    use cluster::Waiting;

    fn stage(cni: Cni, programs: &[Program]) -> Stage {
        Stage::new(cni, vec![subnet(0, "10.0.0.0/22")], programs)
    }

    #[test]
    fn a_range_feeds_so_many_pods() {
        let mut stage = stage(Cni::PerNodeRange { addresses_per_node: 20, max_nodes: None }, &[]);
        let node = stage.node("m7g.large", 110);
        let pods = stage.pods(node, 22);
        stage.settle();
        assert_eq!(stage.addressed(&pods), 20);
        let full = AddressShortage::NodeFull { capacity: 20, own: 0, assigned: 20 };
        assert_eq!(stage.waits(pods[21]), Some(Waiting::NoAddress(full)));
        stage.delete(pods[0]);
        stage.settle();
        assert_eq!(stage.addressed(&pods), 20, "the freed one is used again");
    }

    #[test]
    fn nodes_beyond_the_last_range_never_become_ready() {
        let mut stage = stage(Cni::PerNodeRange { addresses_per_node: 256, max_nodes: Some(1) }, &[]);
        let (first, second) = (stage.node("m7g.large", 110), stage.node("m7g.large", 110));
        stage.settle();
        let ready = |stage: &Stage, node| stage.world.cluster.node(node).ready;
        assert_eq!((ready(&stage, first), ready(&stage, second)), (true, false));
        stage.perform(Effect::NodeGone(first));
        stage.settle();
        assert!(ready(&stage, second));
    }

    #[test]
    fn everybody_gets_an_address_when_nothing_is_known() {
        let mut stage = stage(Cni::Unlimited, &[]);
        let node = stage.node("m7g.large", 29);
        let pods = stage.pods(node, 100);
        stage.settle();
        assert_eq!(stage.addressed(&pods), 100);
    }

    #[test]
    fn cluster_pool_waits_for_agent_and_operator() {
        let cni = Cni::PerNodeRange { addresses_per_node: 254, max_nodes: None };
        let mut stage = stage(cni, &[Program::CiliumAgent, Program::CiliumOperator]);
        let node = stage.node("m7g.large", 29);
        stage.program(node, Program::CiliumAgent);
        stage.settle();
        assert!(!stage.network(node).cni_ready);
        stage.program(node, Program::CiliumOperator);
        stage.settle();
        assert!(stage.network(node).cni_ready);
    }
}
