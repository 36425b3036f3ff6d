//! PodDisruptionBudgets: how many pods may be evicted now.
//!
//! Follows kubernetes v1.36 `pkg/controller/disruption/disruption.go` (expected and desired counts),
//! `pkg/registry/core/pod/storage/eviction.go` (what the eviction API refuses), and `sigs.k8s.io/karpenter` v1.14.1
//! `pkg/utils/pdb/pdb.go` (what Karpenter takes for blocked).

use std::collections::BTreeSet;

use cluster::admission::{BudgetBound, DisruptionBudget};
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
    healthy: u32,
    desired: u32,
    expected: u32,
    evicted: u32,
}

impl State<'_> {
    fn allowed(&self) -> u32 {
        if self.expected == 0 {
            0
        } else {
            self.healthy.saturating_sub(self.desired).saturating_sub(self.evicted)
        }
    }

    fn selects(&self, pod: &Pod) -> bool {
        self.budget.namespace == pod.namespace && self.budget.selector.matches(&pod.template.labels)
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
        PodBudgets { budgets: budgets.map(|budget| state(cluster, budget)).collect() }
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
        let mut own = self.budgets.iter().filter(|state| state.selects(pod));
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
            self.budgets.iter_mut().filter(|state| state.selects(pod)).collect();
        match own.as_mut_slice() {
            [] => true,
            [state] => {
                if pod.stage != Stage::Ready {
                    let enough = state.healthy >= state.desired && state.desired > 0;
                    return state.budget.always_allow_unhealthy || enough;
                }
                let granted = state.allowed() > 0;
                state.evicted += u32::from(granted);
                granted
            }
            _ => false,
        }
    }
}

fn state<'a>(cluster: &Cluster, budget: &'a DisruptionBudget) -> State<'a> {
    let selected = |pod: &&Pod| {
        pod.namespace == budget.namespace && !pod.is_over() && budget.selector.matches(&pod.template.labels)
    };
    let (mut healthy, mut pods, mut scale) = (0u32, 0u32, 0u32);
    let mut owners = BTreeSet::new();
    for pod in cluster.pods.iter().filter(selected) {
        pods += 1;
        healthy += u32::from(pod.stage == Stage::Ready && pod.deleted.is_none());
        let replicas =
            pod.workload.and_then(|id| cluster.declared.workload(id).shape.replicas().map(|n| (id, n)));
        match replicas {
            Some((id, replicas)) if owners.insert(id) => scale = scale.saturating_add(replicas),
            Some(_) => {}
            None => scale = scale.saturating_add(1),
        }
    }
    let share = |percent: u32| scale.saturating_mul(percent).div_ceil(100);
    let (expected, desired) = match budget.bound {
        BudgetBound::MinAvailable(count) => (pods, count),
        BudgetBound::MinAvailablePercent(percent) => (scale, share(percent)),
        BudgetBound::MaxUnavailable(count) => (scale, scale.saturating_sub(count)),
        BudgetBound::MaxUnavailablePercent(percent) => (scale, scale.saturating_sub(share(percent))),
    };
    State { budget, healthy, desired, expected, evicted: 0 }
}
