//! Emptiness and consolidation: fewer or cheaper nodes for the same pods.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/{emptiness,consolidation,
//! multinodeconsolidation,singlenodeconsolidation}.go`. Not modelled: Karpenter's time limits (one minute for
//! several nodes, three for single ones; a number of candidates stands for the latter), the score of `Balanced` pools (they act as
//! `WhenEmptyOrUnderutilized`), and the order in which single-node consolidation comes back to pools it did not
//! reach.

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_pool::{ConsolidationPolicy, DisruptionReason};
use cluster::requirements::{Requirement, Requirements};
use cluster::{Cluster, Name, NodeId, PodId};

use super::candidate::{self, Candidate, Class, Held, pool_of};
use super::pdb::PodBudgets;
use super::trials::Trials;
use super::{Command, budget, pods};
use crate::bits::Bits;
use crate::buffers::Imagined;
use crate::existing::View;
use crate::market::{CAPACITY_TYPE, Market};
use crate::plan::PlannedClaim;
use crate::pool::unmet_min_values;

/// Candidates considered together at most.
pub const MULTI_NODE_MAX: usize = 100;

/// Candidates tried alone at most, each time: Karpenter stops after three minutes, about as many as it gets through
/// in a large cluster.
pub const SINGLE_NODE_MAX: usize = 200;

/// Cheaper types that must be there before one spot node replaces another.
pub const SPOT_TO_SPOT_TYPES_MIN: usize = 15;

/// Candidates that are out of their pool's `consolidateAfter`, in the order in which they are considered.
pub(super) fn due<'a>(cluster: &'a Cluster, market: &'a Market, held: Held<'_>) -> Vec<Candidate<'a>> {
    let mut all = candidate::candidates(cluster, market, held, Class::Graceful);
    candidate::sort(&mut all);
    all.into_iter().filter(|candidate| is_due(cluster, candidate)).collect()
}

/// Whether a command still makes sense: its nodes are still candidates within budget, and a simulation comes to
/// no worse a result.
pub fn is_still_valid(cluster: &Cluster, market: &Market, held: Held<'_>, command: &Command) -> bool {
    let imagined = Imagined::of(cluster);
    let cluster = imagined.as_ref().map_or(cluster, |imagined| &imagined.cluster);
    let all = candidate::candidates(cluster, market, held, Class::Graceful);
    let mut left = budget::allowed(cluster, command.reason, held.going);
    let mut found: Vec<&Candidate<'_>> = Vec::new();
    for node in &command.nodes {
        let Some(candidate) = all.iter().find(|candidate| candidate.node == *node) else { return false };
        if !is_due(cluster, candidate) || !spend(cluster, candidate, &mut left) {
            return false;
        }
        let keeps_room = || held.is_buffered(cluster, candidate.node);
        if command.reason == DisruptionReason::Empty && (!candidate.is_empty() || keeps_room()) {
            return false;
        }
        found.push(candidate);
    }
    if command.reason == DisruptionReason::Empty {
        return true;
    }
    let Some(outcome) = Trials::of(cluster, market, held).simulate(&found) else { return false };
    match (command.replacements.as_slice(), outcome.as_slice()) {
        ([], []) => true,
        ([planned], [claim]) => {
            let possible: BTreeSet<&Name> =
                claim.options.iter().map(|&index| &claim.types[index].name).collect();
            planned.options.iter().all(|&index| possible.contains(&planned.types[index].name))
        }
        _ => false,
    }
}

/// What every candidate alone comes to: the nodes that can go or be replaced by something cheaper, if no other does.
pub fn alone(cluster: &Cluster, market: &Market, held: Held<'_>) -> Vec<Command> {
    let due = due(cluster, market, held);
    let trials = Trials::of(cluster, market, held);
    due.iter().filter_map(|candidate| trials.replace(&[candidate])).collect()
}

/// Whether its pool lets the node be consolidated by now.
fn is_due(cluster: &Cluster, candidate: &Candidate<'_>) -> bool {
    let Some(pool) = pool_of(cluster, candidate.pool).filter(|pool| pool.replicas.is_none()) else {
        return false;
    };
    let view = View::of_node(cluster, cluster.node(candidate.node));
    let due = candidate::consolidatable_at(cluster, &view).is_some_and(|at| at <= cluster.now);
    due && (candidate.is_empty()
        || pool.consolidation != ConsolidationPolicy::WhenEmpty && candidate.is_priced())
}

impl Candidate<'_> {
    fn is_priced(&self) -> bool {
        self.instance_type.is_some() && !self.zone.is_empty() && !self.capacity_type.is_empty()
    }
}

pub(super) fn spend(cluster: &Cluster, candidate: &Candidate<'_>, left: &mut BTreeMap<Name, u32>) -> bool {
    let pool = pool_of(cluster, candidate.pool).map(|pool| &pool.name);
    match pool.and_then(|name| left.get_mut(name)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    }
}

/// Every empty node that budgets let go. One that keeps room for a buffer is not empty.
pub(super) fn empty(cluster: &Cluster, due: &[Candidate<'_>], held: Held<'_>) -> Option<Command> {
    let mut left = budget::allowed(cluster, DisruptionReason::Empty, held.going);
    let is_empty =
        |candidate: &&Candidate<'_>| candidate.is_empty() && !held.is_buffered(cluster, candidate.node);
    let empty = due.iter().filter(is_empty);
    let nodes: Vec<NodeId> = empty
        .filter(|candidate| spend(cluster, candidate, &mut left))
        .map(|candidate| candidate.node)
        .collect();
    (!nodes.is_empty()).then_some(Command {
        nodes,
        reason: DisruptionReason::Empty,
        replacements: Vec::new(),
    })
}

/// The largest prefix of the candidates that one new node, or none, can replace.
pub(super) fn several(trials: &Trials<'_>, due: &[Candidate<'_>]) -> Option<Command> {
    let cluster = trials.cluster;
    let mut left = budget::allowed(cluster, DisruptionReason::Underutilized, trials.held.going);
    let full = due.iter().filter(|candidate| !candidate.is_empty());
    let within: Vec<&Candidate<'_>> =
        full.filter(|candidate| spend(cluster, candidate, &mut left)).take(MULTI_NODE_MAX + 1).collect();
    if within.len() < 2 {
        return None;
    }
    let (mut least, mut most) = (1, MULTI_NODE_MAX.min(within.len() - 1));
    let mut best = None;
    while least <= most {
        let middle = (least + most) / 2;
        let together = &within[..=middle];
        match trials.replace(together).and_then(|command| unless_same_type(command, together)) {
            Some(command) => {
                best = Some(command);
                least = middle + 1;
            }
            None => most = middle - 1,
        }
    }
    best
}

/// The first candidate that can go or be replaced by something cheaper; pools take turns.
pub(super) fn single(trials: &Trials<'_>, due: &[Candidate<'_>]) -> Option<Command> {
    let cluster = trials.cluster;
    let left = budget::allowed(cluster, DisruptionReason::Underutilized, trials.held.going);
    let mut by_pool: BTreeMap<&Name, Vec<&Candidate<'_>>> = BTreeMap::new();
    for candidate in due.iter().filter(|candidate| !candidate.is_empty()) {
        let pool = pool_of(cluster, candidate.pool).map(|pool| &pool.name);
        if let Some(pool) = pool.filter(|name| left.get(*name).is_some_and(|left| *left > 0)) {
            by_pool.entry(pool).or_default().push(candidate);
        }
    }
    let turns = by_pool.values().map(Vec::len).max().unwrap_or(0);
    (0..turns)
        .flat_map(|turn| by_pool.values().filter_map(move |pool| pool.get(turn)))
        .take(SINGLE_NODE_MAX)
        .find_map(|candidate| trials.replace(&[candidate]))
}

/// Pods of nodes that are going already, as far as they can be evicted.
///
/// `marked` are nodes that a command is about.
pub fn pods_of_leaving(cluster: &Cluster, budgets: &PodBudgets<'_>, marked: &BTreeSet<NodeId>) -> Vec<PodId> {
    let leaves = |pod: &&cluster::Pod| {
        let node = pod.node.and_then(|node| cluster.nodes.get(node.0 as usize));
        node.is_some_and(|node| {
            node.exists() && (marked.contains(&node.id) || View::of_node(cluster, node).is_leaving())
        })
    };
    let on_them = cluster.pods.iter().filter(|pod| pod.holds_node()).filter(leaves);
    let moves = on_them.filter(|pod| {
        pods::is_reschedulable(cluster, pod)
            && !(pods::is_active(pod) && pods::do_not_disrupt(pod, cluster.now))
            && !budgets.blocks_for_ever(pod, cluster.now)
    });
    moves.map(|pod| pod.id).collect()
}

/// The claim with only the types that cost less than the nodes it replaces; `None` when none does.
pub(super) fn cheaper(
    cluster: &Cluster,
    mut claim: PlannedClaim,
    together: &[&Candidate<'_>],
) -> Option<PlannedClaim> {
    let paid: i64 = together.iter().map(|candidate| candidate.price_micro_usd).sum();
    let settings = &cluster.declared.karpenter;
    let allows = |requirements: &Requirements, capacity_type: &str| {
        requirements.get(CAPACITY_TYPE).is_none_or(|wanted| wanted.has(capacity_type))
    };
    let all_spot = together.iter().all(|candidate| candidate.capacity_type == "spot");
    if all_spot && allows(&claim.requirements, "spot") {
        if !settings.spot_to_spot {
            return None;
        }
        claim.requirements.add(Requirement::equal_to(CAPACITY_TYPE, "spot"));
        keep_below(&mut claim, paid)?;
        if together.len() == 1 {
            if claim.options.len() < SPOT_TO_SPOT_TYPES_MIN {
                return None;
            }
            claim.options.truncate(types_kept(&claim));
        }
        return Some(claim);
    }
    keep_below(&mut claim, paid)?;
    if allows(&claim.requirements, "spot") && allows(&claim.requirements, "on-demand") {
        // Prices were compared as if spot were launched: then it must be.
        claim.requirements.add(Requirement::equal_to(CAPACITY_TYPE, "spot"));
    }
    Some(claim)
}

/// Fifteen, or as many as `minValues` need.
fn types_kept(claim: &PlannedClaim) -> usize {
    let enough = |count: usize| {
        let kept: Bits = claim.options[..count].iter().copied().collect();
        unmet_min_values(&claim.types, &kept, &claim.requirements).is_empty()
    };
    (SPOT_TO_SPOT_TYPES_MIN..=claim.options.len()).find(|&count| enough(count)).unwrap_or(claim.options.len())
}

/// Keeps the types whose price, at worst, is below `paid`; `None` when nothing, or too little for `minValues`,
/// remains.
fn keep_below(claim: &mut PlannedClaim, paid: i64) -> Option<()> {
    let (types, requirements) = (claim.types.clone(), claim.requirements.clone());
    let below =
        |&index: &usize| types[index].worst_launch_micro_usd(&requirements).is_some_and(|price| price < paid);
    claim.options.retain(below);
    let kept: Bits = claim.options.iter().copied().collect();
    (!kept.is_empty() && unmet_min_values(&types, &kept, &requirements).is_empty()).then_some(())
}

/// Replacing several nodes by one of a type that is among them is no better than keeping that one: only types
/// cheaper than the cheapest such node remain.
fn unless_same_type(mut command: Command, together: &[&Candidate<'_>]) -> Option<Command> {
    let Some(claim) = command.replacements.first_mut() else { return Some(command) };
    let named: BTreeSet<&Name> = claim.options.iter().map(|&index| &claim.types[index].name).collect();
    let same = together
        .iter()
        .filter(|candidate| candidate.instance_type.is_some_and(|offered| named.contains(&offered.name)));
    if let Some(cheapest) = same.map(|candidate| candidate.label_price_micro_usd).min() {
        keep_below(claim, cheapest)?;
    }
    Some(command)
}
