//! What a PodDisruptionBudget comes to at this instant. Only counting: who may be evicted is decided by those who
//! evict.
//!
//! `k8s.io/kubernetes` v1.36.3 `pkg/controller/disruption/disruption.go` (`getPodsForPdb`, `getExpectedPodCount`,
//! `getExpectedScale`, `countHealthyPods`, `updatePdbStatus`). The controller's own delay is not modelled.

use std::collections::BTreeSet;

use crate::admission::{BudgetBound, DisruptionBudget};
use crate::pod::Stage;
use crate::workload::Shape;
use crate::{Cluster, Pod};

/// `status` of a PodDisruptionBudget, in pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

impl BudgetStatus {
    /// Counts the pods of a budget.
    pub fn of(cluster: &Cluster, budget: &DisruptionBudget) -> BudgetStatus {
        let pods: Vec<&Pod> =
            cluster.pods.iter().filter(|pod| pod.stage != Stage::Gone && budget.selects(pod)).collect();
        let healthy = pods.iter().filter(|pod| pod.stage == Stage::Ready && pod.deleted.is_none()).count();
        let current_healthy = u32::try_from(healthy).unwrap_or(u32::MAX);
        let counted = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        let Some((expected, desired_healthy)) = expectation(cluster, &pods, counted, budget.bound) else {
            // `failSafe`: what cannot be computed allows nothing.
            return BudgetStatus { current_healthy, ..BudgetStatus::default() };
        };
        let allowed = if expected == 0 { 0 } else { current_healthy.saturating_sub(desired_healthy) };
        BudgetStatus { expected, desired_healthy, current_healthy, allowed }
    }
}

impl DisruptionBudget {
    /// Whether a pod is guarded by it.
    pub fn selects(&self, pod: &Pod) -> bool {
        self.namespace == pod.namespace && self.selector.matches(&pod.template.labels)
    }
}

/// Expected pods and desired healthy ones; `None` where a controller has no scale.
fn expectation(cluster: &Cluster, pods: &[&Pod], counted: u32, bound: BudgetBound) -> Option<(u32, u32)> {
    if let BudgetBound::MinAvailable(count) = bound {
        return Some((counted, count));
    }
    let scale = scale(cluster, pods)?;
    let desired = match bound {
        BudgetBound::MinAvailable(count) => count,
        BudgetBound::MinAvailablePercent(percent) => share(percent, scale),
        BudgetBound::MaxUnavailable(count) => scale.saturating_sub(count),
        BudgetBound::MaxUnavailablePercent(percent) => scale.saturating_sub(share(percent, scale)),
    };
    Some((scale, desired))
}

/// What the controllers of these pods want together; `None` if one has no scale (DaemonSets, Jobs). Bare pods do
/// not count.
fn scale(cluster: &Cluster, pods: &[&Pod]) -> Option<u32> {
    let owners: BTreeSet<_> = pods.iter().filter_map(|pod| pod.workload).collect();
    owners.into_iter().try_fold(0u32, |sum, owner| match cluster.declared.workload(owner).shape {
        Shape::Deployment { replicas, .. }
        | Shape::ReplicaSet { replicas }
        | Shape::StatefulSet { replicas, .. } => Some(sum.saturating_add(replicas)),
        Shape::Pod => Some(sum),
        Shape::DaemonSet | Shape::Job { .. } | Shape::CronJob { .. } => None,
    })
}

/// A percentage, rounded up.
fn share(percent: u32, count: u32) -> u32 {
    u32::try_from((u64::from(percent) * u64::from(count)).div_ceil(100)).unwrap_or(u32::MAX)
}
