//! Karpenter's CapacityBuffer, and the templates that buffers refer to.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/autoscaling/v1beta1`, its CRD with the two CEL rules, and
//! `pkg/utils/apps/resolve.go`. Templates are read as they are written: no admission sees a buffer's pods. How many
//! pods a buffer comes to is not decided here.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::capacity_buffer::{BufferShape, CapacityBuffer};
use cluster::{FieldPath, Kind, Labels, Name, ObjectKey, PodTemplate};
use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;
use serde_json::Value;

use crate::admission::Admission;
use crate::amounts::{self, WireList};
use crate::code;
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::pod::{self, Owner};
use crate::problem::{Problems, Reporter};

const GROUP: &str = "autoscaling.x-k8s.io";

/// What the CRD fills in.
const ACTIVE: &str = "buffer.x-k8s.io/active-capacity";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    api_version: String,
    kind: String,
    metadata: Value,
    #[serde(default)]
    spec: WireSpec,
    #[serde(default)]
    status: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    provisioning_strategy: Option<String>,
    pod_template_ref: Option<WireName>,
    scalable_ref: Option<WireScalable>,
    replicas: Option<i32>,
    percentage: Option<i32>,
    limits: Option<WireList>,
}

#[derive(Debug, Deserialize)]
struct WireName {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireScalable {
    #[serde(default)]
    api_group: String,
    kind: String,
    name: String,
}

/// Whether an object is a CapacityBuffer.
pub(crate) fn is_buffer(object: &Object) -> bool {
    object.group == GROUP && object.key.kind.as_str() == cluster::capacity_buffer::KIND
}

/// The buffers of the input in the order of their keys, with what they refer to.
pub(crate) fn buffers(objects: &[Object], context: &Context, problems: &mut Problems) -> Vec<CapacityBuffer> {
    let by_key: BTreeMap<&ObjectKey, &Object> = objects.iter().map(|object| (&object.key, object)).collect();
    let written = objects.iter().filter(|object| is_buffer(object));
    let mut buffers: Vec<CapacityBuffer> = written
        .filter_map(|object| buffer(object, &by_key, context, &mut Reporter::new(problems, object)))
        .collect();
    buffers.sort_by(|a, b| a.key.cmp(&b.key));
    buffers
}

fn buffer(
    object: &Object,
    by_key: &BTreeMap<&ObjectKey, &Object>,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Option<CapacityBuffer> {
    if !matches!(object.version.as_str(), "v1beta1" | "v1alpha1") {
        let path = FieldPath::of("/apiVersion");
        let message = format!(
            "no matches for kind \"CapacityBuffer\" in version \"{}/{}\"",
            object.group, object.version
        );
        reporter.error(
            &path,
            code::WRONG_API_VERSION,
            message,
            format!("write `apiVersion: {GROUP}/v1beta1`"),
        );
        return None;
    }
    let spec = decode::<Wire>(object, Strictness::Refuse, reporter)?.spec;
    check_references(&spec, reporter);
    let at = |field: &str| FieldPath::of("/spec").child(field);
    let replicas = not_negative(spec.replicas, &at("replicas"), reporter);
    let percentage = not_negative(spec.percentage, &at("percentage"), reporter);
    let limits =
        spec.limits.as_ref().map(|limits| amounts::named_amounts(Some(limits), &at("limits"), reporter));
    let buffer = CapacityBuffer {
        key: object.key.clone(),
        location: object.place.at(""),
        generation: generation(object),
        shape: shape(&spec, &object.key.namespace, by_key, context),
        replicas,
        percentage,
        limits,
        strategy: Some(Name::from(spec.provisioning_strategy.as_deref().unwrap_or(ACTIVE))),
    };
    (!reporter.refused).then_some(buffer)
}

/// The CRD's CEL rules and lengths.
fn check_references(spec: &WireSpec, reporter: &mut Reporter<'_>) {
    if spec.pod_template_ref.is_some() && spec.scalable_ref.is_some() {
        let message = "spec: You must define either PodTemplateRef or ScalableRef, but not both";
        reporter.error(
            &FieldPath::of("/spec/scalableRef"),
            code::EXCLUSIVE_FIELDS,
            message,
            "keep one of the two",
        );
    }
    if spec.pod_template_ref.is_some() && spec.replicas.is_none() && spec.limits.is_none() {
        let message = "spec: If podTemplateRef is set, replicas or limits must also be set";
        let path = FieldPath::of("/spec/podTemplateRef");
        reporter.error(&path, code::MISSING_FIELD, message, "write `replicas`, or `limits`");
    }
    let names = [
        ("/spec/podTemplateRef/name", spec.pod_template_ref.as_ref().map(|own| &own.name)),
        ("/spec/scalableRef/kind", spec.scalable_ref.as_ref().map(|own| &own.kind)),
        ("/spec/scalableRef/name", spec.scalable_ref.as_ref().map(|own| &own.name)),
    ];
    for (path, _) in names.into_iter().filter(|(_, name)| name.is_some_and(String::is_empty)) {
        let path = FieldPath::of(path);
        let message = format!("{path}: should be at least 1 chars long");
        reporter.error(&path, code::BAD_VALUE, message, "write what it refers to");
    }
}

fn not_negative(written: Option<i32>, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<u32> {
    let written = written?;
    let count = u32::try_from(written).ok();
    if count.is_none() {
        let message = format!("{path}: {written} should be greater than or equal to 0");
        reporter.error(path, code::BAD_VALUE, message, "write 0 or more");
    }
    count
}

fn generation(object: &Object) -> i64 {
    object.field("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
}

fn shape(
    spec: &WireSpec,
    namespace: &Name,
    by_key: &BTreeMap<&ObjectKey, &Object>,
    context: &Context,
) -> BufferShape {
    if let Some(WireName { name }) = &spec.pod_template_ref {
        let key = ObjectKey::new(Kind::from("PodTemplate"), namespace.clone(), name.as_str());
        let found = by_key.get(&key).filter(|object| object.group.is_empty());
        let found = found.and_then(|object| Some((template(object, "/template")?, generation(object))));
        return BufferShape::PodTemplate { name: name.as_str().into(), found };
    }
    let Some(WireScalable { api_group, kind, name }) = &spec.scalable_ref else { return BufferShape::Unset };
    if !matches!(api_group.as_str(), "" | "apps") {
        return BufferShape::Unsupported(format!("unsupported scalableRef API group {api_group:?}").into());
    }
    if !matches!(kind.as_str(), "Deployment" | "StatefulSet" | "ReplicaSet") {
        return BufferShape::Unsupported(format!("unsupported kind {kind:?}").into());
    }
    let of = ObjectKey::new(Kind::from(kind.as_str()), namespace.clone(), name.as_str());
    let found = by_key.get(&of).and_then(|object| {
        let written = object.field("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        let replicas = context.autoscalers.get(&of).map_or(written, |bounds| bounds.of(written));
        Some((template(object, "/spec/template")?, replicas))
    });
    BufferShape::Scalable { of, found }
}

/// A template as it is written. What is wrong with it was told where its object was read.
fn template(object: &Object, path: &str) -> Option<Arc<PodTemplate>> {
    let wire: core::PodTemplateSpec = serde_json::from_value(object.field(path)?.clone()).ok()?;
    let owner = Owner {
        object,
        path: FieldPath::of(path),
        added_labels: Labels::new(),
        restart_policies: &["Always", "OnFailure", "Never"],
    };
    let mut told = Problems::default();
    let mut reporter = Reporter::new(&mut told, object);
    let spec = wire.spec.unwrap_or_default();
    let template = pod::template(wire.metadata.as_ref(), &spec, &owner, &Admission::default(), &mut reporter);
    (!reporter.refused).then(|| Arc::new(template))
}

/// Reports what the API server would not accept of a PodTemplate.
pub(crate) fn check_pod_template(object: &Object, reporter: &mut Reporter<'_>) {
    let Some(wire) = decode::<core::PodTemplate>(object, Strictness::Prune, reporter) else { return };
    let owner = Owner {
        object,
        path: FieldPath::of("/template"),
        added_labels: Labels::new(),
        restart_policies: &["Always", "OnFailure", "Never"],
    };
    let wire = wire.template.unwrap_or_default();
    let spec = wire.spec.unwrap_or_default();
    pod::template(wire.metadata.as_ref(), &spec, &owner, &Admission::default(), reporter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lowered, shown};

    const TEMPLATE: &str = "apiVersion: v1\nkind: PodTemplate\nmetadata: {name: room, namespace: n, generation: 3}\ntemplate:\n  metadata: {labels: {app: room}}\n  spec: {containers: [{name: a, image: a, resources: {requests: {cpu: \"1\"}}}]}\n---\n";
    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: n}\nspec:\n  replicas: 7\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: a, image: a, resources: {limits: {cpu: 200m}}}]}\n---\n";

    fn written(spec: &str) -> String {
        format!(
            "apiVersion: autoscaling.x-k8s.io/v1beta1\nkind: CapacityBuffer\nmetadata: {{name: b, namespace: n}}\nspec: {{{spec}}}\n"
        )
    }

    fn read(spec: &str) -> CapacityBuffer {
        let input = format!("{TEMPLATE}{DEPLOYMENT}{}", written(spec));
        let lowered = lowered(&input);
        assert!(!shown(&lowered.problems).contains("Error"), "{spec}: {}", shown(&lowered.problems));
        lowered.declared.capacity_buffers[0].clone()
    }

    #[test]
    fn references_are_followed() {
        let own = read("podTemplateRef: {name: room}, replicas: 2, limits: {cpu: 1500m}");
        let BufferShape::PodTemplate { found: Some((template, 3)), .. } = &own.shape else {
            panic!("{:?}", own.shape)
        };
        assert_eq!((template.requests.cpu_millis, template.labels.len()), (1_000, 1));
        assert_eq!((own.replicas, own.limits), (Some(2), Some(vec![("cpu".into(), 1_500)])));
        assert_eq!(own.strategy.as_deref(), Some(ACTIVE));
        let scaled = read("scalableRef: {kind: Deployment, name: web}, percentage: 20");
        let BufferShape::Scalable { found: Some((template, 7)), .. } = &scaled.shape else {
            panic!("{:?}", scaled.shape)
        };
        assert_eq!(template.requests.cpu_millis, 200);
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let shape = |spec: &str| read(spec).shape;
        assert!(matches!(
            shape("podTemplateRef: {name: gone}, replicas: 1"),
            BufferShape::PodTemplate { found: None, .. }
        ));
        assert!(matches!(
            shape("scalableRef: {kind: StatefulSet, name: web}"),
            BufferShape::Scalable { found: None, .. }
        ));
        assert_eq!(shape("replicas: 1"), BufferShape::Unset);
        assert_eq!(
            shape("scalableRef: {kind: Rollout, name: web}"),
            BufferShape::Unsupported("unsupported kind \"Rollout\"".into())
        );
        assert_eq!(
            shape("scalableRef: {apiGroup: argoproj.io, kind: Rollout, name: web}"),
            BufferShape::Unsupported("unsupported scalableRef API group \"argoproj.io\"".into())
        );
    }

    #[test]
    fn what_the_crd_refuses_is_refused_where_it_is_written() {
        for (spec, code, path) in [
            ("podTemplateRef: {name: a}", "CONF104", "spec.podTemplateRef"),
            (
                "podTemplateRef: {name: a}, scalableRef: {kind: Deployment, name: a}, replicas: 1",
                "CONF111",
                "spec.scalableRef",
            ),
            ("replicas: -1", "CONF102", "spec.replicas"),
            ("scalableRef: {kind: Deployment, name: \"\"}", "CONF102", "spec.scalableRef.name"),
            ("limits: {cpu: much}", "CONF102", "spec.limits.cpu"),
        ] {
            let lowered = lowered(&written(spec));
            let told = shown(&lowered.problems);
            assert!(told.contains(&format!("Error {code} [{path}]")), "{spec}: {told}");
            assert!(lowered.declared.capacity_buffers.is_empty(), "{spec}");
        }
        let v2 = written("replicas: 1").replace("v1beta1", "v2");
        assert!(shown(&lowered(&v2).problems).contains("Error CONF103 [apiVersion]"));
        let template = TEMPLATE.replace("cpu: \"1\"", "cpu: much");
        assert!(shown(&lowered(&template).problems).contains("Error CONF102 [template.spec.containers[0]"));
    }
}
