//! EC2 as Karpenter's AWS provider calls it: launches and terminations in flight, and their answers.
//!
//! Follows aws/karpenter-provider-aws v1.14.1 `pkg/providers/instance/instance.go`. What the provider remembers about
//! capacity and subnets is lost with the leader; calls that EC2 has are answered all the same.

use std::collections::{BTreeMap, BTreeSet};

use autoscaler::capacity_errors::CapacityErrors;
use cluster::network::SubnetId;
use cluster::node_claim::{ClaimStage, LaunchFailure, Launched};
use cluster::{Change, ClaimId, Cluster, Timestamp};
use provisioning::{Market, TypeOnOffer};

use crate::actor::Context;
use crate::actors::ec2::fleet;
use crate::actors::ec2::subnets::SubnetView;
use crate::actors::timers::Timers;
use crate::effect::{Effect, Effects};

/// Calls in flight, and what the provider remembers.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    seed: u64,
    launching: Timers<ClaimId>,
    /// The subnets that launches were asked into, where the controller says so.
    asked_into: BTreeMap<ClaimId, SubnetId>,
    terminating: Timers<ClaimId>,
    asked_to_end: BTreeSet<ClaimId>,
    errors: CapacityErrors,
    subnets: SubnetView,
}

impl Cloud {
    /// `seed` decides what EC2 leaves to chance.
    pub fn new(seed: u64) -> Cloud {
        Cloud { seed, ..Cloud::default() }
    }

    /// The provider starts anew. Calls in flight stay so.
    pub fn forget(&mut self) {
        self.errors = CapacityErrors::default();
        self.subnets = SubnetView::default();
        self.asked_into.clear();
    }

    /// A subnet that was full at the last moment is known to be.
    pub fn observe(&mut self, change: &Change) {
        if let Change::ClaimFailed(_, LaunchFailure::SubnetFull(subnet)) = change {
            self.subnets.mark_empty(*subnet);
        }
    }

    /// Asks for an instance.
    pub fn launch(&mut self, cluster: &Cluster, claim: ClaimId, subnet: Option<SubnetId>) {
        self.asked_into.extend(subnet.map(|subnet| (claim, subnet)));
        self.launching.set(cluster.now.after_ms(cluster.declared.profile.latencies.launch_ms), claim);
    }

    /// Asks for the end of an instance.
    pub fn terminate(&mut self, cluster: &Cluster, claim: ClaimId) {
        if self.asked_to_end.insert(claim) {
            let terminate_ms = cluster.declared.profile.latencies.terminate_ms;
            // Not within the instant in which it was asked.
            self.terminating.set(cluster.now.after_ms(terminate_ms.max(1)), claim);
        }
    }

    /// EC2's answers that are due. With a market a launched node has what NodeOverlays add there.
    pub fn answer(&mut self, context: Context<'_>, market: Option<&Market>, effects: &mut Effects) {
        for claim in self.terminating.take_due(context.cluster.now) {
            effects.now(Effect::InstanceTerminated(claim));
        }
        // One launch an instant at a time: each takes an address and capacity that the next one must see.
        let mut due = self.launching.take_due(context.cluster.now).into_iter();
        let Some(claim) = due.next() else { return };
        due.for_each(|later| self.launching.set(context.cluster.now, later));
        self.answer_launch(context, claim, market, effects);
    }

    fn answer_launch(
        &mut self,
        context: Context<'_>,
        id: ClaimId,
        market: Option<&Market>,
        effects: &mut Effects,
    ) {
        let cluster = context.cluster;
        let claim = cluster.claim(id);
        if claim.stage != ClaimStage::Created {
            return;
        }
        self.errors.expire(cluster.now);
        let chance = self.seed.wrapping_add(u64::from(id.0));
        let known = |option: &_| self.errors.covers(option);
        self.subnets.only(self.asked_into.remove(&id));
        let answer = fleet::launch(cluster, context.catalog, claim, &mut self.subnets, known, chance);
        for offering in &answer.refused {
            self.errors.note(offering, cluster.now);
            if let (Some(subnet), LaunchFailure::SubnetFull(_)) = (offering.subnet, &offering.why) {
                self.subnets.mark_empty(subnet);
            }
        }
        if !answer.refused.is_empty() {
            effects.now(Effect::RefuseOfferings(answer.refused));
        }
        effects.now(match answer.outcome {
            Ok(mut launched) => {
                let overlaid = market.zip(claim.pool);
                overlaid.into_iter().for_each(|(market, pool)| add_overlaid(&mut launched, market, pool));
                Effect::LaunchClaim(id, Box::new(launched))
            }
            Err(why) => Effect::FailClaim(id, why),
        });
    }

    /// When the next answer comes.
    pub fn next_answer(&self) -> Option<Timestamp> {
        [self.launching.next(), self.terminating.next()].into_iter().flatten().min()
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
