//! `DefaultPreemption`: whether evicting pods of lower priority from one node would make room, and which.
//!
//! Follows `plugins/defaultpreemption/default_preemption.go` and `framework/preemption/preemption.go` with the
//! default arguments. Only what filters see counts: a pod that is bound and has no address holds the same room as
//! any other, so evicting it helps only if its room helps. Where upstream starts at a random node and walks maps,
//! nodes are taken in id order here.

use cluster::disruption_budget::BudgetStatus;
use cluster::rejection::{FilterReason, NodeReason, Plugin};
use cluster::{Cluster, NodeId, PodId, Timestamp};

use crate::attempt::{TieBreak, tally};
use crate::filter;
use crate::nominated::{self, Refused};
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::{Moment, Query};

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

/// A node, and the pods to evict from it: the most important first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub node: NodeId,
    pub victims: Vec<PodId>,
    /// Victims whose eviction a budget does not allow.
    pub violations: u32,
}

/// Looks for a node to preempt on, among those that refused.
pub(crate) fn run(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &[Refused],
    tie: TieBreak,
) -> Outcome {
    if let Some(reason) = ineligible(index, query, refused) {
        return Outcome::Ineligible(reason);
    }
    let (candidates, failures) = dry_run(index, cluster, query, refused);
    let mut equals = best(index, candidates);
    if equals.is_empty() {
        return Outcome::Useless(useless(index, failures));
    }
    let chosen = tie.choose(equals.len(), query.pod);
    Outcome::Chosen(equals.swap_remove(chosen))
}

/// Every candidate of an eligible pod, and those of them between which upstream's choice is arbitrary.
pub(crate) fn candidates(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &[Refused],
) -> (Vec<Candidate>, Vec<NodeId>) {
    if ineligible(index, query, refused).is_some() {
        return (Vec::new(), Vec::new());
    }
    let (candidates, _) = dry_run(index, cluster, query, refused);
    let equals = best(index, candidates.clone()).iter().map(|candidate| candidate.node).collect();
    (candidates, equals)
}

type Failures = Vec<(Plugin, FilterReason, NodeId)>;

/// `findCandidates` and `DryRunPreemption`: those that violate no budget first.
fn dry_run(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &[Refused],
) -> (Vec<Candidate>, Failures) {
    let mut potential: Vec<NodeId> = refused
        .iter()
        .filter(|refused| resolvable(index, query, refused))
        .map(|refused| refused.node)
        .collect();
    potential.sort();
    let wanted = (potential.len() * CANDIDATES_PERCENT / 100).max(CANDIDATES_AT_LEAST).min(potential.len());
    let budgets = Budgets::new(cluster, &potential);
    let rest = Rest::new(index, &query.wishes.hard_spread);
    let (mut unharmful, mut harmful, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for node in potential {
        match select_victims(index, cluster, query, node, (&budgets, &rest)) {
            Ok(candidate) if candidate.violations == 0 => unharmful.push(candidate),
            Ok(candidate) => harmful.push(candidate),
            Err(reasons) => {
                failures.extend(reasons.into_iter().map(|(plugin, reason)| (plugin, reason, node)))
            }
        }
        if !unharmful.is_empty() && unharmful.len() + harmful.len() >= wanted {
            break;
        }
    }
    unharmful.append(&mut harmful);
    (unharmful, failures)
}

/// `PodEligibleToPreemptOthers`.
fn ineligible(index: &Placements, query: &Query, refused: &[Refused]) -> Option<FilterReason> {
    if !query.template.preempts {
        return Some(FilterReason::PreemptionPolicyNever);
    }
    let node = query.pod.and_then(|pod| index.nominated_to(pod))?;
    let still_hopeful = refused.iter().any(|other| other.node == node && resolvable(index, query, other));
    let leaving = |pod: &PodId| {
        index.priority(*pod) < query.template.priority
            && index.tenants[pod.0 as usize]
                .as_ref()
                .is_some_and(|tenant| tenant.terminating && tenant.preempted)
    };
    let waits = still_hopeful && index.pods_on[node.0 as usize].iter().any(leaving);
    waits.then_some(FilterReason::VictimsTerminating)
}

fn resolvable(index: &Placements, query: &Query, refused: &Refused) -> bool {
    match &refused.detail {
        Some((_, resolvable)) => *resolvable,
        None => nominated::is_resolvable(index, query, refused.refusal, refused.node),
    }
}

/// Budgets that could matter, with what they allow.
struct Budgets<'a> {
    cluster: &'a Cluster,
    allowed: Vec<u32>,
}

impl<'a> Budgets<'a> {
    fn new(cluster: &'a Cluster, potential: &[NodeId]) -> Budgets<'a> {
        let budgets = if potential.is_empty() { &[][..] } else { &cluster.declared.disruption_budgets };
        Budgets {
            cluster,
            allowed: budgets.iter().map(|budget| BudgetStatus::of(cluster, budget).allowed).collect(),
        }
    }

    /// Splits pods, keeping their order, into those whose eviction would violate a budget and the others.
    fn split(&self, pods: &[PodId]) -> (Vec<PodId>, Vec<PodId>) {
        let mut left: Vec<i64> = self.allowed.iter().map(|allowed| i64::from(*allowed)).collect();
        let violates = |id: &PodId| {
            let pod = self.cluster.pod(*id);
            let labels = &pod.template.labels;
            let mut violates = false;
            for (budget, left) in self.cluster.declared.disruption_budgets.iter().zip(&mut left) {
                let guards = !labels.is_empty()
                    && budget.namespace == pod.namespace
                    && !budget.selector.requirements.is_empty()
                    && budget.selector.matches(labels);
                if guards {
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        };
        pods.iter().copied().partition(violates)
    }
}

type Failure = Vec<(Plugin, FilterReason)>;

/// `SelectVictimsOnNode`: all pods of lower priority go, then as many as possible come back, those that budgets
/// guard first, the more important before the less. Leaves the index as it was.
fn select_victims(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    node: NodeId,
    (budgets, rest): (&Budgets<'_>, &Rest),
) -> Result<Candidate, Failure> {
    let place = node.0 as usize;
    let mut lesser: Vec<PodId> = index.pods_on[place]
        .iter()
        .copied()
        .filter(|pod| index.priority(*pod) < query.template.priority)
        .collect();
    if lesser.is_empty() {
        return Err(vec![(Plugin::DefaultPreemption, FilterReason::NoVictims)]);
    }
    lesser.sort_by_key(|pod| importance(index, *pod));
    let ports = index.ports[place].clone();
    lesser.iter().for_each(|pod| index.drop(*pod, place));
    if let Some(reasons) = refused(index, cluster, query, node, rest) {
        lesser.iter().for_each(|pod| index.add(*pod, place));
        index.ports[place] = ports;
        return Err(reasons);
    }
    let (guarded, free) = budgets.split(&lesser);
    let (mut victims, mut violations) = (Vec::new(), 0);
    for (pods, guarded) in [(&guarded, true), (&free, false)] {
        for pod in pods {
            index.add(*pod, place);
            if refused(index, cluster, query, node, rest).is_some() {
                index.drop(*pod, place);
                victims.push(*pod);
                violations += u32::from(guarded);
            }
        }
    }
    victims.iter().for_each(|pod| index.add(*pod, place));
    index.ports[place] = ports;
    victims.sort_by_key(|pod| importance(index, *pod));
    if victims.is_empty() {
        // Upstream calls this an error: what the filters said a moment ago does not hold any more.
        return Err(Vec::new());
    }
    Ok(Candidate { node, victims, violations })
}

fn refused(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    node: NodeId,
    rest: &Rest,
) -> Option<Failure> {
    let guests = nominated::respected(index, query, node);
    let (refusal, reasons) = if guests.is_empty() {
        let moment = Moment::during(index, query, rest);
        let refusal = filter::refusal(index, cluster, query, &moment, node.0 as usize)?;
        (refusal, filter::reasons(index, cluster, query, refusal, node.0 as usize))
    } else {
        let refused = nominated::refused(index, cluster, query, &guests, node, rest)?;
        (refused.refusal, refused.detail.map(|(reasons, _)| reasons).unwrap_or_default())
    };
    Some(reasons.into_iter().map(|reason| (refusal.plugin(), reason)).collect())
}

/// `MoreImportantPod`: higher priority first, then the longer there.
fn importance(index: &Placements, pod: PodId) -> (std::cmp::Reverse<i32>, Timestamp, PodId) {
    (std::cmp::Reverse(index.priority(pod)), since(index, pod), pod)
}

fn since(index: &Placements, pod: PodId) -> Timestamp {
    index.tenants.get(pod.0 as usize).and_then(Option::as_ref).map_or(Timestamp::ZERO, |tenant| tenant.since)
}

/// `pickOneNodeForPreemption`: fewest budget violations, lowest highest priority, smallest sum of priorities,
/// fewest victims, latest start of the most important victims. All that are equal in these, in their order.
fn best(index: &Placements, candidates: Vec<Candidate>) -> Vec<Candidate> {
    let rank = |candidate: &Candidate| {
        let priorities = candidate.victims.iter().map(|pod| i64::from(index.priority(*pod)));
        let highest = priorities.clone().max().unwrap_or(0);
        let sum: i64 = priorities.map(|priority| priority + i64::from(i32::MAX) + 1).sum();
        let top = candidate.victims.iter().filter(|pod| i64::from(index.priority(**pod)) == highest);
        let earliest = top.map(|pod| since(index, *pod)).min().unwrap_or(Timestamp::ZERO);
        (candidate.violations, highest, sum, candidate.victims.len(), std::cmp::Reverse(earliest))
    };
    let Some(best) = candidates.iter().map(rank).min() else { return Vec::new() };
    candidates.into_iter().filter(|candidate| rank(candidate) == best).collect()
}

/// Nodes where preemption was not even tried count as "not helpful".
fn useless(index: &Placements, failures: Failures) -> Vec<NodeReason> {
    let mut tried: Vec<NodeId> = failures.iter().map(|(_, _, node)| *node).collect();
    tried.sort();
    tried.dedup();
    let mut reasons = tally(failures);
    let nodes = index.order.list().len().saturating_sub(tried.len());
    if nodes > 0 {
        reasons.push(NodeReason {
            plugin: Plugin::DefaultPreemption,
            reason: FilterReason::PreemptionUnhelpful,
            nodes: u32::try_from(nodes).unwrap_or(u32::MAX),
            example: index.order.list().iter().find(|node| !tried.contains(node)).copied(),
        });
    }
    reasons
}

#[cfg(test)]
#[path = "default_preemption_test.rs"]
mod tests;
