//! CapacityBuffers: what they refer to, and what is said of them.

use std::collections::BTreeSet;

use cluster::capacity_buffer::{BufferCondition, KIND};
use cluster::{BufferStatus, Change, Kind, Name, ObjectKey};
use serde_json::Value;

use super::Mirror;

impl Mirror {
    /// Whether an object makes a difference: of some kinds only what a buffer refers to. A cluster has many Deployments and ReplicaSets, and few buffers.
    pub(super) fn counts(&self, key: &ObjectKey) -> bool {
        let only_referred = matches!(key.kind.as_str(), "Deployment" | "ReplicaSet" | "PodTemplate");
        !only_referred || self.referred.contains(key)
    }

    /// A buffer has come, changed or gone.
    pub(super) fn follow_references(&mut self) {
        let buffers = self.objects.iter().filter(|(key, _)| key.kind.as_str() == KIND);
        self.referred = buffers.flat_map(|(key, value)| references(&key.namespace, value)).collect();
    }

    /// The status of a buffer, as it is in the API.
    pub(super) fn buffer_says(&mut self, key: ObjectKey, value: &Value, changes: &mut Vec<Change>) {
        let status = status(value);
        if self.cluster.buffers.get(&key).cloned().unwrap_or_default() == status {
            return;
        }
        self.cluster.buffers.insert(key.clone(), status.clone());
        changes.push(Change::BufferStatus(key, Box::new(status)));
    }
}

/// What a buffer's pods may be made from.
fn references(namespace: &Name, buffer: &Value) -> BTreeSet<ObjectKey> {
    let text = |path: &str| buffer.pointer(path).and_then(Value::as_str);
    let key = |kind: &str, name: &str| ObjectKey::new(Kind::from(kind), namespace.clone(), name);
    let template = text("/spec/podTemplateRef/name").map(|name| key("PodTemplate", name));
    let scalable = text("/spec/scalableRef/kind").zip(text("/spec/scalableRef/name"));
    template.into_iter().chain(scalable.map(|(kind, name)| key(kind, name))).collect()
}

fn status(buffer: &Value) -> BufferStatus {
    let status = &buffer["status"];
    let text = |value: &Value| value.as_str().map(Name::from);
    BufferStatus {
        pod_template: text(&status["podTemplateRef"]["name"]),
        pod_template_generation: status["podTemplateGeneration"].as_i64(),
        replicas: status["replicas"].as_i64().and_then(|count| i32::try_from(count).ok()),
        strategy: text(&status["provisioningStrategy"]),
        ready: condition(status, "ReadyForProvisioning"),
        provisioning: condition(status, "Provisioning"),
    }
}

fn condition(status: &Value, kind: &str) -> Option<BufferCondition> {
    let all = status["conditions"].as_array()?;
    let own = all.iter().find(|own| own["type"] == kind)?;
    let text = |field: &str| Name::from(own[field].as_str().unwrap_or_default());
    Some(BufferCondition {
        holds: own["status"] == "True",
        reason: text("reason"),
        message: text("message"),
        generation: own["observedGeneration"].as_i64().unwrap_or(0),
    })
}
