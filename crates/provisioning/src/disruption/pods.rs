//! What a pod means for the disruption of its node.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/utils/pod/scheduling.go` and `pkg/utils/disruption/disruption.go`.

use cluster::taint::Effect;
use cluster::workload::Shape;
use cluster::{Cluster, Name, Pod, Taint, Timestamp};

use crate::class::of_daemon_set;

/// `karpenter.sh/do-not-disrupt`.
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// `karpenter.sh/disrupted:NoSchedule`: the node is going.
pub fn disrupted_taint() -> Taint {
    Taint { key: "karpenter.sh/disrupted".into(), value: Name::default(), effect: Effect::NoSchedule }
}

/// Neither finished nor asked to go.
pub fn is_active(pod: &Pod) -> bool {
    pod.is_wanted()
}

/// Whether the pod needs a place elsewhere when its node goes: not a DaemonSet's; a StatefulSet's even while it is
/// going.
pub fn is_reschedulable(cluster: &Cluster, pod: &Pod) -> bool {
    let stateful = || {
        let shape = pod.workload.map(|workload| &cluster.declared.workload(workload).shape);
        matches!(shape, Some(Shape::StatefulSet { .. }))
    };
    let going = pod.deleted.is_some() && !pod.is_over();
    (is_active(pod) || going && stateful()) && !of_daemon_set(cluster, pod)
}

/// Whether the eviction API would be asked for this pod.
pub fn is_evictable(pod: &Pod, now: Timestamp) -> bool {
    is_active(pod) && !tolerates_disruption(pod) && !do_not_disrupt(pod, now)
}

/// Whether a drain waits for this pod: it does not for pods that tolerate the taint, nor for pods that should have
/// been gone for a minute.
pub fn is_waited_for(pod: &Pod, now: Timestamp) -> bool {
    !pod.is_over() && !tolerates_disruption(pod) && !is_stuck(pod, now)
}

/// When a pod that was asked to go stops being waited for.
pub fn stuck_at(pod: &Pod) -> Option<Timestamp> {
    // The deletion timestamp is when the grace period ends.
    pod.deleted.map(|at| at.after_ms(pod.template.grace_period_ms).after_ms(60_000))
}

fn is_stuck(pod: &Pod, now: Timestamp) -> bool {
    stuck_at(pod).is_some_and(|at| now > at)
}

fn tolerates_disruption(pod: &Pod) -> bool {
    let taint = disrupted_taint();
    pod.template.tolerations.iter().any(|toleration| toleration.tolerates(&taint))
}

/// Whether `karpenter.sh/do-not-disrupt` protects the pod now: `true`, or a duration since it started.
pub fn do_not_disrupt(pod: &Pod, now: Timestamp) -> bool {
    match protected_until(pod) {
        Some(Protection::Always) => true,
        Some(Protection::Until(end)) => now < end,
        None => false,
    }
}

/// How long a pod is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `true`.
    Always,
    /// A duration: until this instant.
    Until(Timestamp),
}

/// What the pod's annotation says; values that are neither `true` nor a positive duration do not count. A pod
/// that has not started yet is protected.
pub fn protected_until(pod: &Pod) -> Option<Protection> {
    let value = pod.template.annotations.get(DO_NOT_DISRUPT)?;
    if value == "true" {
        return Some(Protection::Always);
    }
    let duration_ms = go_duration_ms(value).filter(|&ms| ms > 0)?;
    if pod.node.is_none() {
        return Some(Protection::Always);
    }
    Some(Protection::Until(pod.created.after_ms(duration_ms)))
}

/// Go's `time.ParseDuration` in milliseconds: `1h30m`, `5m`, `1.5s`; `None` when it is not one.
pub fn go_duration_ms(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut total_ns: i128 = 0;
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let unit_ns: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 12 || whole.len() > 18 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        total_ns += whole * unit_ns + fraction * unit_ns / scale;
        rest = tail;
    }
    i64::try_from(total_ns / 1_000_000).ok()
}

/// One unit of [`eviction_cost`].
pub const COST_ONE: i64 = 1 << 27;

/// What evicting the pod costs, in [`COST_ONE`]ths, from -10 to 10: one, more with its deletion cost (a share of
/// 2²⁷) and its priority (a share of 2²⁵).
pub fn eviction_cost(pod: &Pod) -> i64 {
    let annotated = pod.template.annotations.get("controller.kubernetes.io/pod-deletion-cost");
    let deletion_cost = annotated.and_then(|cost| cost.parse::<i64>().ok()).unwrap_or(0);
    let priority = i64::from(pod.template.priority).saturating_mul(4);
    COST_ONE.saturating_add(deletion_cost).saturating_add(priority).clamp(-10 * COST_ONE, 10 * COST_ONE)
}
