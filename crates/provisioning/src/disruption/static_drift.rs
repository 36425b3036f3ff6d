//! Drift of static pools: each drifted node gets its replacement first, as many at once as budget and `limits.nodes`
//! allow; where its pods could go is not asked.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/staticdrift.go`. It acts whether or not the
//! feature gate `StaticCapacity` is on. Which nodes have drifted is [`super::drift`]'s to say.

use std::collections::BTreeMap;

use cluster::node_claim::ClaimStage;
use cluster::node_pool::DisruptionReason;
use cluster::{Cluster, NodeClaim};

use super::candidate::{self, Candidate, Class, Held, pool_of};
use super::{Command, budget};
use crate::market::Market;
use crate::static_pools;

/// A command for each node of a static pool that can be replaced now.
pub(super) fn commands(cluster: &Cluster, market: &Market, held: Held<'_>) -> Vec<Command> {
    let is_static = |pool: u32| pool_of(cluster, pool).is_some_and(|pool| pool.replicas.is_some());
    let drifts = |claim: &NodeClaim| {
        claim.drifted.is_some() && claim.stage == ClaimStage::Initialized && claim.pool.is_some_and(is_static)
    };
    if !cluster.claims.iter().any(drifts) {
        return Vec::new();
    }
    let has_drifted = |candidate: &Candidate<'_>| {
        let claim = cluster.node(candidate.node).claim;
        is_static(candidate.pool) && claim.is_some_and(|claim| cluster.claim(claim).drifted.is_some())
    };
    let mut by_pool: BTreeMap<u32, Vec<Candidate<'_>>> = BTreeMap::new();
    for candidate in candidate::candidates(cluster, market, held, Class::Eventual) {
        if has_drifted(&candidate) {
            by_pool.entry(candidate.pool).or_default().push(candidate);
        }
    }
    let left = budget::allowed(cluster, DisruptionReason::Drifted, held.going);
    let of_pool = |(pool, drifted): (&u32, &Vec<Candidate<'_>>)| {
        let count = at_once(cluster, *pool, held, &left).min(drifted.len());
        let replacement = static_pools::claim(cluster, market, *pool);
        let nodes = drifted.iter().take(count).map(|candidate| candidate.node);
        let command = |node| Command {
            nodes: vec![node],
            reason: DisruptionReason::Drifted,
            replacements: replacement.clone().into_iter().collect(),
        };
        // Without a replacement the node would go at once.
        nodes.map(command).filter(|command| !command.replacements.is_empty()).collect::<Vec<Command>>()
    };
    by_pool.iter().flat_map(of_pool).collect()
}

/// How many nodes of a pool may be replaced at once: none before it has come down to its replicas.
fn at_once(cluster: &Cluster, pool: u32, held: Held<'_>, left: &BTreeMap<cluster::Name, u32>) -> usize {
    let Some(declared) = pool_of(cluster, pool) else { return 0 };
    let census = static_pools::census(cluster, pool, held.going);
    if declared.replicas.is_none_or(|replicas| census.active > replicas) {
        return 0;
    }
    let budget = left.get(&declared.name).copied().unwrap_or(0);
    budget.min(census.room(declared)) as usize
}
