//! What kubelets report about their nodes, and which of them are lost.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/nodestatus` `ReadyCondition`: Ready once the runtime's network is
//! configured. The launch of a node takes the profile's `nodeReady` before it registers; from then on only the
//! CNI keeps it from being Ready.

use std::collections::BTreeSet;

use cluster::{Change, Cluster, NodeId};

use crate::effect::{Effect, Effects};

/// The Ready conditions of all nodes.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    due: BTreeSet<NodeId>,
    lost: BTreeSet<NodeId>,
    back: Vec<NodeId>,
    started: bool,
}

impl NodeStatus {
    /// Learns what happened to nodes. A node that is not Ready although its CNI is, is lost: its kubelet is
    /// silent until somebody else reports it Ready.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        self.start(cluster);
        match change {
            Change::NodeRegistered(node) | Change::CniReady(node, _) => {
                self.due.insert(*node);
            }
            Change::NodeReady(node, false) if cluster.node(*node).network.cni_ready => {
                self.lost.insert(*node);
            }
            Change::NodeReady(node, true) if self.lost.remove(node) => self.back.push(*node),
            Change::NodeGone(node) => {
                self.lost.remove(node);
            }
            _ => {}
        }
    }

    /// Reports what is due, and returns the nodes that are back.
    pub fn report(&mut self, cluster: &Cluster, effects: &mut Effects) -> Vec<NodeId> {
        self.start(cluster);
        for node in std::mem::take(&mut self.due) {
            let node = cluster.node(node);
            let ready = node.network.cni_ready;
            if node.exists() && !self.lost.contains(&node.id) && node.ready != ready {
                effects.now(Effect::NodeReady(node.id, ready));
            }
        }
        std::mem::take(&mut self.back)
    }

    /// Whether nobody hears from the node.
    pub fn is_lost(&self, node: NodeId) -> bool {
        self.lost.contains(&node)
    }

    /// Nodes of t=0 that are not Ready: for want of a network, or lost.
    fn start(&mut self, cluster: &Cluster) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for node in cluster.live_nodes().filter(|node| !node.ready) {
            let set = if node.network.cni_ready { &mut self.lost } else { &mut self.due };
            set.insert(node.id);
        }
    }
}
