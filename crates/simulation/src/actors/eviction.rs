//! Whether a pod may be evicted: the arithmetic of PodDisruptionBudgets. Pure; used by whoever drains nodes.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/disruption/disruption.go` (`getExpectedPodCount`, `getExpectedScale`,
//! `countHealthyPods`, `updatePdbStatus`) and `pkg/registry/core/pod/storage/eviction.go`.

use std::collections::BTreeSet;

use cluster::admission::{BudgetBound, DisruptionBudget};
use cluster::pod::Stage;
use cluster::workload::Shape;
use cluster::{Cluster, Pod, PodId};

/// What a budget comes to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetStatus {
    /// `expectedPods`.
    pub expected: u32,
    /// `desiredHealthy`.
    pub desired_healthy: u32,
    /// `currentHealthy`.
    pub current_healthy: u32,
    /// `disruptionsAllowed`.
    pub allowed: u32,
}

/// The eviction API's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pod is deleted.
    Allowed,
    /// 429: this budget has no disruption left; index into `declared.disruption_budgets`.
    Budget(usize, BudgetStatus),
    /// 500: more than one budget selects the pod.
    SeveralBudgets(Vec<usize>),
}

/// Whether the eviction API would let the pod go now.
pub fn may_evict(cluster: &Cluster, id: PodId) -> Verdict {
    let pod = cluster.pod(id);
    // Pods that do not run (or go already) are not protected.
    if pod.deleted.is_some() || pod.is_over() || pod.stage < Stage::Running {
        return Verdict::Allowed;
    }
    let budgets = &cluster.declared.disruption_budgets;
    let found: Vec<usize> = (0..budgets.len()).filter(|index| selects(&budgets[*index], pod)).collect();
    let [index] = found[..] else {
        return if found.is_empty() { Verdict::Allowed } else { Verdict::SeveralBudgets(found) };
    };
    let budget = &budgets[index];
    let status = status(cluster, budget);
    if pod.stage != Stage::Ready {
        let healthy_enough = status.current_healthy >= status.desired_healthy && status.desired_healthy > 0;
        if budget.always_allow_unhealthy || healthy_enough {
            return Verdict::Allowed;
        }
    }
    if status.allowed > 0 { Verdict::Allowed } else { Verdict::Budget(index, status) }
}

/// What a budget comes to now.
pub fn status(cluster: &Cluster, budget: &DisruptionBudget) -> BudgetStatus {
    let pods: Vec<&Pod> = cluster.pods.iter().filter(|pod| selects(budget, pod)).collect();
    let healthy = pods.iter().filter(|pod| pod.stage == Stage::Ready && pod.deleted.is_none()).count();
    let current_healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
    let (expected, desired_healthy) = match budget.bound {
        BudgetBound::MinAvailable(count) => (u32::try_from(pods.len()).unwrap_or(u32::MAX), count),
        BudgetBound::MinAvailablePercent(percent) => match expected_scale(cluster, &pods) {
            None => return blocked(current_healthy),
            Some(scale) => (scale, percent_of(percent, scale)),
        },
        BudgetBound::MaxUnavailable(count) => match expected_scale(cluster, &pods) {
            None => return blocked(current_healthy),
            Some(scale) => (scale, scale.saturating_sub(count)),
        },
        BudgetBound::MaxUnavailablePercent(percent) => match expected_scale(cluster, &pods) {
            None => return blocked(current_healthy),
            Some(scale) => (scale, scale.saturating_sub(percent_of(percent, scale))),
        },
    };
    let allowed = if expected == 0 { 0 } else { current_healthy.saturating_sub(desired_healthy) };
    BudgetStatus { expected, desired_healthy, current_healthy, allowed }
}

/// The controller cannot compute the budget, and allows nothing (`failSafe`).
fn blocked(current_healthy: u32) -> BudgetStatus {
    BudgetStatus { expected: 0, desired_healthy: 0, current_healthy, allowed: 0 }
}

fn selects(budget: &DisruptionBudget, pod: &Pod) -> bool {
    pod.stage != Stage::Gone
        && pod.namespace == budget.namespace
        && budget.selector.matches(&pod.template.labels)
}

/// The scale of all controllers of the pods; `None` when one has no scale (DaemonSets, Jobs). Bare pods do not
/// count.
fn expected_scale(cluster: &Cluster, pods: &[&Pod]) -> Option<u32> {
    let owners: BTreeSet<_> = pods.iter().filter_map(|pod| pod.workload).collect();
    let mut scale = 0u32;
    for owner in owners {
        match cluster.declared.workload(owner).shape {
            Shape::Deployment { replicas, .. }
            | Shape::ReplicaSet { replicas }
            | Shape::StatefulSet { replicas, .. } => scale = scale.saturating_add(replicas),
            Shape::Pod => {}
            Shape::DaemonSet | Shape::Job { .. } | Shape::CronJob { .. } => return None,
        }
    }
    Some(scale)
}

/// A percentage, rounded up.
fn percent_of(percent: u32, count: u32) -> u32 {
    u32::try_from((u64::from(percent) * u64::from(count)).div_ceil(100)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Actor;
    use crate::actors::deployment::Deployments;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node};
    use cluster::labels::LabelSelector;
    use cluster::{Kind, Location, ObjectKey, Timestamp};

    fn cluster_with(replicas: u32, bounds: &[BudgetBound], ready: u32) -> Cluster {
        let mut declared = declared(vec![deployment("web", replicas)], vec![node("a")]);
        declared.disruption_budgets = bounds
            .iter()
            .map(|bound| DisruptionBudget {
                namespace: "apps".into(),
                name: "web".into(),
                location: Location::object(ObjectKey::new(Kind::PodDisruptionBudget, "apps", "web")),
                selector: LabelSelector::default(),
                bound: *bound,
                always_allow_unhealthy: false,
            })
            .collect();
        let actors: Vec<Box<dyn Actor>> =
            vec![Box::new(Deployments::default()), Box::new(Kubelets::new(|_, _| None))];
        let mut hand = StageHand::new(declared, actors);
        hand.pods_per_node = ready as usize;
        hand.arrive_all();
        hand.run(Timestamp(3_600_000));
        hand.cluster
    }

    fn allowed(replicas: u32, ready: u32, bound: BudgetBound) -> u32 {
        let cluster = cluster_with(replicas, &[bound], ready);
        status(&cluster, &cluster.declared.disruption_budgets[0]).allowed
    }

    #[test]
    fn counts_and_percentages_round_as_the_controller_does() {
        assert_eq!(allowed(5, 5, BudgetBound::MinAvailable(3)), 2);
        assert_eq!(allowed(5, 3, BudgetBound::MinAvailable(3)), 0);
        assert_eq!(allowed(5, 5, BudgetBound::MinAvailablePercent(50)), 2);
        assert_eq!(allowed(5, 5, BudgetBound::MaxUnavailable(1)), 1);
        assert_eq!(allowed(5, 4, BudgetBound::MaxUnavailable(1)), 0);
        assert_eq!(allowed(5, 5, BudgetBound::MaxUnavailablePercent(30)), 2);
        assert_eq!(allowed(1, 1, BudgetBound::MaxUnavailable(0)), 0);
    }

    #[test]
    fn a_pod_that_does_not_run_is_not_protected() {
        let cluster = cluster_with(3, &[BudgetBound::MaxUnavailable(0)], 2);
        let verdicts: Vec<bool> =
            cluster.pods.iter().map(|pod| may_evict(&cluster, pod.id) == Verdict::Allowed).collect();
        assert_eq!(verdicts, [false, false, true]);
    }

    #[test]
    fn two_budgets_for_one_pod_are_an_error() {
        let bound = BudgetBound::MaxUnavailable(1);
        let cluster = cluster_with(2, &[bound, bound], 2);
        assert_eq!(may_evict(&cluster, PodId(0)), Verdict::SeveralBudgets(vec![0, 1]));
    }
}
