//! `DefaultPreemption`: whether evicting pods of lower priority from one node would make room, and which.
//!
//! Follows `plugins/defaultpreemption/default_preemption.go` and `framework/preemption/preemption.go` with the
//! default arguments. Only what filters see counts: a pod that is bound and has no address holds the same room as
//! any other, so evicting it helps only if its room helps. Where upstream starts at a random node and walks maps,
//! nodes are taken in id order here.

mod tries;
mod victims;

use cluster::rejection::{FilterReason, NodeReason, Plugin};
use cluster::{Cluster, NodeId, PodId};

use crate::attempt::TieBreak;
use crate::nominated;
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::Query;
use crate::refusals::{Refusals, Refused};
use crate::tally::Tally;

pub(crate) use tries::Tries;
pub(crate) use victims::Candidate;
use victims::{Budgets, rank, select_victims};

/// `minCandidateNodesPercentage`.
const CANDIDATES_PERCENT: usize = 10;
/// `minCandidateNodesAbsolute`.
const CANDIDATES_AT_LEAST: usize = 100;

/// What preemption found.
pub(crate) enum Outcome {
    /// The pod may not preempt.
    Ineligible(FilterReason),
    /// No node would do, by reason.
    Useless(Vec<NodeReason>),
    /// This node, without these pods.
    Chosen(Candidate),
}

/// Looks for a node to preempt on, among those that refused.
pub(crate) fn run(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &Refusals,
    tie: TieBreak,
) -> Outcome {
    if let Some(reason) = ineligible(index, query, refused) {
        return Outcome::Ineligible(reason);
    }
    let run = dry_run(index, cluster, query, refused);
    let equals = run.best();
    let outcome = if equals.is_empty() {
        Outcome::Useless(useless(index, &run))
    } else {
        let chosen = equals[tie.choose(equals.len(), query.pod)];
        run.tries
            .candidate(chosen)
            .map_or(Outcome::Useless(Vec::new()), |found| Outcome::Chosen(found.clone()))
    };
    run.keep(index, query);
    outcome
}

/// Every candidate of an eligible pod, and those of them between which upstream's choice is arbitrary.
pub(crate) fn candidates(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &Refusals,
) -> (Vec<Candidate>, Vec<NodeId>) {
    if ineligible(index, query, refused).is_some() {
        return (Vec::new(), Vec::new());
    }
    let run = dry_run(index, cluster, query, refused);
    let candidates = run.found.iter().filter_map(|node| run.tries.candidate(*node)).cloned().collect();
    let equals = run.best();
    run.keep(index, query);
    (candidates, equals)
}

/// What came of looking for candidates.
struct DryRun {
    /// The index lends what it knew of the pod's class, and gets it back.
    tries: Tries,
    lent: bool,
    /// Nodes that may help at all.
    potential: Vec<NodeId>,
    /// Candidates, those that violate no budget first.
    found: Vec<NodeId>,
}

/// `findCandidates` and `DryRunPreemption`.
fn dry_run(index: &mut Placements, cluster: &Cluster, query: &Query, refused: &Refusals) -> DryRun {
    let helps = |(node, refused): &(NodeId, Refused)| match refused.numbers {
        Some(numbers) => numbers.resolvable,
        None => nominated::is_resolvable(index, query, refused.refusal, *node),
    };
    let potential: Vec<NodeId> = refused.iter().filter(helps).map(|(node, _)| node).collect();
    let wanted = (potential.len() * CANDIDATES_PERCENT / 100).max(CANDIDATES_AT_LEAST).min(potential.len());
    let budgets = Budgets::new(index, cluster, query, &potential);
    let rest = Rest::new(index, &query.wishes.hard_spread);
    let lent = query.local
        && query.pinned.is_none()
        && query.pod.is_none_or(|pod| index.nominated_to(pod).is_none());
    let class = &mut index.classes[query.class.0 as usize];
    let mut tries = if lent { std::mem::take(&mut class.tries) } else { Tries::default() };
    tries.suit(&budgets, index.rows.len());
    let (mut unharmful, mut harmful) = (Vec::new(), Vec::new());
    for node in &potential {
        let version = index.versions[node.0 as usize];
        let violations = tries.violations(*node, version, || {
            let candidate = select_victims(index, cluster, query, *node, (&budgets, &rest))?;
            Ok((rank(index, &candidate), candidate))
        });
        match violations {
            Some(0) => unharmful.push(*node),
            Some(_) => harmful.push(*node),
            None => {}
        }
        if !unharmful.is_empty() && unharmful.len() + harmful.len() >= wanted {
            break;
        }
    }
    unharmful.append(&mut harmful);
    DryRun { tries, lent, potential, found: unharmful }
}

impl DryRun {
    /// `pickOneNodeForPreemption`: all that are equal and better than the others, in their order.
    fn best(&self) -> Vec<NodeId> {
        let rank = |node: &NodeId| self.tries.rank(*node);
        let Some(best) = self.found.iter().filter_map(rank).min() else { return Vec::new() };
        self.found.iter().copied().filter(|node| rank(node) == Some(best)).collect()
    }

    /// Gives back what was lent, and more.
    fn keep(self, index: &mut Placements, query: &Query) {
        if self.lent {
            index.classes[query.class.0 as usize].tries = self.tries;
        }
    }
}

/// `PodEligibleToPreemptOthers`.
fn ineligible(index: &Placements, query: &Query, refused: &Refusals) -> Option<FilterReason> {
    if !query.template.preempts {
        return Some(FilterReason::PreemptionPolicyNever);
    }
    let node = query.pod.and_then(|pod| index.nominated_to(pod))?;
    let refused_now = refused.get(node);
    let still_hopeful =
        refused_now.is_some_and(|refused| nominated::is_resolvable(index, query, refused.refusal, node));
    let leaving = |pod: &PodId| {
        index.priority(*pod) < query.template.priority
            && index.tenants[pod.0 as usize]
                .as_ref()
                .is_some_and(|tenant| tenant.terminating && tenant.preempted)
    };
    let waits = still_hopeful && index.pods_on[node.0 as usize].iter().any(leaving);
    waits.then_some(FilterReason::VictimsTerminating)
}

/// Why no node would do. Nodes where preemption was not even tried count as "not helpful".
fn useless(index: &Placements, run: &DryRun) -> Vec<NodeReason> {
    let mut tally = Tally::default();
    let mut tried = Vec::new();
    for node in &run.potential {
        let reasons = run.tries.failure(*node);
        for (plugin, reason) in reasons {
            tally.count(*plugin, reason, *node);
        }
        tried.extend((!reasons.is_empty()).then_some(*node));
    }
    let mut reasons = tally.into_reasons();
    let nodes = index.order.list().len().saturating_sub(tried.len());
    if nodes > 0 {
        reasons.push(NodeReason {
            plugin: Plugin::DefaultPreemption,
            reason: FilterReason::PreemptionUnhelpful,
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            example: index.order.list().iter().find(|node| tried.binary_search(node).is_err()).copied(),
        });
    }
    reasons
}

#[cfg(test)]
#[path = "default_preemption_test.rs"]
mod tests;
