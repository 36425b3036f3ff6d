//! What a plan is made from, and what comes out.

use std::collections::BTreeSet;

use cluster::change::ClaimOrNode;
use cluster::rejection::PoolRejection;
use cluster::{ClaimId, Cluster, NodeId, PodId};

use crate::market::Market;
use crate::plan::PlannedClaim;
use crate::plimsoll::addresses::Addresses;

/// Whose decisions.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'a> {
    /// Stock Karpenter's, its blind spots included.
    Karpenter,
    /// plimsoll's own: no node without addresses for its pods, and the cheapest of several plans.
    Plimsoll(&'a Addresses),
}

/// What the plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Pods that are pending: their nodes will be created.
    Provisioning,
    /// A simulation: could these pods live elsewhere? Pods of candidates may not move to settling nodes.
    Disruption,
}

/// The input of [`crate::solve`].
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What can be bought, per pool.
    pub market: &'a Market,
    /// The pods to place: pending ones, and those of nodes that go.
    pub pods: &'a [PodId],
    /// Nodes that go besides those that were asked to: their room does not count.
    pub leaving: &'a BTreeSet<NodeId>,
    /// Nodes inside their pool's `consolidateAfter`: pods that are not pending may not move there
    /// ([`Purpose::Disruption`] only).
    pub settling: &'a BTreeSet<NodeId>,
    /// Whose decisions.
    pub policy: Policy<'a>,
    /// What for.
    pub purpose: Purpose,
}

/// Where every pod goes.
#[derive(Clone, Debug, Default)]
pub struct Solution {
    /// Pods for nodes that are there, or claims that are on their way.
    pub on_existing: Vec<(PodId, ClaimOrNode)>,
    /// New nodes to ask for, with their pods.
    pub new_claims: Vec<PlannedClaim>,
    /// Pods for which there is no plan; one reason a pool, in the order in which pools are tried.
    pub refused: Vec<(PodId, Vec<PoolRejection>)>,
}

impl Solution {
    /// The claims on their way that a pod was planned for.
    pub fn claims_used(&self) -> impl Iterator<Item = ClaimId> {
        self.on_existing.iter().filter_map(|(_, place)| match place {
            ClaimOrNode::Claim(claim) => Some(*claim),
            ClaimOrNode::Node(_) => None,
        })
    }
}
