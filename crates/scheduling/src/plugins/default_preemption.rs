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
mod tests {
    use std::sync::Arc;

    use cluster::admission::{BudgetBound, DisruptionBudget};
    use cluster::{Node, PodTemplate};

    use super::*;
    use crate::testing::{add_bound, add_node, add_pod, empty, node, selector, template};
    use crate::{Attempt, attempt};

    fn small(name: &str, cpu_millis: i64) -> Node {
        let mut node = node(name);
        node.allocatable.cpu_millis = cpu_millis;
        node
    }

    fn app(app: &str, priority: i32, cpu_millis: i64) -> Arc<PodTemplate> {
        let labels = cluster::Labels::from([("app".into(), app.into())]);
        Arc::new(PodTemplate { priority, labels, ..template(cpu_millis, 0) })
    }

    fn budget(app: &str, bound: BudgetBound) -> DisruptionBudget {
        DisruptionBudget {
            namespace: "default".into(),
            name: app.into(),
            location: node("any").location,
            selector: selector("app", app),
            bound,
            always_allow_unhealthy: false,
        }
    }

    fn with_budgets(cluster: &mut Cluster, budgets: Vec<DisruptionBudget>) {
        let mut declared = (*cluster.declared).clone();
        declared.disruption_budgets = budgets;
        cluster.declared = Arc::new(declared);
    }

    fn tried(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Attempt {
        let pod = add_pod(cluster, template);
        let mut index = Placements::new(cluster);
        let before = format!("{:?} {:?}", index.rows, index.pods_on);
        let outcome = attempt(&mut index, cluster, pod, TieBreak::Lowest);
        let rows = index.rows.iter().map(|row| (row.used, row.pods_used, row.scored));
        let fresh = Placements::new(cluster);
        assert!(rows.eq(fresh.rows.iter().map(|row| (row.used, row.pods_used, row.scored))), "{before}");
        assert_eq!(index.pods_on, fresh.pods_on);
        outcome
    }

    fn preempted(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Preempted {
        match tried(cluster, template) {
            Attempt::Preempt(p) => (p.node, p.victims, p.violations),
            other => panic!("{other:?}"),
        }
    }

    type Preempted = (NodeId, Vec<PodId>, u32);

    fn message(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> String {
        match tried(cluster, template) {
            Attempt::Reject { rejection, .. } => rejection.message,
            Attempt::Preempt(preemption) => preemption.rejection.message,
            Attempt::Bind(placement) => panic!("{placement:?}"),
        }
    }

    #[test]
    fn as_few_and_as_unimportant_as_possible_go() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, small("n", 1000));
        let low = add_bound(&mut cluster, &app("low", 1, 400), n);
        let lower = add_bound(&mut cluster, &app("lower", 0, 300), n);
        let equal = add_bound(&mut cluster, &app("equal", 10, 300), n);
        assert_eq!(preempted(&mut cluster, &app("new", 10, 300)), (n, vec![lower], 0));
        assert_eq!(preempted(&mut cluster, &app("new", 10, 400)), (n, vec![low], 0));
        assert_eq!(preempted(&mut cluster, &app("new", 10, 700)), (n, vec![low, lower], 0));
        assert_eq!(preempted(&mut cluster, &app("new", 11, 1000)), (n, vec![equal, low, lower], 0));
    }

    #[test]
    fn older_pods_of_the_same_priority_are_spared() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, small("n", 1000));
        let young = add_bound(&mut cluster, &app("a", 0, 500), n);
        let old = add_bound(&mut cluster, &app("a", 0, 500), n);
        cluster.pods[young.0 as usize].created = Timestamp(0);
        cluster.pods[old.0 as usize].created = Timestamp(-5);
        assert_eq!(preempted(&mut cluster, &app("new", 10, 500)), (n, vec![young], 0));
    }

    #[test]
    fn the_criteria_come_in_order() {
        // By node: budget violated, higher victim, larger sum, more victims, older, chosen.
        let mut cluster = empty();
        let mut put = |name: &str, pods: &[(&str, i32, i64)]| {
            let id = add_node(&mut cluster, small(name, 1000));
            let total: i64 = pods.iter().map(|(_, _, cpu)| cpu).sum();
            let mut ids: Vec<PodId> = pods
                .iter()
                .map(|(name, priority, cpu)| add_bound(&mut cluster, &app(name, *priority, *cpu), id))
                .collect();
            if total < 1000 {
                ids.push(add_bound(&mut cluster, &app("fixed", 100, 1000 - total), id));
            }
            (id, ids)
        };
        let (_, guarded) = put("guarded", &[("guarded", 0, 600)]);
        put("higher", &[("x", 2, 600)]);
        put("more", &[("x", 1, 300), ("x", 1, 300)]);
        let (_, older) = put("older", &[("x", 1, 600)]);
        let (chosen, young) = put("young", &[("x", 1, 600)]);
        cluster.pods[older[0].0 as usize].created = Timestamp(-9);
        with_budgets(&mut cluster, vec![budget("guarded", BudgetBound::MinAvailable(1))]);
        assert_eq!(preempted(&mut cluster, &app("new", 50, 600)), (chosen, vec![young[0]], 0));
        // Without the others the guarded one goes, and the violation is counted.
        for node in &mut cluster.nodes[1..] {
            node.allocatable.cpu_millis = 0;
        }
        assert_eq!(preempted(&mut cluster, &app("new", 50, 600)), (NodeId(0), vec![guarded[0]], 1));
    }

    #[test]
    fn guarded_pods_come_back_before_more_important_ones() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, small("n", 1000));
        add_bound(&mut cluster, &app("guarded", 0, 500), n);
        let important = add_bound(&mut cluster, &app("free", 5, 500), n);
        with_budgets(&mut cluster, vec![budget("guarded", BudgetBound::MinAvailable(1))]);
        assert_eq!(preempted(&mut cluster, &app("new", 10, 500)), (n, vec![important], 0));
    }

    #[test]
    fn the_words_of_v1_36() {
        let mut cluster = empty();
        let mut full = node("n");
        full.allocatable.pods = 1;
        for _ in 0..2 {
            let id = add_node(&mut cluster, full.clone());
            add_bound(&mut cluster, &app("a", 0, 0), id);
        }
        assert_eq!(
            message(&mut cluster, &app("new", 0, 0)),
            "0/2 nodes are available: 2 Too many pods. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims \
             found for incoming pod."
        );
        cluster.nodes[0].unschedulable = true;
        assert_eq!(
            message(&mut cluster, &app("new", 0, 0)),
            "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/2 nodes are \
             available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        );
        let never = PodTemplate { preempts: false, ..(*app("new", 9, 0)).clone() };
        assert_eq!(
            message(&mut cluster, &Arc::new(never)),
            "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: not eligible due to \
             preemptionPolicy=Never."
        );
        assert_eq!(
            message(&mut cluster, &app("new", 9, 0)),
            "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable."
        );
        // Larger than the node: removing pods would not help, which the filter knows already.
        assert_eq!(
            message(&mut cluster, &app("new", 9, 9000)),
            "0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: \
             0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        );
        assert_eq!(message(&mut empty(), &app("new", 9, 0)), "no nodes available to schedule pods");
    }

    #[test]
    fn pods_made_for_one_node_name_the_others_as_not_selected() {
        let mut cluster = empty();
        let mut full = node("n");
        full.allocatable.pods = 0;
        let id = add_node(&mut cluster, full);
        add_node(&mut cluster, node("m"));
        let pod = add_pod(&mut cluster, &app("daemon", 0, 0));
        cluster.pods[pod.0 as usize].for_node = Some(id);
        let mut index = Placements::new(&cluster);
        let Attempt::Reject { rejection, .. } = attempt(&mut index, &cluster, pod, TieBreak::Lowest) else {
            panic!()
        };
        assert_eq!(
            rejection.message,
            "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new claims to deallocate, preemption: \
             0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for \
             scheduling."
        );
    }

    #[test]
    fn a_reserved_node_is_kept_from_pods_of_the_same_or_lower_priority_only() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, small("n", 1000));
        let nominated = add_pod(&mut cluster, &app("nominated", 10, 1000));
        cluster.pods[nominated.0 as usize].nominated = Some(n);
        for (priority, fits) in [(0, false), (10, false), (11, true)] {
            let outcome = tried(&mut cluster, &app("other", priority, 500));
            assert_eq!(matches!(outcome, Attempt::Bind(_)), fits, "{priority}: {outcome:?}");
        }
        let outcome = attempt(&mut Placements::new(&cluster), &cluster, nominated, TieBreak::Lowest);
        assert!(matches!(outcome, Attempt::Bind(_)));
    }

    #[test]
    fn a_pod_whose_victims_are_still_ending_waits() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, small("n", 1000));
        let victim = add_bound(&mut cluster, &app("low", 0, 1000), n);
        let pod = add_pod(&mut cluster, &app("high", 10, 1000));
        let mut index = Placements::new(&cluster);
        assert!(matches!(attempt(&mut index, &cluster, pod, TieBreak::Lowest), Attempt::Preempt(_)));
        index.set_nominated(&cluster, pod, Some(n));
        index.expect_preemption(victim);
        let Attempt::Reject { rejection, keeps_nomination } =
            attempt(&mut index, &cluster, pod, TieBreak::Lowest)
        else {
            panic!()
        };
        assert!(keeps_nomination);
        assert_eq!(
            rejection.message,
            "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to a terminating pod on the \
             nominated node."
        );
        assert_eq!(rejection.preemption[0].reason, FilterReason::VictimsTerminating);
    }

    #[test]
    fn evicting_may_also_resolve_anti_affinity() {
        let mut cluster = empty();
        let n = add_node(&mut cluster, node("n"));
        let victim = add_bound(&mut cluster, &app("rude", 0, 10), n);
        let mut shy = (*app("shy", 10, 10)).clone();
        shy.pod_anti_affinity.required = vec![cluster::template::PodAffinityTerm {
            selector: Some(selector("app", "rude")),
            topology_key: "kubernetes.io/hostname".into(),
            ..cluster::template::PodAffinityTerm::default()
        }];
        assert_eq!(preempted(&mut cluster, &Arc::new(shy)), (n, vec![victim], 0));
    }
}
