//! How many pods a PodDisruptionBudget lets go right now.
//!
//! Follows `pkg/controller/disruption/disruption.go` `getExpectedPodCount`, `countHealthyPods` and
//! `updatePdbStatus`. The controller's own delay is not modelled: the number is always up to date.

use cluster::admission::{BudgetBound, DisruptionBudget};
use cluster::pod::Stage;
use cluster::workload::Shape;
use cluster::{Cluster, Pod};

/// `status.disruptionsAllowed` of a budget.
pub fn disruptions_allowed(cluster: &Cluster, budget: &DisruptionBudget) -> u32 {
    let guarded = |pod: &&Pod| {
        pod.stage != Stage::Gone
            && pod.namespace == budget.namespace
            && budget.selector.matches(&pod.template.labels)
    };
    let pods: Vec<&Pod> = cluster.pods.iter().filter(guarded).collect();
    let healthy = pods.iter().filter(|pod| pod.stage == Stage::Ready && pod.deleted.is_none()).count();
    let (expected, desired) = match budget.bound {
        BudgetBound::MinAvailable(count) => (pods.len(), count as usize),
        BudgetBound::MinAvailablePercent(percent) => {
            let Some(scale) = scale(cluster, &pods) else { return 0 };
            (scale, share(scale, percent))
        }
        BudgetBound::MaxUnavailable(count) => {
            let Some(scale) = scale(cluster, &pods) else { return 0 };
            (scale, scale.saturating_sub(count as usize))
        }
        BudgetBound::MaxUnavailablePercent(percent) => {
            let Some(scale) = scale(cluster, &pods) else { return 0 };
            (scale, scale.saturating_sub(share(scale, percent)))
        }
    };
    let allowed = if expected == 0 { 0 } else { healthy.saturating_sub(desired) };
    u32::try_from(allowed).unwrap_or(u32::MAX)
}

/// How many pods the controllers of these pods want together; `None` if one of them has no scale, for which the
/// controller lets nothing go.
fn scale(cluster: &Cluster, pods: &[&Pod]) -> Option<usize> {
    let mut workloads: Vec<_> = pods.iter().filter_map(|pod| pod.workload).collect();
    workloads.sort();
    workloads.dedup();
    workloads.into_iter().try_fold(0usize, |sum, id| match cluster.declared.workload(id).shape {
        Shape::Deployment { replicas, .. }
        | Shape::ReplicaSet { replicas }
        | Shape::StatefulSet { replicas, .. } => Some(sum.saturating_add(replicas as usize)),
        Shape::Pod => Some(sum),
        Shape::DaemonSet | Shape::Job { .. } | Shape::CronJob { .. } => None,
    })
}

/// Percentages round up.
fn share(scale: usize, percent: u32) -> usize {
    scale.saturating_mul(percent as usize).div_ceil(100)
}
