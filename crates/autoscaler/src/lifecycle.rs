//! Looking after claims: registration, initialization, drift, timeouts, expiry, and the end of a claim without a node.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodeclaim/{lifecycle,expiration}`. There is no timeout
//! for initialization.

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_claim::ClaimStage;
use cluster::node_pool::DisruptionReason;
use cluster::{Change, ClaimId, Cluster, Kind, Node, NodeClaim, NodeId, Timestamp};
use provisioning::disruption::drift;
use provisioning::existing::{UNREGISTERED, is_ephemeral};

use crate::controller::{Autoscaler, Shop};
use crate::effect::Effect;

/// Without a launch by then, a claim is deleted.
const LAUNCH_TIMEOUT_MS: i64 = 5 * 60_000;
/// Without a node by then, a claim is deleted.
const REGISTRATION_TIMEOUT_MS: i64 = 15 * 60_000;

/// Claims that need a look, and instants that end claims.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    due: BTreeSet<ClaimId>,
    /// Claims that are neither launched nor gone: before there are none, Karpenter neither provisions nor disrupts
    /// (`pkg/controllers/state/cluster.go` `Synced`).
    unlaunched: BTreeSet<ClaimId>,
    /// Claims without a node.
    unregistered: BTreeMap<ClaimId, Timestamp>,
    expiring: BTreeSet<(Timestamp, ClaimId)>,
}

impl Claims {
    /// Learns which claims need a look.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        let of_node = |node: NodeId| cluster.node(node).claim;
        match change {
            Change::ClaimCreated(claim) => {
                self.due.insert(*claim);
                self.unlaunched.insert(*claim);
            }
            Change::ClaimLaunched(claim, _) | Change::ClaimGone(claim) => {
                self.due.insert(*claim);
                self.unlaunched.remove(claim);
            }
            Change::ClaimInitialized(claim)
            | Change::ClaimUpdated(claim)
            | Change::ClaimDeleting(claim, _) => {
                self.due.insert(*claim);
            }
            // Nodes may not be any more what they would make.
            Change::ObjectArrived(key) if matches!(key.kind, Kind::NodePool | Kind::Ec2NodeClass) => {
                let all = cluster.claims.iter().filter(|claim| claim.stage != ClaimStage::Gone);
                self.due.extend(all.map(|claim| claim.id));
            }
            Change::NodeRegistered(node)
            | Change::NodeReady(node, _)
            | Change::NodeUpdated(node)
            | Change::NodeUnreadySince(node, _)
            | Change::NodeDeleting(node)
            | Change::NodeGone(node) => self.due.extend(of_node(*node)),
            _ => {}
        }
    }

    /// A new leader looks at all claims.
    pub fn take_over(&mut self, cluster: &Cluster) {
        self.due.extend(cluster.claims.iter().map(|claim| claim.id));
        let created = cluster.claims.iter().filter(|claim| claim.stage == ClaimStage::Created);
        self.unlaunched = created.map(|claim| claim.id).collect();
    }

    /// Whether every claim is launched or gone.
    pub fn are_launched(&self) -> bool {
        self.unlaunched.is_empty()
    }

    /// When the next claim is given up for want of an instance or a node.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.unregistered.values().min().copied()
    }

    /// When the next claim expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// Claims to look at now.
    fn take_due(&mut self, now: Timestamp) -> BTreeSet<ClaimId> {
        let late = self.unregistered.iter().filter(|(_, at)| **at <= now).map(|(claim, _)| *claim);
        self.due.extend(late);
        let expired = self.expiring.iter().take_while(|(at, _)| *at <= now).map(|(_, claim)| *claim);
        self.due.extend(expired);
        std::mem::take(&mut self.due)
    }

    /// Notes what will end the claim.
    fn note(&mut self, cluster: &Cluster, claim: &NodeClaim) {
        let expiry = expires(claim);
        expiry.into_iter().for_each(|at| {
            self.expiring.remove(&(at, claim.id));
        });
        self.unregistered.remove(&claim.id);
        if claim.deleted.is_some() || claim.stage == ClaimStage::Gone {
            return;
        }
        self.expiring.extend(expiry.filter(|at| *at > cluster.now).map(|at| (at, claim.id)));
        self.unregistered.extend(timeout(claim).filter(|at| *at > cluster.now).map(|at| (claim.id, at)));
    }
}

impl Autoscaler {
    /// Takes every claim one step further, where it can go.
    pub(crate) fn look_after_claims(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        for claim in self.launches.take_given_up() {
            effects.push(Effect::DeleteClaim(claim, None));
        }
        for id in self.claims.take_due(cluster.now) {
            let claim = cluster.claim(id);
            self.claims.note(cluster, claim);
            if claim.stage == ClaimStage::Gone {
                continue;
            }
            if claim.deleted.is_some() {
                self.finalize(cluster, claim, effects);
            } else {
                self.advance(cluster, claim, effects);
            }
        }
    }

    /// A claim that was asked to go: its node first; without one its instance; then it is gone.
    fn finalize(&mut self, cluster: &Cluster, claim: &NodeClaim, effects: &mut Vec<Effect>) {
        match claim.node.map(|node| cluster.node(node)).filter(|node| node.exists()) {
            Some(node) if node.deleted.is_none() => effects.push(Effect::DeleteNode(node.id)),
            Some(_) => {}
            None if claim.launched.is_some() => self.drains.terminate_unregistered(claim.id),
            None => effects.push(Effect::ReleaseClaim(claim.id)),
        }
    }

    /// One step of a claim that stays.
    fn advance(&self, cluster: &Cluster, claim: &NodeClaim, effects: &mut Vec<Effect>) {
        if timeout(claim).is_some_and(|at| at <= cluster.now) {
            effects.push(Effect::DeleteClaim(claim.id, None));
            return;
        }
        if expires(claim).is_some_and(|at| at <= cluster.now) {
            effects.push(Effect::DeleteClaim(claim.id, Some(DisruptionReason::Expired)));
            return;
        }
        let drift = drift::reason(cluster, claim);
        if drift != claim.drifted.map(|(_, why)| why) {
            effects.push(Effect::DriftClaim(claim.id, drift));
        }
        let Some(node) = claim.node.map(|node| cluster.node(node)).filter(|node| node.exists()) else {
            // The instance is gone with its node (`pkg/controllers/nodeclaim/garbagecollection`).
            if claim.stage >= ClaimStage::Registered && matches!(self.shop, Shop::Listed(..)) {
                effects.push(Effect::DeleteClaim(claim.id, None));
            }
            return;
        };
        register(node, effects);
        if claim.stage == ClaimStage::Registered && is_initialized(node, claim) {
            effects.push(Effect::InitializeClaim(claim.id));
        }
    }
}

/// Takes note of a node that has joined: from then on pods may go there.
fn register(node: &Node, effects: &mut Vec<Effect>) {
    if node.taints.iter().any(|taint| taint.key == UNREGISTERED) {
        effects.push(Effect::Register(node.id));
    }
}

/// Ready, no startup taint and no taint of a starting node left, every extended resource that was asked for there.
fn is_initialized(node: &Node, claim: &NodeClaim) -> bool {
    let starting = |taint: &cluster::Taint| {
        is_ephemeral(taint)
            || claim.startup_taints.iter().any(|own| own.key == taint.key && own.effect == taint.effect)
    };
    node.ready
        && !node.taints.iter().any(starting)
        && claim.requests.iter().all(|(name, _)| node.allocatable.get(name) > 0)
}

fn timeout(claim: &NodeClaim) -> Option<Timestamp> {
    match claim.stage {
        ClaimStage::Created => Some(claim.created.after_ms(LAUNCH_TIMEOUT_MS)),
        ClaimStage::Launched => Some(claim.created.after_ms(REGISTRATION_TIMEOUT_MS)),
        ClaimStage::Registered | ClaimStage::Initialized | ClaimStage::Terminating | ClaimStage::Gone => None,
    }
}

fn expires(claim: &NodeClaim) -> Option<Timestamp> {
    claim.expire_after_ms.map(|after| claim.created.after_ms(after))
}
