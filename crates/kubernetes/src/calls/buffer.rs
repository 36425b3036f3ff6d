//! Calls about CapacityBuffers: their status.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/capacitybuffer/controller.go` and
//! `pkg/controllers/provisioning/buffers.go`: the status is only written on the version that it was made for.

use cluster::{BufferStatus, ObjectKey};
use serde_json::{Value, json};

use super::conditions::{Conditions, Status};
use super::{Call, at_version};
use crate::Resource;
use crate::mirror::Mirror;

/// Says what became of a buffer, if that is not what is written there.
pub(super) fn say(mirror: &Mirror, buffer: &ObjectKey, status: &BufferStatus) -> Option<Call> {
    let written = mirror.object_of(buffer)?;
    let mut conditions = Conditions::of(mirror, Some(written));
    let known = [("ReadyForProvisioning", &status.ready), ("Provisioning", &status.provisioning)];
    for (kind, condition) in known {
        let Some(own) = condition else { continue };
        let holds = if own.holds { Status::True } else { Status::False };
        conditions.set(kind, (holds, &own.reason, &own.message));
    }
    let said = json!({
        "podTemplateRef": status.pod_template.as_ref().map(|name| json!({"name": name.as_str()})),
        "podTemplateGeneration": status.pod_template_generation,
        "replicas": status.replicas,
        "provisioningStrategy": status.strategy.as_ref().map(cluster::Name::as_str),
        "conditions": conditions.written(),
    });
    let differs = |(field, value): (&String, &Value)| written["status"][field] != *value;
    said.as_object().is_some_and(|said| said.iter().any(differs)).then(|| Call::Patch {
        resource: Resource::CapacityBuffer,
        namespace: buffer.namespace.to_string(),
        name: buffer.name.to_string(),
        status: true,
        body: json!({"metadata": at_version(Some(written)), "status": said}),
    })
}
