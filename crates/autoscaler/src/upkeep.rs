//! What the API says of pools and claims beside their specs: hashes, statuses, conditions. Here is only when they may
//! need a look; what is to be written, if anything, is worked out where the objects are.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodepool/{counter,hash,readiness,registrationhealth}` and
//! `pkg/controllers/nodeclaim/{disruption,podevents}`.

use std::collections::BTreeSet;

use cluster::{Change, ClaimId, Cluster, Kind, Name, NodeId, PodId, Timestamp};
use provisioning::disruption::candidate::consolidatable_at;
use provisioning::existing::View;

use crate::controller::Autoscaler;
use crate::effect::Effect;

/// What may need a look.
#[derive(Clone, Debug, Default)]
pub struct Upkeep {
    /// In a simulation nobody reads statuses.
    on: bool,
    pools: BTreeSet<Name>,
    claims: BTreeSet<ClaimId>,
    /// When claims become consolidatable.
    due: BTreeSet<(Timestamp, ClaimId)>,
}

impl Upkeep {
    /// From now on the API is kept true.
    pub fn begin(&mut self) {
        self.on = true;
    }

    /// A new leader looks at everything.
    pub fn take_over(&mut self, cluster: &Cluster) {
        if self.on {
            self.due.clear();
            self.pools.extend(cluster.declared.node_pools.iter().map(|pool| pool.name.clone()));
            self.claims.extend(cluster.claims.iter().map(|claim| claim.id));
        }
    }

    /// Learns what a change may make untrue.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        if !self.on {
            return;
        }
        match change {
            Change::ObjectArrived(key) if key.kind == Kind::NodePool => {
                self.pools.insert(key.name.clone());
                let of_pool = |claim: &&cluster::NodeClaim| {
                    cluster.declared.pool_of(claim).is_some_and(|pool| pool.name == key.name)
                };
                self.claims.extend(cluster.claims.iter().filter(of_pool).map(|claim| claim.id));
            }
            // A node class, perhaps.
            Change::ObjectArrived(_) | Change::ObjectDeleted(_) => {
                self.pools.extend(cluster.declared.node_pools.iter().map(|pool| pool.name.clone()));
            }
            Change::ClaimCreated(claim)
            | Change::ClaimLaunched(claim, _)
            | Change::ClaimInitialized(claim)
            | Change::ClaimUpdated(claim)
            | Change::ClaimDrifted(claim, _)
            | Change::ClaimDeleting(claim, _)
            | Change::ClaimGone(claim) => self.of_claim(*claim, cluster),
            Change::NodeRegistered(node)
            | Change::NodeUpdated(node)
            | Change::NodeReady(node, _)
            | Change::NodeGone(node) => self.of_node(*node, cluster),
            Change::PodBound(_, node) => self.claims.extend(cluster.node(*node).claim),
            Change::PodStage(pod, _) | Change::PodDeleting { pod, .. } => self.of_pod(*pod, cluster),
            _ => {}
        }
    }

    fn of_claim(&mut self, claim: ClaimId, cluster: &Cluster) {
        self.claims.insert(claim);
        self.pools.extend(cluster.declared.pool_of(cluster.claim(claim)).map(|pool| pool.name.clone()));
    }

    fn of_node(&mut self, node: NodeId, cluster: &Cluster) {
        cluster.node(node).claim.into_iter().for_each(|claim| self.of_claim(claim, cluster));
    }

    fn of_pod(&mut self, pod: PodId, cluster: &Cluster) {
        let node = cluster.pod(pod).node;
        self.claims.extend(node.and_then(|node| cluster.node(node).claim));
    }

    /// When the next claim becomes consolidatable.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

impl Autoscaler {
    /// Has what may be untrue looked at.
    pub(crate) fn keep_up(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        let upkeep = &mut self.upkeep;
        while let Some((at, claim)) = upkeep.due.first().copied().filter(|(at, _)| *at <= cluster.now) {
            upkeep.due.remove(&(at, claim));
            upkeep.claims.insert(claim);
        }
        for pool in std::mem::take(&mut upkeep.pools) {
            effects.push(Effect::TendPool(pool));
        }
        for claim in std::mem::take(&mut upkeep.claims) {
            let node = cluster.claim(claim).node.map(|node| cluster.node(node)).filter(|node| node.exists());
            let at = node.and_then(|node| consolidatable_at(cluster, &View::of_node(cluster, node)));
            upkeep.due.extend(at.filter(|at| *at > cluster.now).map(|at| (at, claim)));
            effects.push(Effect::TendClaim(claim));
        }
    }
}
