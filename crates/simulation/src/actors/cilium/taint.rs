//! `node.cilium.io/agent-not-ready`: taken off by the operator once the node's agent is ready.
//!
//! Followed: cilium/cilium v1.18 `operator/watchers/node_taint.go` (`remove-cilium-node-taints`, on by default).
//! Acts in every IPAM mode and in chaining; it needs no AWS. That the operator also sets the taint on nodes whose
//! agent is not ready (`set-cilium-node-taints`) is not modelled: nodes bring it as a startup taint.

use std::collections::BTreeSet;

use addressing::cilium::NOT_READY_TAINT;
use cluster::change::NodePatch;
use cluster::role::Program;
use cluster::{Change, Cluster, Node, NodeId};

use crate::actor::{Actor, Context};
use crate::actors::daemons::Daemons;
use crate::effect::{Effect, Effects};

/// The operator's taint watcher.
#[derive(Clone, Debug)]
pub struct CiliumTaint {
    agents: Daemons,
    operators: Daemons,
    /// Nodes with the taint.
    tainted: BTreeSet<NodeId>,
    look: bool,
    adopted: bool,
}

impl Default for CiliumTaint {
    fn default() -> CiliumTaint {
        CiliumTaint {
            agents: Daemons::of(Program::CiliumAgent),
            operators: Daemons::of(Program::CiliumOperator),
            tainted: BTreeSet::new(),
            look: false,
            adopted: false,
        }
    }
}

impl Actor for CiliumTaint {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if !std::mem::replace(&mut self.adopted, true) {
            cluster.live_nodes().for_each(|node| self.note(node));
        }
        let mut moved = BTreeSet::new();
        self.agents.observe(change, cluster, &mut moved);
        self.operators.observe(change, cluster, &mut moved);
        self.look |= !moved.is_empty();
        match change {
            Change::NodeRegistered(node) | Change::NodeUpdated(node) => self.note(cluster.node(*node)),
            Change::CniReady(..) => self.look = true,
            Change::NodeGone(node) => {
                self.tainted.remove(node);
            }
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        if !std::mem::take(&mut self.look) || !self.operator_runs() {
            return;
        }
        for node in self.tainted.iter().map(|node| cluster.node(*node)) {
            if self.agent_ready(node, cluster) {
                let own = node.taints.iter().filter(|taint| taint.key == NOT_READY_TAINT);
                let patch = NodePatch::without(own);
                effects.now(Effect::PatchNode(node.id, Box::new(patch)));
            }
        }
    }
}

impl CiliumTaint {
    fn note(&mut self, node: &Node) {
        let tainted = node.exists() && node.taints.iter().any(|taint| taint.key == NOT_READY_TAINT);
        if tainted {
            self.tainted.insert(node.id)
        } else {
            self.tainted.remove(&node.id)
        };
        self.look |= tainted;
    }

    /// An input with neither operator nor agent says nothing about them; with an agent only, nobody removes it.
    fn operator_runs(&self) -> bool {
        self.operators.runs_anywhere() || !self.operators.is_declared() && !self.agents.is_declared()
    }

    fn agent_ready(&self, node: &Node, cluster: &Cluster) -> bool {
        node.network.cni_ready && self.agents.since(node.id, cluster).is_some()
    }
}
