//! Node repair: a node that has not been Ready for too long is replaced by force, as long as few are.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/node/health/controller.go`; it runs with the feature gate
//! `NodeRepair` only. How long a node may be unhealthy is the provider's to say: `kwok/cloudprovider` of the same
//! module, and aws/karpenter-provider-aws v1.14.1 `pkg/cloudprovider/cloudprovider.go` (of its policies only those of
//! the condition `Ready`: the others are set by an agent that is not known here).

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_pool::DisruptionReason;
use cluster::{Change, Cluster, NodeClaim, NodeId, Timestamp};

use crate::controller::{Autoscaler, Shop};
use crate::effect::Effect;

/// Of a pool's nodes, or of the cluster's where a node has no pool, so many may be unhealthy: percent, rounded up.
const UNHEALTHY_PERCENT: usize = 20;
/// When more are, it is looked again after this.
const BLOCKED_MS: i64 = 5 * 60_000;

/// Nodes that are not Ready.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    /// Since when.
    unhealthy: BTreeMap<NodeId, Timestamp>,
    /// Those that have been for too long. One that was so counts, even if it is Ready again meanwhile.
    due: BTreeSet<NodeId>,
    blocked_until: Option<Timestamp>,
    wake: Option<Timestamp>,
}

impl Repair {
    /// Learns how nodes are; `tolerated_ms` is how long one may be unhealthy.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster, tolerated_ms: i64) {
        match change {
            Change::NodeReady(node, true) | Change::NodeGone(node) => {
                self.unhealthy.remove(node);
            }
            Change::NodeReady(node, false) => {
                self.unhealthy.entry(*node).or_insert(cluster.now);
            }
            Change::NodeUnreadySince(node, since) => {
                self.unhealthy.insert(*node, *since);
                if since.after_ms(tolerated_ms) <= cluster.now {
                    self.due.insert(*node);
                }
            }
            _ => {}
        }
    }

    /// When the next node has been unhealthy for too long.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.wake
    }

    /// Has those replaced that have been unhealthy for too long, where few are.
    fn replace_due(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        for node in std::mem::take(&mut self.due) {
            let claim = cluster.node(node).claim.map(|claim| cluster.claim(claim));
            let stays = |claim: &&NodeClaim| claim.deleted.is_none() && cluster.node(node).exists();
            let Some(claim) = claim.filter(stays) else { continue };
            if self.is_allowed(cluster, node) {
                effects.push(Effect::DeleteClaim(claim.id, Some(DisruptionReason::Unhealthy)));
            } else {
                self.due.insert(node);
                self.blocked_until = Some(cluster.now.after_ms(BLOCKED_MS));
            }
        }
    }

    /// Whether few enough nodes like this one are unhealthy.
    fn is_allowed(&self, cluster: &Cluster, node: NodeId) -> bool {
        let pool_of = |node: NodeId| cluster.node(node).claim.and_then(|claim| cluster.claim(claim).pool);
        let pool = pool_of(node);
        let alike = |other: NodeId| pool.is_none() || pool_of(other) == pool;
        let all = cluster.live_nodes().filter(|other| alike(other.id)).count();
        let unhealthy = self.unhealthy.keys().filter(|other| alike(**other)).count();
        are_few(unhealthy, all)
    }
}

fn are_few(unhealthy: usize, all: usize) -> bool {
    unhealthy <= (all * UNHEALTHY_PERCENT).div_ceil(100)
}

impl Autoscaler {
    /// How long a node may be unhealthy.
    pub(crate) fn tolerated_ms(&self) -> i64 {
        match &self.shop {
            Shop::Ec2(_) => 30 * 60_000,
            Shop::Listed(..) => 10 * 60_000,
        }
    }

    /// Has unhealthy nodes replaced.
    pub(crate) fn repair(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        if !cluster.declared.karpenter.node_repair {
            return;
        }
        let (now, tolerated_ms) = (cluster.now, self.tolerated_ms());
        let repair = &mut self.repair;
        let ripe = |since: &Timestamp| since.after_ms(tolerated_ms);
        repair
            .due
            .extend(repair.unhealthy.iter().filter(|(_, since)| ripe(since) <= now).map(|(node, _)| *node));
        if repair.blocked_until.is_none_or(|at| at <= now) {
            repair.blocked_until = None;
            repair.replace_due(cluster, effects);
        }
        let next = repair.unhealthy.values().map(ripe).filter(|at| *at > now).min();
        repair.wake = next.into_iter().chain(repair.blocked_until).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_may_be_unhealthy_rounded_up() {
        assert!(are_few(1, 1) && are_few(1, 3) && are_few(2, 6));
        assert!(!are_few(2, 3) && !are_few(3, 6));
    }
}
