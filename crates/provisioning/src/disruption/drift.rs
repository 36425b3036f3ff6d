//! Drift: nodes that are not any more what their pool and node class would make.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/drift.go` and
//! `pkg/controllers/nodeclaim/disruption/drift.go`, and aws/karpenter-provider-aws v1.14.1 `pkg/cloudprovider/drift.go`.
//! Static pools' nodes are replaced by [`super::static_drift`]. Not modelled: new releases behind an image alias,
//! capacity reservations, placement groups.

use std::sync::Arc;

use cluster::node_claim::{ClaimStage, DriftReason};
use cluster::node_pool::DisruptionReason;
use cluster::requirements::{Requirement, Requirements, Undefined};
use cluster::{Cluster, Declared, NodeClaim, NodeClass, NodePool, SelectorOperator, Timestamp};

use super::candidate::{self, Candidate, Class, Held, pool_of};
use super::trials::Trials;
use super::{Command, budget};
use crate::market::{CAPACITY_TYPE, INSTANCE_TYPE, Market, RESERVATION};

/// From this age on it is asked whether a claim's instance type is still offered.
const TYPE_ASKED_AFTER_MS: i64 = 60 * 60_000;

/// Why a claim has drifted from what it was made under; `None` when it has not. A claim that was not made in this run
/// is held against what its labels say. What a dump says stays as long as nothing else is found.
pub fn reason(cluster: &Cluster, claim: &NodeClaim) -> Option<DriftReason> {
    if claim.stage < ClaimStage::Launched {
        return None;
    }
    let declared = &cluster.declared;
    let told = claim.drifted.map(|(_, why)| why).filter(|why| *why == DriftReason::Condition);
    let pool = declared.pool_of(claim)?;
    let Some(before) = &claim.made_under else {
        return of_template(claim, pool).or_else(|| of_requirements(claim, pool)).or(told);
    };
    if Arc::ptr_eq(before, declared) {
        return told;
    }
    let Some(then) = before.pool_of(claim) else { return told };
    if !pool.has_template_of(then) {
        return Some(DriftReason::NodePoolDrifted);
    }
    // The labels of a node that a profile only tells of need not be all that a real one has.
    let required = (pool.requirements != then.requirements).then(|| of_requirements(claim, pool)).flatten();
    let classes = before.node_class(&then.node_class).zip(declared.node_class(&pool.node_class));
    required.or_else(|| classes.and_then(|(then, now)| of_class(claim, declared, then, now))).or(told)
}

/// Hashes of the same version that differ (`areStaticFieldsDrifted`).
fn of_template(claim: &NodeClaim, pool: &NodePool) -> Option<DriftReason> {
    let (then, now) = claim.template_hash.as_ref().zip(pool.template_hash.as_ref())?;
    (then.version == now.version && then.hash != now.hash).then_some(DriftReason::NodePoolDrifted)
}

fn of_requirements(claim: &NodeClaim, pool: &NodePool) -> Option<DriftReason> {
    let wanted = Requirements::of_selectors(&pool.requirements);
    let compatible = Requirements::of_labels(&claim.labels).compatible(&wanted, Undefined::Denied);
    compatible.is_err().then_some(DriftReason::RequirementsDrifted)
}

/// Whether a claim of more than an hour is of a type that its pool cannot buy any more as it was bought; what is only
/// out of capacity can be. A reserved instance may have become an on-demand one.
pub fn lost_its_type(cluster: &Cluster, market: &Market, claim: &NodeClaim) -> bool {
    let Some(pool) = claim.pool.and_then(|pool| market.pools.get(pool as usize)) else { return false };
    if cluster.now.since_ms(claim.created) <= TYPE_ASKED_AFTER_MS {
        return false;
    }
    let own_type = claim.labels.get(INSTANCE_TYPE);
    let mut labels = Requirements::of_labels(&claim.labels);
    if claim.labels.get(CAPACITY_TYPE).is_some_and(|capacity_type| capacity_type == "reserved") {
        let either = ["reserved", "on-demand"];
        labels.set(Requirement::new(CAPACITY_TYPE, SelectorOperator::In, &either));
        labels.remove(RESERVATION);
    }
    let offered = pool.types.iter().find(|offered| own_type.is_some_and(|own| *own == offered.name));
    offered.is_none_or(|offered| !offered.offerings.iter().any(|offering| offering.satisfies(&labels)))
}

fn of_class(
    claim: &NodeClaim,
    declared: &Declared,
    then: &NodeClass,
    now: &NodeClass,
) -> Option<DriftReason> {
    if (then.ami_family, &then.fixed) != (now.ami_family, &now.fixed) {
        return Some(DriftReason::NodeClassDrift);
    }
    if then.images != now.images {
        return Some(DriftReason::AmiDrift);
    }
    let profile = &declared.profile;
    let subnet = claim.launched.as_ref().and_then(|launched| launched.subnet);
    let selects =
        |subnet: cluster::network::SubnetId| profile.subnets_selected(&now.subnets).contains(&subnet.0);
    if then.subnets != now.subnets && subnet.is_some_and(|subnet| !selects(subnet)) {
        return Some(DriftReason::SubnetDrift);
    }
    let groups = |class: &NodeClass| -> Vec<&cluster::Name> {
        let selected = |(id, tags): &&(cluster::Name, cluster::Labels)| {
            let name = tags.get("Name").map_or("", cluster::Name::as_str);
            class.security_groups.iter().any(|term| term.matches(id, name, tags))
        };
        profile.security_groups.iter().filter(selected).map(|(id, _)| id).collect()
    };
    (then.security_groups != now.security_groups && groups(then) != groups(now))
        .then_some(DriftReason::SecurityGroupDrift)
}

/// The drifted node that goes next, and what replaces it: one at a time, those without pods first, then the one that
/// has drifted for longest.
pub(super) fn command(cluster: &Cluster, market: &Market, held: Held<'_>) -> Option<Command> {
    let drifts = |claim: &NodeClaim| claim.drifted.is_some() && claim.stage == ClaimStage::Initialized;
    if !cluster.claims.iter().any(drifts) {
        return None;
    }
    let since = |candidate: &Candidate<'_>| -> Option<Timestamp> {
        let claim = cluster.node(candidate.node).claim?;
        cluster.claim(claim).drifted.map(|(since, _)| since)
    };
    let is_static = |pool: u32| pool_of(cluster, pool).is_none_or(|pool| pool.replicas.is_some());
    let mut all = candidate::candidates(cluster, market, held, Class::Eventual);
    all.retain(|candidate| since(candidate).is_some() && !is_static(candidate.pool));
    all.sort_by_key(|candidate| (!candidate.pods.is_empty(), since(candidate)));
    let left = budget::allowed(cluster, DisruptionReason::Drifted, held.going);
    let within = |candidate: &&Candidate<'_>| {
        let pool = pool_of(cluster, candidate.pool).map(|pool| &pool.name);
        pool.and_then(|name| left.get(name)).is_some_and(|left| *left > 0)
    };
    // Only consolidation spares nodes inside `consolidateAfter`.
    let trials = Trials::of(cluster, market, held).sparing_no_node();
    all.iter().filter(within).find_map(|candidate| {
        let replacements = trials.simulate(&[candidate])?;
        Some(Command { nodes: vec![candidate.node], reason: DisruptionReason::Drifted, replacements })
    })
}
