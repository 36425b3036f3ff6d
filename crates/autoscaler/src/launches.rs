//! Launching claims: what is to be submitted, what failed, and trying again.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodeclaim/lifecycle/{launch,controller}.go`: without
//! capacity, or when the node class is not ready, the claim is deleted at once; after other errors it is tried again
//! after 1, 2, 4, … 60 seconds, until the launch timeout deletes it.

use std::collections::{BTreeMap, BTreeSet};

use cluster::network::SubnetId;
use cluster::node_claim::{ClaimStage, LaunchFailure};
use cluster::{ClaimId, Cluster, NodeClaim, Timestamp};

use crate::capacity_errors::{CapacityErrors, NO_SPOT_ROLE};
use crate::effect::Effect;

const BACK_OFF_FIRST_MS: i64 = 1_000;
const BACK_OFF_MAX_MS: i64 = 60_000;

/// Launches of all claims.
#[derive(Clone, Debug, Default)]
pub struct Launches {
    to_submit: BTreeSet<ClaimId>,
    retries: BTreeMap<ClaimId, Retry>,
    given_up: Vec<ClaimId>,
    /// The subnets that claims were planned into, where a plan says so; for the first try.
    planned_into: BTreeMap<ClaimId, SubnetId>,
}

#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Option<Timestamp>,
    delay_ms: i64,
}

impl Launches {
    /// A claim wants an instance, in a subnet that it was planned into or wherever Karpenter would.
    pub fn submit(&mut self, claim: ClaimId, subnet: Option<SubnetId>) {
        self.to_submit.insert(claim);
        self.planned_into.extend(subnet.map(|subnet| (claim, subnet)));
    }

    /// A new leader launches what is not launched. Where nodes are `objects` of the API, one that was killed may have
    /// left a claim that says it is launched and has no node: the node is created again, under the same name.
    pub fn take_over(&mut self, cluster: &Cluster, objects: bool) {
        let wants = |claim: &&NodeClaim| match claim.stage {
            ClaimStage::Created => true,
            _ => objects && wants_instance(claim),
        };
        let claims = cluster.claims.iter().filter(wants).map(|claim| claim.id);
        *self = Launches { to_submit: claims.collect(), ..Launches::default() };
    }

    /// The cloud did not launch.
    pub fn failed(
        &mut self,
        cluster: &Cluster,
        claim: ClaimId,
        why: &LaunchFailure,
        errors: &mut CapacityErrors,
    ) {
        if let LaunchFailure::SubnetFull(subnet) = why {
            errors.note_subnet(*subnet, cluster.now);
        }
        let is_final = match why {
            LaunchFailure::InsufficientCapacity
            | LaunchFailure::SubnetFull(_)
            | LaunchFailure::QuotaExceeded { .. }
            | LaunchFailure::NodeClassNotReady(_) => true,
            LaunchFailure::Unauthorized(code) => code == NO_SPOT_ROLE,
            LaunchFailure::ServiceError(_) => false,
        };
        if is_final {
            self.given_up.push(claim);
            return;
        }
        let retry = self.retries.entry(claim).or_insert(Retry { at: None, delay_ms: BACK_OFF_FIRST_MS });
        retry.at = Some(cluster.now.after_ms(retry.delay_ms));
        retry.delay_ms = retry.delay_ms.saturating_mul(2).min(BACK_OFF_MAX_MS);
    }

    /// Claims whose launch failed for good.
    pub fn take_given_up(&mut self) -> Vec<ClaimId> {
        std::mem::take(&mut self.given_up)
    }

    /// Submits what is to be launched, as long as the cloud can be reached.
    pub fn decide(&mut self, cluster: &Cluster, reaches_cloud: bool, effects: &mut Vec<Effect>) {
        for (claim, retry) in &mut self.retries {
            if retry.at.is_some_and(|at| at <= cluster.now) {
                retry.at = None;
                self.to_submit.insert(*claim);
            }
        }
        let open = |claim: &ClaimId| wants_instance(cluster.claim(*claim));
        self.to_submit.retain(open);
        self.retries.retain(|claim, _| open(claim));
        self.planned_into.retain(|claim, _| open(claim));
        if !reaches_cloud {
            return;
        }
        for claim in std::mem::take(&mut self.to_submit) {
            effects.push(Effect::Launch(claim, self.planned_into.remove(&claim)));
        }
    }

    /// When a launch is tried again.
    pub fn next_retry(&self) -> Option<Timestamp> {
        self.retries.values().filter_map(|retry| retry.at).min()
    }
}

/// A launch that broke off may have said already that the claim is launched.
fn wants_instance(claim: &NodeClaim) -> bool {
    matches!(claim.stage, ClaimStage::Created | ClaimStage::Launched)
        && claim.node.is_none()
        && claim.deleted.is_none()
}
