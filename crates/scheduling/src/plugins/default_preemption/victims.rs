//! Which pods of a node would have to go.
//!
//! Follows `plugins/defaultpreemption/default_preemption.go` `SelectVictimsOnNode`.

use cluster::admission::DisruptionBudget;
use cluster::disruption_budget::BudgetStatus;
use cluster::rejection::{FilterReason, Plugin};
use cluster::{Cluster, NodeId, PodId, Timestamp};

use crate::class::Class;
use crate::nominated;
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::Query;
use crate::trial::Trial;

/// A node, and the pods to evict from it: the most important first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub node: NodeId,
    pub victims: Vec<PodId>,
    /// Victims whose eviction a budget does not allow.
    pub violations: u32,
}

/// Why a node is no candidate.
pub(crate) type Failure = Vec<(Plugin, FilterReason)>;

/// Budgets that guard pods of lower priority, with what they allow.
pub(crate) struct Budgets<'a> {
    budgets: Vec<&'a DisruptionBudget>,
    /// By budget: its place among all, and how many evictions it allows.
    pub allowed: Vec<(usize, u32)>,
}

impl<'a> Budgets<'a> {
    pub fn new(index: &Placements, cluster: &'a Cluster, query: &Query, potential: &[NodeId]) -> Budgets<'a> {
        let all = if potential.is_empty() { &[][..] } else { &cluster.declared.disruption_budgets };
        let lesser = |class: &&Class| class.template.priority < query.template.priority;
        let matters = |budget: &DisruptionBudget| {
            index.classes.iter().filter(lesser).any(|class| guards(budget, class))
        };
        let (mut budgets, mut allowed) = (Vec::new(), Vec::new());
        for (place, budget) in all.iter().enumerate().filter(|(_, budget)| matters(budget)) {
            budgets.push(budget);
            allowed.push((place, BudgetStatus::of(cluster, budget).allowed));
        }
        Budgets { budgets, allowed }
    }

    /// Splits pods, keeping their order, into those whose eviction would violate a budget and the others.
    fn split(&self, index: &Placements, pods: &[PodId]) -> (Vec<PodId>, Vec<PodId>) {
        if self.budgets.is_empty() {
            return (Vec::new(), pods.to_vec());
        }
        let mut left: Vec<i64> = self.allowed.iter().map(|(_, allowed)| i64::from(*allowed)).collect();
        let violates = |id: &PodId| {
            let Some(tenant) = index.tenants.get(id.0 as usize).and_then(Option::as_ref) else {
                return false;
            };
            let class = &index.classes[tenant.class as usize];
            let mut violates = false;
            for (budget, left) in self.budgets.iter().zip(&mut left) {
                if guards(budget, class) {
                    *left -= 1;
                    violates |= *left < 0;
                }
            }
            violates
        };
        pods.iter().copied().partition(violates)
    }
}

fn guards(budget: &DisruptionBudget, class: &Class) -> bool {
    let labels = &class.template.labels;
    !labels.is_empty()
        && budget.namespace == class.namespace
        && !budget.selector.requirements.is_empty()
        && budget.selector.matches(labels)
}

/// `SelectVictimsOnNode`: all pods of lower priority go, then as many as possible come back, those that budgets
/// guard first, the more important before the less. Leaves the index as it was.
pub(crate) fn select_victims(
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
    let guests = nominated::respected(index, query, node);
    let trial = Trial::begin(index, query, place);
    lesser.iter().for_each(|pod| trial.drop(index, *pod));
    if let Some(refused) = nominated::refused(index, cluster, query, &guests, node, rest) {
        let reasons = nominated::reasons(index, cluster, query, node, refused);
        lesser.iter().for_each(|pod| trial.add(index, *pod));
        trial.end(index);
        return Err(reasons.into_iter().map(|reason| (refused.refusal.plugin(), reason)).collect());
    }
    let (guarded, free) = budgets.split(index, &lesser);
    let (mut victims, mut violations) = (Vec::new(), 0);
    for (pods, guarded) in [(&guarded, true), (&free, false)] {
        for pod in pods {
            trial.add(index, *pod);
            if nominated::refused(index, cluster, query, &guests, node, rest).is_some() {
                trial.drop(index, *pod);
                victims.push(*pod);
                violations += u32::from(guarded);
            }
        }
    }
    victims.iter().for_each(|pod| trial.add(index, *pod));
    trial.end(index);
    victims.sort_by_key(|pod| importance(index, *pod));
    if victims.is_empty() {
        // Upstream calls this an error: what the filters said a moment ago does not hold any more.
        return Err(Vec::new());
    }
    Ok(Candidate { node, victims, violations })
}

/// `MoreImportantPod`: higher priority first, then the longer there.
fn importance(index: &Placements, pod: PodId) -> (std::cmp::Reverse<i32>, Timestamp, PodId) {
    (std::cmp::Reverse(index.priority(pod)), since(index, pod), pod)
}

fn since(index: &Placements, pod: PodId) -> Timestamp {
    index.tenants.get(pod.0 as usize).and_then(Option::as_ref).map_or(Timestamp::ZERO, |tenant| tenant.since)
}

/// What makes one candidate better than another; the least is the best.
pub(crate) type Rank = (u32, i64, i64, usize, std::cmp::Reverse<Timestamp>);

/// `pickOneNodeForPreemption`: fewest budget violations, lowest highest priority, smallest sum of priorities,
/// fewest victims, latest start of the most important victims.
pub(crate) fn rank(index: &Placements, candidate: &Candidate) -> Rank {
    let priorities = candidate.victims.iter().map(|pod| i64::from(index.priority(*pod)));
    let highest = priorities.clone().max().unwrap_or(0);
    let sum: i64 = priorities.map(|priority| priority + i64::from(i32::MAX) + 1).sum();
    let top = candidate.victims.iter().filter(|pod| i64::from(index.priority(**pod)) == highest);
    let earliest = top.map(|pod| since(index, *pod)).min().unwrap_or(Timestamp::ZERO);
    (candidate.violations, highest, sum, candidate.victims.len(), std::cmp::Reverse(earliest))
}
