//! Nodes of claims that are gone: a launch can arrive after its claim was given up, and nobody else would end it.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/controllers/nodeclaim/garbagecollection/controller.go`: an instance
//! that is older than 30 seconds and has no claim goes. What has registered belongs to its claim, and goes with it.

use std::collections::BTreeMap;

use cluster::node_claim::ClaimStage;
use cluster::{Change, Cluster, Node, NodeId, Timestamp};
use provisioning::existing::UNREGISTERED;

use crate::controller::{Autoscaler, Shop};
use crate::effect::Effect;

/// A claim that has not been seen by then is not there.
const YOUNG_MS: i64 = 30_000;
/// Between two looks.
const POLL_MS: i64 = 2 * 60_000;

/// Nodes that seem to have no claim, and when that is looked at.
#[derive(Clone, Debug, Default)]
pub struct Orphans {
    due: BTreeMap<NodeId, Timestamp>,
}

impl Orphans {
    /// Learns which nodes have none.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        match change {
            Change::NodeRegistered(node) => self.note(cluster, *node),
            Change::ClaimGone(claim) => {
                cluster.claim(*claim).node.into_iter().for_each(|node| self.note(cluster, node));
            }
            Change::NodeGone(node) => drop(self.due.remove(node)),
            _ => {}
        }
    }

    /// A new leader looks at all nodes.
    pub fn take_over(&mut self, cluster: &Cluster) {
        cluster.live_nodes().for_each(|node| self.note(cluster, node.id));
    }

    /// When the next one is looked at.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.due.values().min().copied()
    }

    fn note(&mut self, cluster: &Cluster, node: NodeId) {
        let node = cluster.node(node);
        if is_orphan(cluster, node) {
            self.due.insert(node.id, node.created.after_ms(YOUNG_MS));
        }
    }
}

impl Autoscaler {
    /// Whether the cloud may know of instances that no claim does.
    pub(crate) fn has_orphans(&self) -> bool {
        matches!(self.shop, Shop::Listed(..))
    }

    /// Ends what belongs to nobody.
    pub(crate) fn end_orphans(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        self.orphans.due.retain(|node, at| {
            let node = cluster.node(*node);
            if *at <= cluster.now && is_orphan(cluster, node) {
                effects.push(Effect::DeleteNode(node.id));
                *at = cluster.now.after_ms(POLL_MS);
            }
            is_orphan(cluster, node)
        });
    }
}

fn is_orphan(cluster: &Cluster, node: &Node) -> bool {
    let gone = node.claim.is_none_or(|claim| cluster.claim(claim).stage == ClaimStage::Gone);
    let unregistered = node.taints.iter().any(|taint| taint.key == UNREGISTERED);
    gone && unregistered && node.exists() && node.deleted.is_none()
}
