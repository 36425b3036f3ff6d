//! Launching claims: the calls to EC2 in flight, their answers, and trying again.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodeclaim/lifecycle/{launch,controller}.go`: without
//! capacity, or when the node class is not ready, the claim is deleted at once; after other errors it is tried again
//! after 1, 2, 4, … 60 seconds, until the launch timeout deletes it.

use std::collections::{BTreeMap, BTreeSet};

use cluster::network::SubnetId;
use cluster::node_claim::{ClaimStage, LaunchFailure, Launched};
use cluster::{ClaimId, Cluster, Timestamp};
use provisioning::{Market, TypeOnOffer};

use super::capacity_errors::CapacityErrors;
use crate::actor::Context;
use crate::actors::ec2::fleet::{self, NO_SPOT_ROLE};
use crate::actors::ec2::subnets::SubnetView;
use crate::actors::timers::Timers;
use crate::effect::{Effect, Effects};

const BACK_OFF_FIRST_MS: i64 = 1_000;
const BACK_OFF_MAX_MS: i64 = 60_000;

/// Launches of all claims.
#[derive(Clone, Debug, Default)]
pub struct Launches {
    to_submit: BTreeSet<ClaimId>,
    in_flight: Timers<ClaimId>,
    retries: BTreeMap<ClaimId, Retry>,
    given_up: Vec<ClaimId>,
    /// The subnets that claims were planned into, where a plan says so.
    planned_into: BTreeMap<ClaimId, SubnetId>,
    subnets: SubnetView,
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

    /// A new leader launches what is not launched.
    pub fn take_over(&mut self, cluster: &Cluster) {
        let created = cluster.claims.iter().filter(|claim| claim.stage == ClaimStage::Created);
        *self = Launches { in_flight: std::mem::take(&mut self.in_flight), ..Launches::default() };
        self.to_submit.extend(created.map(|claim| claim.id));
    }

    /// EC2 did not launch.
    pub fn failed(
        &mut self,
        cluster: &Cluster,
        claim: ClaimId,
        why: &LaunchFailure,
        errors: &mut CapacityErrors,
    ) {
        if let LaunchFailure::SubnetFull(subnet) = why {
            errors.note_subnet(*subnet, cluster.now);
            self.subnets.mark_empty(*subnet);
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

    /// Sends what is to be launched, as long as EC2 can be reached.
    pub fn decide(&mut self, context: Context<'_>, blocked: bool) {
        let now = context.cluster.now;
        let due = |retry: &Retry| retry.at.is_some_and(|at| at <= now);
        let again: Vec<ClaimId> =
            self.retries.iter().filter(|(_, retry)| due(retry)).map(|(claim, _)| *claim).collect();
        for claim in again {
            if let Some(retry) = self.retries.get_mut(&claim) {
                retry.at = None;
            }
            self.to_submit.insert(claim);
        }
        let open = |claim: &ClaimId| {
            let claim = context.cluster.claim(*claim);
            claim.stage == ClaimStage::Created && claim.deleted.is_none()
        };
        self.to_submit.retain(open);
        self.retries.retain(|claim, _| open(claim));
        if blocked {
            return;
        }
        let answer_at = now.after_ms(context.cluster.declared.profile.latencies.launch_ms);
        for claim in std::mem::take(&mut self.to_submit) {
            self.in_flight.set(answer_at, claim);
        }
    }

    /// EC2's answers that are due, whether or not the controller still runs.
    pub fn answer(
        &mut self,
        context: Context<'_>,
        errors: &mut CapacityErrors,
        market: Option<&Market>,
        seed: u64,
        effects: &mut Effects,
    ) {
        let cluster = context.cluster;
        // One answer an instant at a time: each takes an address and capacity that the next one must see.
        let mut due = self.in_flight.take_due(cluster.now).into_iter();
        let Some(id) = due.next() else { return };
        due.for_each(|later| self.in_flight.set(cluster.now, later));
        let claim = cluster.claim(id);
        if claim.stage != ClaimStage::Created {
            return;
        }
        let chance = seed.wrapping_add(u64::from(id.0));
        let known = |option: &_| errors.covers(option);
        let into = self.planned_into.remove(&id);
        self.subnets.only(into);
        let answer = fleet::launch(cluster, context.catalog, claim, &mut self.subnets, known, chance);
        for (option, subnet, why) in &answer.refused {
            errors.note(option, why, cluster.now);
            if let (Some(subnet), LaunchFailure::SubnetFull(_)) = (subnet, why) {
                self.subnets.mark_empty(*subnet);
            }
        }
        effects.now(match answer.outcome {
            Ok(mut launched) => {
                market.into_iter().for_each(|market| add_overlaid(&mut launched, market, claim.pool));
                Effect::LaunchClaim(id, Box::new(launched))
            }
            Err(why) => Effect::FailClaim(id, why),
        });
    }

    /// When the next answer comes.
    pub fn next_answer(&self) -> Option<Timestamp> {
        self.in_flight.next()
    }

    /// When a launch is tried again.
    pub fn next_retry(&self) -> Option<Timestamp> {
        self.retries.values().filter_map(|retry| retry.at).min()
    }
}

/// What Karpenter expects of the node because a NodeOverlay says so.
fn add_overlaid(launched: &mut Launched, market: &Market, pool: u32) {
    let types = market.pools.get(pool as usize).map(|pool| &pool.types);
    let own = |offered: &&TypeOnOffer| offered.name == launched.option.instance_type;
    let Some(offered) = types.and_then(|types| types.iter().find(own)) else { return };
    for (name, amount) in &offered.capacity.extended {
        launched.capacity.set(name, *amount);
        launched.allocatable.set(name, *amount);
    }
}
