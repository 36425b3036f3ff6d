//! Giving up a pod's preferences, one at a time, in Karpenter's order.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/preferences.go`.

use cluster::{Effect, Name, Toleration};

use crate::class::Constraints;

/// `constraints` with one preference less; `None` when there is nothing left to give up.
///
/// In this order: the first of several required node affinity terms (any may hold), the heaviest preferred pod
/// affinity, pod anti-affinity, node affinity, the first `ScheduleAnyway` spread, and, when some pool has such a
/// taint, `PreferNoSchedule` taints.
pub fn relaxed(constraints: &Constraints, some_pool_prefers_no_schedule: bool) -> Option<Constraints> {
    let mut relaxed = Constraints { untracked: false, ..constraints.clone() };
    if relaxed.required.as_ref().is_some_and(|terms| terms.len() > 1) {
        relaxed.required.as_mut().map(|terms| terms.remove(0))?;
    } else if !relaxed.preferred_affinity.is_empty() {
        relaxed.preferred_affinity.remove(0);
    } else if !relaxed.preferred_anti_affinity.is_empty() {
        relaxed.preferred_anti_affinity.remove(0);
    } else if !relaxed.preferred.is_empty() {
        relaxed.preferred.remove(0);
    } else if let Some(soft) = relaxed.spread.iter().position(|spread| !spread.required) {
        relaxed.spread.swap_remove(soft);
    } else if some_pool_prefers_no_schedule && !relaxed.tolerations.contains(&any_prefer_no_schedule()) {
        relaxed.tolerations.push(any_prefer_no_schedule());
    } else {
        return None;
    }
    Some(relaxed)
}

/// The toleration of every `PreferNoSchedule` taint.
pub(crate) fn any_prefer_no_schedule() -> Toleration {
    Toleration {
        key: Name::default(),
        exists: true,
        value: Name::default(),
        effect: Some(Effect::PreferNoSchedule),
        seconds: None,
    }
}
