//! PodDisruptionBudgets: how many pods may be evicted now.
//!
//! Follows kubernetes v1.36.3 `pkg/registry/core/pod/storage/eviction.go` (what the eviction API refuses) and
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/utils/pdb/pdb.go` (what Karpenter takes for blocked). The counts are
//! [`cluster::disruption_budget`]'s.

use cluster::admission::{BudgetBound, DisruptionBudget};
use cluster::disruption_budget::BudgetStatus;
use cluster::pod::Stage;
use cluster::{Cluster, Pod, Timestamp};

use super::pods;

/// The budgets of a cluster with what they allow at this instant.
#[derive(Clone, Debug)]
pub struct PodBudgets<'a> {
    budgets: Vec<State<'a>>,
}

#[derive(Clone, Debug)]
struct State<'a> {
    budget: &'a DisruptionBudget,
    status: BudgetStatus,
    evicted: u32,
}

impl State<'_> {
    fn allowed(&self) -> u32 {
        self.status.allowed.saturating_sub(self.evicted)
    }

    /// Nothing of it may ever be evicted.
    fn blocks_everything(&self) -> bool {
        matches!(
            self.budget.bound,
            BudgetBound::MaxUnavailable(0)
                | BudgetBound::MaxUnavailablePercent(0)
                | BudgetBound::MinAvailablePercent(100)
        )
    }
}

impl<'a> PodBudgets<'a> {
    /// Counts the pods of every budget.
    pub fn of(cluster: &'a Cluster) -> PodBudgets<'a> {
        let budgets = cluster.declared.disruption_budgets.iter();
        let state = |budget| State { budget, status: BudgetStatus::of(cluster, budget), evicted: 0 };
        PodBudgets { budgets: budgets.map(state).collect() }
    }

    /// Whether Karpenter takes a pod's eviction for blocked right now.
    pub fn blocks(&self, pod: &Pod, now: Timestamp) -> bool {
        self.stops(pod, now, |state| state.allowed() == 0)
    }

    /// Whether a pod can never be evicted because of a budget.
    pub fn blocks_for_ever(&self, pod: &Pod, now: Timestamp) -> bool {
        self.stops(pod, now, |state| state.blocks_everything())
    }

    fn stops(&self, pod: &Pod, now: Timestamp, by: impl Fn(&State<'_>) -> bool) -> bool {
        if !pods::is_evictable(pod, now) {
            return false;
        }
        let mut own = self.budgets.iter().filter(|state| state.budget.selects(pod));
        match (own.next(), own.next()) {
            (None, _) => false,
            // The eviction API does not support pods with several budgets.
            (Some(_), Some(_)) => true,
            (Some(state), None) => {
                let unready = pod.stage != Stage::Ready && pod.stage > Stage::Pending;
                !(state.budget.always_allow_unhealthy && unready) && by(state)
            }
        }
    }

    /// Asks the eviction API for a pod; true when it grants the eviction, which is then counted.
    pub fn evict(&mut self, pod: &Pod) -> bool {
        // Pods that have not started, or are going, are evicted whatever the budgets say.
        if pod.stage < Stage::Running || pod.is_over() || pod.deleted.is_some() {
            return true;
        }
        let mut own: Vec<&mut State<'_>> =
            self.budgets.iter_mut().filter(|state| state.budget.selects(pod)).collect();
        match own.as_mut_slice() {
            [] => true,
            [state] => {
                let enough = state.status.current_healthy >= state.status.desired_healthy
                    && state.status.desired_healthy > 0;
                if pod.stage != Stage::Ready && (state.budget.always_allow_unhealthy || enough) {
                    return true;
                }
                let granted = state.allowed() > 0;
                state.evicted += u32::from(granted);
                granted
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fixture, location, template};
    use cluster::LabelSelector;
    use cluster::workload::Shape;

    /// How many of a Deployment's pods are evicted, asked one after the other; the first `ready` are Ready.
    fn granted(replicas: u32, ready: u32, bound: BudgetBound) -> usize {
        let mut fixture = Fixture::new(vec![]);
        let shape = Shape::Deployment { replicas, recreate: false, max_surge: 1, max_unavailable: 0 };
        let web = fixture.workload("web", shape, template(100, 0));
        let node = fixture.node("a", "a", 8);
        for index in 0..replicas {
            let pod = fixture.running(node, template(100, 0));
            let pod = &mut fixture.cluster.pods[pod.0 as usize];
            pod.workload = Some(web);
            pod.stage = if index < ready { Stage::Ready } else { Stage::Running };
        }
        fixture.declared.disruption_budgets = vec![DisruptionBudget {
            namespace: "apps".into(),
            name: "web".into(),
            location: location(),
            selector: LabelSelector::default(),
            bound,
            always_allow_unhealthy: false,
        }];
        let cluster = fixture.sealed();
        let mut budgets = PodBudgets::of(cluster);
        cluster.pods.iter().filter(|pod| budgets.evict(pod)).count()
    }

    #[test]
    fn counts_and_percentages_round_as_the_controller_does() {
        assert_eq!(granted(5, 5, BudgetBound::MinAvailable(3)), 2);
        assert_eq!(granted(5, 5, BudgetBound::MinAvailablePercent(50)), 2);
        assert_eq!(granted(5, 5, BudgetBound::MaxUnavailable(1)), 1);
        assert_eq!(granted(5, 5, BudgetBound::MaxUnavailablePercent(30)), 2);
        assert_eq!(granted(1, 1, BudgetBound::MaxUnavailable(0)), 0);
    }

    /// The unready ones go while the rest is enough, else only out of what the budget has left.
    #[test]
    fn unready_pods_go_when_the_others_are_enough_or_the_budget_has_room() {
        assert_eq!(granted(5, 3, BudgetBound::MinAvailable(3)), 2, "the two that are not ready");
        assert_eq!(granted(5, 2, BudgetBound::MinAvailable(3)), 0);
        assert_eq!(granted(3, 2, BudgetBound::MinAvailable(0)), 2, "as many as are healthy");
    }
}
