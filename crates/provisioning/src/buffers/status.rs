//! What is said of a CapacityBuffer: how many pods it comes to, whether they are known, and whether there is room.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/capacitybuffer/{controller,helpers,constants}.go`,
//! `pkg/utils/apps/resolve.go` and `pkg/controllers/provisioning/buffers.go` (`computeProvisioningCondition`), in its
//! words. Of `replicas` and `percentage` the larger counts, whatever the field's description says; `limits` cap it.

use cluster::capacity_buffer::{BufferCondition, BufferShape};
use cluster::{BufferStatus, CapacityBuffer, Cluster, Name, ObjectKey, PodTemplate};

use super::{Hosted, Tally, is_there};

/// The status after a look at the buffer and what it refers to; the condition `Provisioning` stays.
pub fn resolved(cluster: &Cluster, buffer: &CapacityBuffer) -> BufferStatus {
    let mut status = cluster.buffers.get(&buffer.key).cloned().unwrap_or_default();
    status.strategy = buffer.strategy.clone();
    let condition = |holds: bool, reason: &str, message: Name| {
        Some(BufferCondition { holds, reason: reason.into(), message, generation: buffer.generation })
    };
    let not_found = |what: &str, name: &str| Name::from(format!("{what} {name:?} not found"));
    let (template, count) = match &buffer.shape {
        BufferShape::Unset => {
            let message = Name::from("Neither podTemplateRef nor scalableRef is set");
            status.ready = condition(false, "ResolutionFailed", message);
            return status;
        }
        BufferShape::Unsupported(message) => {
            status.ready = condition(false, "ResolutionFailed", message.clone());
            return status;
        }
        BufferShape::PodTemplate { name, found: None } => {
            status.ready = condition(false, "PodTemplateNotFound", not_found("PodTemplate", name));
            return status;
        }
        BufferShape::PodTemplate { name, found: Some((template, generation)) } => {
            status.pod_template = Some(name.clone());
            status.pod_template_generation = Some(*generation);
            (template, None)
        }
        BufferShape::Scalable { of, found } => {
            let Some((template, count)) = found.as_ref().filter(|_| is_there(cluster, of)) else {
                let message = not_found(&format!("{}.apps", of.kind), &of.name);
                status.ready = condition(false, "ScalableRefNotFound", message);
                return status;
            };
            (status.pod_template, status.pod_template_generation) = (None, None);
            (template, Some(*count))
        }
    };
    status.replicas = Some(replicas(buffer, template, count));
    status.ready = condition(true, "Resolved", "Pod template resolved successfully".into());
    status
}

/// How many pods a buffer comes to; `scaled` is what its percentage is of.
fn replicas(buffer: &CapacityBuffer, template: &PodTemplate, scaled: Option<u32>) -> i32 {
    let share = buffer.percentage.zip(scaled.filter(|count| *count > 0));
    let share = share.map(|(percent, of)| (u64::from(percent) * u64::from(of)).div_ceil(100));
    let desired = share.into_iter().chain(buffer.replicas.map(u64::from)).max();
    let limited = buffer.limits.as_ref().and_then(|limits| limit(limits, template));
    let count = match (desired, limited) {
        (Some(desired), Some(limit)) => desired.min(limit),
        (Some(count), None) | (None, Some(count)) => count,
        (None, None) => 0,
    };
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// How many pods fit into the limits; `None` when these name nothing that a pod asks for.
fn limit(limits: &[(Name, i64)], template: &PodTemplate) -> Option<u64> {
    // The number of pods is no request of a pod's own.
    let named = limits.iter().filter(|(name, _)| name != "pods");
    let asked = named.filter_map(|(name, limit)| {
        let request = template.requests.get(name);
        (request > 0).then(|| u64::try_from(limit / request).unwrap_or(0))
    });
    asked.min()
}

/// Every buffer whose status a plan changes, with the status.
pub fn after_plan(cluster: &Cluster, hosted: &Hosted) -> Vec<(ObjectKey, BufferStatus)> {
    let after = |buffer: &CapacityBuffer| {
        let before = cluster.buffers.get(&buffer.key)?;
        let provisioning = provisioning(buffer, before, hosted.tallies.get(&buffer.key))?;
        let after = BufferStatus { provisioning: Some(provisioning), ..before.clone() };
        (after != *before).then(|| (buffer.key.clone(), after))
    };
    cluster.declared.capacity_buffers.iter().filter_map(after).collect()
}

/// The condition `Provisioning` after a plan; `None` when that says nothing new.
fn provisioning(
    buffer: &CapacityBuffer,
    status: &BufferStatus,
    tally: Option<&Tally>,
) -> Option<BufferCondition> {
    let condition = |holds: bool, reason: &str, message: String| {
        let generation = buffer.generation;
        Some(BufferCondition { holds, reason: reason.into(), message: message.into(), generation })
    };
    if !status.is_ready() {
        return condition(false, "NotReadyForProvisioning", "Buffer is not ReadyForProvisioning".into());
    }
    let desired = status.replicas.unwrap_or(0);
    if desired == 0 {
        return condition(false, "BufferEmpty", "Buffer has zero desired replicas".into());
    }
    let Tally { existing, new, failed } = *tally?;
    if new > 0 || failed > 0 {
        let message = format!("{new}/{desired} virtual pods required new capacity, {failed} failed");
        return condition(false, "RequiresNewCapacity", message);
    }
    let message = || format!("All {desired} virtual pods fit on existing capacity");
    if i64::from(existing) == i64::from(desired) {
        condition(true, "FitsExistingCapacity", message())
    } else {
        None
    }
}
