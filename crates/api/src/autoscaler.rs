//! HorizontalPodAutoscalers, as far as they decide without any metric: their bounds.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/controller/podautoscaler/horizontal.go` `reconcileAutoscaler`: a target
//! above `maxReplicas` is scaled down to it and one below `minReplicas` (1 where absent) up to it, before any metric is
//! asked; a target of 0 replicas is left alone. What metrics add is not modelled.

use std::collections::BTreeMap;

use cluster::{Kind, ObjectKey};
use serde_json::Value;

use crate::object::Object;

/// How many replicas an autoscaler lets its target have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    min: u32,
    max: u32,
}

impl Bounds {
    /// What becomes of so many replicas.
    pub(crate) fn of(self, replicas: u32) -> u32 {
        match replicas {
            0 => 0,
            _ if replicas > self.max => self.max,
            _ => replicas.max(self.min),
        }
    }
}

/// The bounds of the input's autoscalers, by what they scale. One that could not be read bounds nothing.
pub(crate) fn read(objects: &[Object]) -> BTreeMap<ObjectKey, Bounds> {
    let own = |object: &&Object| {
        object.group == "autoscaling" && object.key.kind.as_str() == "HorizontalPodAutoscaler"
    };
    objects.iter().filter(own).filter_map(bounds).collect()
}

fn bounds(object: &Object) -> Option<(ObjectKey, Bounds)> {
    let text = |pointer: &str| object.field(pointer).and_then(Value::as_str);
    let count = |pointer: &str| {
        object.field(pointer).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok())
    };
    let kind = Kind::from(text("/spec/scaleTargetRef/kind")?);
    let target = ObjectKey::new(kind, object.key.namespace.clone(), text("/spec/scaleTargetRef/name")?);
    let min = count("/spec/minReplicas").unwrap_or(1).min(crate::workload::MAX_PODS);
    let max = count("/spec/maxReplicas").filter(|max| *max >= min.max(1))?;
    Some((target, Bounds { min, max }))
}

#[cfg(test)]
mod tests {
    use crate::testing::lowered;

    fn replicas(written: u32, bounds: &str) -> Option<u32> {
        let deployment = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{replicas: {written}, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: a, image: a}}]}}}}}}\n"
        );
        let autoscaler = format!(
            "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, {bounds}}}\n"
        );
        lowered(&format!("{deployment}{autoscaler}")).declared.workloads[0].shape.replicas()
    }

    #[test]
    fn replicas_are_brought_within_the_bounds() {
        assert_eq!(replicas(1, "minReplicas: 3, maxReplicas: 9"), Some(3));
        assert_eq!(replicas(4, "minReplicas: 3, maxReplicas: 9"), Some(4));
        assert_eq!(replicas(12, "maxReplicas: 9"), Some(9));
        assert_eq!(replicas(0, "minReplicas: 3, maxReplicas: 9"), Some(0), "it is switched off");
        assert_eq!(replicas(1, "minReplicas: 3, maxReplicas: 2"), Some(1), "no such autoscaler is accepted");
    }
}
