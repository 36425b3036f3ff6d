//! Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets and bare pods. Jobs are in `job`.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/apps/{v1/defaults.go,validation}`, `pkg/apis/core/v1/defaults.go`
//! (`SetDefaults_ReplicationController`) and `pkg/controller/deployment/util` `ResolveFenceposts`. The controller of
//! ReplicationControllers is that of ReplicaSets behind an adapter (`pkg/controller/replication`).

use std::sync::Arc;

use cluster::template::PodVolume;
use cluster::workload::Shape;
use cluster::{FieldPath, Kind, LabelSelector, Labels, Name, PodTemplate, Workload};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::code;
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::pace;
use crate::pod::{self, Owner};
use crate::problem::Reporter;
use crate::selector::label_selector;

/// Most pods that one workload, or all together, may ask for: an order of magnitude above the largest clusters.
pub(crate) const MAX_PODS: u32 = 100_000;

/// Lowers a workload; `None` when it was refused or makes no pods here.
pub(crate) fn workload(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Workload> {
    let lowered = match object.key.kind {
        Kind::Deployment => deployment(object, context, reporter),
        Kind::ReplicaSet => replica_set(object, context, reporter),
        Kind::ReplicationController => replication_controller(object, context, reporter),
        Kind::StatefulSet => stateful_set(object, context, reporter),
        Kind::DaemonSet => daemon_set(object, context, reporter),
        Kind::Job => crate::job::job(object, context, reporter),
        Kind::CronJob => crate::job::cron_job(object, context, reporter),
        _ => bare_pod(object, context, reporter),
    };
    let (shape, template, selector) = lowered?;
    let pace = pace::pace(object, reporter);
    let arrival = context.arrival(object, reporter)?;
    let existing = context.existing(object);
    Some(Workload {
        key: object.key.clone(),
        location: object.place.at(""),
        shape,
        template: Arc::new(template),
        selector,
        arrival,
        running_at_start: existing.unwrap_or(false) || (object.live && was_running(object)),
        pace,
    })
    .filter(|_| !reporter.refused)
}

/// Shape, template and selector.
pub(crate) type Parts = (Shape, PodTemplate, LabelSelector);

/// A live workload whose controller counted ready pods.
fn was_running(object: &Object) -> bool {
    let count = |field: &str| object.field(field).and_then(serde_json::Value::as_i64).unwrap_or(0);
    count("/status/readyReplicas") > 0
        || count("/status/numberReady") > 0
        || count("/status/ready") > 0
        || object.field("/status/phase").and_then(serde_json::Value::as_str) == Some("Running")
}

fn deployment(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: apps::Deployment = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let replicas = replicas(spec.replicas, object, context, reporter);
    let strategy = spec.strategy.unwrap_or_default();
    let recreate = match strategy.type_.as_deref() {
        None | Some("" | "RollingUpdate") => false,
        Some("Recreate") => true,
        Some(other) => {
            let path = FieldPath::of("/spec/strategy/type");
            reporter.error(
                &path,
                code::BAD_VALUE,
                format!("{path}: {other:?} is not one of Recreate, RollingUpdate"),
                "",
            );
            false
        }
    };
    let rolling = strategy.rolling_update.unwrap_or_default();
    let (max_surge, max_unavailable) =
        fenceposts(rolling.max_surge.as_ref(), rolling.max_unavailable.as_ref(), replicas, reporter);
    let shape = Shape::Deployment { replicas, recreate, max_surge, max_unavailable };
    let hash = hash_label(object, "pod-template-hash");
    let (template, selector) =
        owned_template(&spec.template, Some(&spec.selector), hash, ALWAYS, object, context, reporter)?;
    Some((shape, template, selector))
}

/// What `restartPolicy` may be in workloads that run for ever.
const ALWAYS: &[&str] = &["Always"];

fn replica_set(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: apps::ReplicaSet = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let replicas = replicas(spec.replicas, object, context, reporter);
    let template = spec.template.unwrap_or_default();
    let (template, selector) =
        owned_template(&template, Some(&spec.selector), Labels::new(), ALWAYS, object, context, reporter)?;
    Some((Shape::ReplicaSet { replicas }, template, selector))
}

/// Without a selector it selects by the template's labels.
fn replication_controller(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: core::ReplicationController = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let replicas = replicas(spec.replicas, object, context, reporter);
    let template = spec.template.unwrap_or_default();
    let own = || template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    let match_labels = spec.selector.filter(|selector| !selector.is_empty()).or_else(own);
    let selector = meta::LabelSelector { match_labels, match_expressions: None };
    let (template, selector) =
        owned_template(&template, Some(&selector), Labels::new(), ALWAYS, object, context, reporter)?;
    Some((Shape::ReplicaSet { replicas }, template, selector))
}

fn stateful_set(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: apps::StatefulSet = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let replicas = replicas(spec.replicas, object, context, reporter);
    let parallel = spec.pod_management_policy.as_deref() == Some("Parallel");
    let hash = hash_label(object, "controller-revision-hash");
    let (mut template, selector) =
        owned_template(&spec.template, Some(&spec.selector), hash, ALWAYS, object, context, reporter)?;
    for claim in spec.volume_claim_templates.iter().flatten() {
        let name = Name::from(claim.metadata.name.as_deref().unwrap_or_default());
        // A claim template stands in for a volume of the same name.
        template.volumes.retain(|volume| !matches!(volume, PodVolume::Claim(claim) if *claim == name));
        let storage_class =
            claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref()).map(Name::from);
        template.volumes.push(PodVolume::Template { name, storage_class, stateful: true });
    }
    Some((Shape::StatefulSet { replicas, parallel }, template, selector))
}

fn daemon_set(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: apps::DaemonSet = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let hash = hash_label(object, "controller-revision-hash");
    let (template, selector) =
        owned_template(&spec.template, Some(&spec.selector), hash, ALWAYS, object, context, reporter)?;
    Some((Shape::DaemonSet, template, selector))
}

fn bare_pod(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<Parts> {
    let wire: core::Pod = decode(object, Strictness::Prune, reporter)?;
    let over = wire.status.as_ref().and_then(|status| status.phase.as_deref());
    if object.live && matches!(over, Some("Succeeded" | "Failed")) {
        return None;
    }
    let owner = Owner {
        object,
        path: FieldPath::root(),
        added_labels: Labels::new(),
        restart_policies: &["Always", "OnFailure", "Never"],
    };
    let template = pod::template(
        Some(&wire.metadata),
        &wire.spec.unwrap_or_default(),
        &owner,
        &context.admission,
        reporter,
    );
    Some((Shape::Pod, template, LabelSelector::default()))
}

/// A template under `/spec/template`, and the selector that must select it. Without a selector (Jobs) one over the
/// added labels is made.
pub(crate) fn owned_template(
    template: &core::PodTemplateSpec,
    selector: Option<&meta::LabelSelector>,
    added_labels: Labels,
    restart_policies: &[&str],
    object: &Object,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Option<(PodTemplate, LabelSelector)> {
    template_at(
        &FieldPath::of("/spec/template"),
        template,
        selector,
        added_labels,
        restart_policies,
        object,
        context,
        reporter,
    )
}

/// As [`owned_template`], elsewhere in the object.
#[allow(clippy::too_many_arguments, reason = "each is a part of the owner that only its kind knows")]
pub(crate) fn template_at(
    path: &FieldPath,
    template: &core::PodTemplateSpec,
    selector: Option<&meta::LabelSelector>,
    added_labels: Labels,
    restart_policies: &[&str],
    object: &Object,
    context: &Context,
    reporter: &mut Reporter<'_>,
) -> Option<(PodTemplate, LabelSelector)> {
    let Some(spec) = &template.spec else {
        let at = path.child("spec");
        reporter.error(&at, code::MISSING_FIELD, format!("{at}: required value"), "write the pod's spec");
        return None;
    };
    let made = added_labels.clone();
    let owner = Owner { object, path: path.clone(), added_labels, restart_policies };
    let lowered = pod::template(template.metadata.as_ref(), spec, &owner, &context.admission, reporter);
    let at = FieldPath::of("/spec/selector");
    let selector = match selector {
        Some(selector) => label_selector(selector, &at, reporter),
        None => return Some((lowered, equal(&made))),
    };
    if selector.requirements.is_empty() {
        reporter.error(
            &at,
            code::MISSING_FIELD,
            format!("{at}: empty selector is invalid"),
            "write matchLabels that the template's labels have",
        );
    } else if !selector.matches(&lowered.labels) {
        let message = format!("{path}.metadata.labels: `selector` does not match template `labels`");
        let path = path.child("metadata").child("labels");
        reporter.error(
            &path,
            code::SELECTOR_MISMATCH,
            message,
            "give the template the labels that spec.selector asks for",
        );
    }
    Some((lowered, selector))
}

fn equal(labels: &Labels) -> LabelSelector {
    let requirements = labels.iter().map(|(key, value)| cluster::SelectorRequirement {
        key: key.clone(),
        operator: cluster::SelectorOperator::In,
        values: vec![value.clone()],
        min_values: None,
    });
    LabelSelector { requirements: requirements.collect() }
}

/// `spec.replicas`, 1 where absent; capped with a problem; within the bounds of an autoscaler.
fn replicas(written: Option<i32>, object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> u32 {
    let count = count(written, 1, &FieldPath::of("/spec/replicas"), object, reporter);
    context.autoscalers.get(&object.key).map_or(count, |bounds| bounds.of(count))
}

/// A count of pods: not negative, not absurd.
pub(crate) fn count(
    written: Option<i32>,
    default: u32,
    path: &FieldPath,
    object: &Object,
    reporter: &mut Reporter<'_>,
) -> u32 {
    let Some(written) = written else { return default };
    let Ok(count) = u32::try_from(written) else {
        let message = format!("{path}: {written} must be greater than or equal to 0");
        reporter.error(path, code::BAD_VALUE, message, "write 0 or more");
        return 0;
    };
    if count > MAX_PODS {
        let message = format!("{path}: {} asks for {count} pods; a run holds {MAX_PODS}", object.key);
        reporter.error(path, code::TOO_MANY_PODS, message, "lower the number");
    }
    count.min(MAX_PODS)
}

/// `maxSurge` (rounded up) and `maxUnavailable` (rounded down), 25 % each by default; both zero makes the latter 1.
fn fenceposts(
    surge: Option<&IntOrString>,
    unavailable: Option<&IntOrString>,
    replicas: u32,
    reporter: &mut Reporter<'_>,
) -> (u32, u32) {
    let base = FieldPath::of("/spec/strategy/rollingUpdate");
    let quarter = IntOrString::String("25%".to_owned());
    let zero = |value: Option<&IntOrString>| match value {
        Some(IntOrString::Int(0)) => true,
        Some(IntOrString::String(text)) => text == "0%" || text == "0",
        _ => false,
    };
    if zero(surge) && zero(unavailable) {
        let at = base.child("maxUnavailable");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: may not be 0 when `maxSurge` is 0"),
            "raise one of the two",
        );
    }
    let mut resolve = |value: Option<&IntOrString>, field: &str, round_up: bool| {
        scaled(value.unwrap_or(&quarter), replicas, round_up).unwrap_or_else(|| {
            let at = base.child(field);
            let message = format!("{at}: must be a number of pods or a percentage such as 25%");
            reporter.error(&at, code::BAD_VALUE, message, "");
            0
        })
    };
    let (surge, unavailable) =
        (resolve(surge, "maxSurge", true), resolve(unavailable, "maxUnavailable", false));
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// A count, or a percentage of `total`; `None` when it is neither.
pub(crate) fn scaled(value: &IntOrString, total: u32, round_up: bool) -> Option<u32> {
    match value {
        IntOrString::Int(number) => u32::try_from(*number).ok(),
        IntOrString::String(text) => {
            let percent = u64::from(text.strip_suffix('%')?.parse::<u32>().ok()?);
            let product = percent.saturating_mul(u64::from(total));
            let share = if round_up { product.div_ceil(100) } else { product / 100 };
            u32::try_from(share).ok()
        }
    }
}

/// The hash label that a controller puts on pods of one revision: stable for equal templates.
fn hash_label(object: &Object, label: &str) -> Labels {
    let text = object.field("/spec/template").map(ToString::to_string).unwrap_or_default();
    Labels::from([(Name::from(label), Name::from(revision_hash(&text)))])
}

/// FNV-1a in the alphabet of `k8s.io/apimachinery/pkg/util/rand` `SafeEncodeString`. The digits differ from the
/// real ones, which hash Go's in-memory form.
fn revision_hash(text: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let mut digits = String::with_capacity(10);
    for _ in 0..10 {
        digits.push(char::from(ALPHABET[hash as usize % ALPHABET.len()]));
        hash = hash.rotate_right(3).wrapping_mul(0x9e37_79b1);
    }
    digits
}

#[cfg(test)]
mod hash_tests {
    use super::*;

    #[test]
    fn surge_rounds_up_and_unavailable_rounds_down() {
        let percent = |text: &str| IntOrString::String(text.to_owned());
        assert_eq!(scaled(&percent("25%"), 3, true), Some(1));
        assert_eq!(scaled(&percent("25%"), 3, false), Some(0));
        assert_eq!(scaled(&percent("25%"), 10, true), Some(3));
        assert_eq!(scaled(&percent("x%"), 10, true), None);
        assert_eq!(scaled(&IntOrString::Int(-1), 10, true), None);
        assert_eq!(scaled(&percent("4294967295%"), u32::MAX, true), None);
    }

    #[test]
    fn equal_templates_have_equal_hashes() {
        assert_eq!(revision_hash("a"), revision_hash("a"));
        assert_ne!(revision_hash("a"), revision_hash("b"));
    }
}

#[cfg(test)]
mod tests;
