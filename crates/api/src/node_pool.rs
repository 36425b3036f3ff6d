//! Karpenter's NodePool.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1/{nodepool,nodepool_default,nodepool_validation,
//! nodeclaim}.go`.

use std::collections::BTreeMap;

use cluster::node_pool::ConsolidationPolicy;
use cluster::{FieldPath, Name, NodePool};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use serde_json::Value;

use crate::budget::{WireBudget, budgets};
use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::requirement::{self, WireRequirement, WireTaint};
use crate::{amounts, code, duration, selector};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    api_version: String,
    kind: String,
    metadata: Value,
    #[serde(default)]
    spec: Option<WireSpec>,
    #[serde(default)]
    status: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireSpec {
    template: Option<WireTemplate>,
    disruption: Option<WireDisruption>,
    limits: Option<BTreeMap<String, Quantity>>,
    weight: Option<i64>,
    replicas: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireTemplate {
    metadata: WireMetadata,
    spec: Option<WireClaim>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireMetadata {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireClaim {
    taints: Option<Vec<WireTaint>>,
    startup_taints: Option<Vec<WireTaint>>,
    requirements: Option<Vec<WireRequirement>>,
    node_class_ref: Option<WireClassRef>,
    expire_after: Option<String>,
    termination_grace_period: Option<String>,
}

/// `nodeClassRef`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireClassRef {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireDisruption {
    consolidate_after: Option<String>,
    consolidation_policy: Option<String>,
    budgets: Option<Vec<WireBudget>>,
}

/// `expireAfter` where it is absent: 720 h, in milliseconds.
const EXPIRE_AFTER_MS: i64 = 720 * 3_600_000;

/// Lowers a NodePool; `None` when it was refused.
pub(crate) fn node_pool(object: &Object, context: &Context, reporter: &mut Reporter<'_>) -> Option<NodePool> {
    let wire: Wire = decode(object, Strictness::Refuse, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let Some(template) = spec.template else {
        missing("/spec/template", "write the template of the nodes", reporter);
        return None;
    };
    let Some(claim) = template.spec else {
        missing("/spec/template/spec", "write requirements and nodeClassRef", reporter);
        return None;
    };
    if claim.requirements.is_none() {
        missing("/spec/template/spec/requirements", "write a list; `[]` asks for nothing", reporter);
    }
    let at = FieldPath::of("/spec/template/spec");
    let meta = FieldPath::of("/spec/template/metadata");
    let mut seen = Vec::new();
    let taints = requirement::taints(
        claim.taints.as_deref().unwrap_or_default(),
        &at.child("taints"),
        &mut seen,
        reporter,
    );
    let startup = claim.startup_taints.as_deref().unwrap_or_default();
    let startup_taints = requirement::taints(startup, &at.child("startupTaints"), &mut seen, reporter);
    let disruption = spec.disruption.unwrap_or_else(|| WireDisruption {
        consolidate_after: Some("0s".to_owned()),
        ..WireDisruption::default()
    });
    let limits = amounts::named_amounts(spec.limits.as_ref(), &FieldPath::of("/spec/limits"), reporter);
    check_static(spec.replicas, spec.weight, &limits, reporter);
    let pool = NodePool {
        name: object.key.name.clone(),
        location: object.place.at(""),
        arrival: context.arrival(object, reporter)?,
        weight: weight(spec.weight, reporter),
        labels: requirement::labels(template.metadata.labels.as_ref(), &meta.child("labels"), reporter),
        annotations: selector::labels(template.metadata.annotations.as_ref()),
        template_hash: crate::nodepool_hash::remembered(&object.annotations),
        requirements: requirement::requirements(
            claim.requirements.as_deref().unwrap_or_default(),
            &at.child("requirements"),
            reporter,
        ),
        taints,
        startup_taints,
        node_class: class_ref(claim.node_class_ref.as_ref(), &at.child("nodeClassRef"), reporter),
        expire_after_ms: match &claim.expire_after {
            None => Some(EXPIRE_AFTER_MS),
            Some(text) => nillable(text, &at.child("expireAfter"), reporter),
        },
        termination_grace_period_ms: claim
            .termination_grace_period
            .as_deref()
            .and_then(|text| plain(text, &at.child("terminationGracePeriod"), reporter)),
        consolidation: policy(disruption.consolidation_policy.as_deref(), reporter),
        consolidate_after_ms: consolidate_after(disruption.consolidate_after.as_deref(), reporter),
        budgets: budgets(disruption.budgets.as_deref(), reporter),
        limits,
        replicas: spec.replicas.map(|replicas| u32::try_from(replicas.max(0)).unwrap_or(u32::MAX)),
    };
    (!reporter.refused).then_some(pool)
}

fn missing(path: &str, help: &str, reporter: &mut Reporter<'_>) {
    let path = FieldPath::of(path);
    reporter.error(&path, code::MISSING_FIELD, format!("{path}: Required value"), help);
}

fn weight(weight: Option<i64>, reporter: &mut Reporter<'_>) -> i32 {
    let Some(weight) = weight else { return 0 };
    if !(1..=100).contains(&weight) {
        let path = FieldPath::of("/spec/weight");
        reporter.error(
            &path,
            code::BAD_VALUE,
            format!("{path}: {weight} is not in the range 1-100"),
            "write 1 to 100, or remove it",
        );
    }
    i32::try_from(weight).unwrap_or(0)
}

/// Static pools know no weight and no limit but `nodes`.
fn check_static(
    replicas: Option<i64>,
    weight: Option<i64>,
    limits: &[(Name, i64)],
    reporter: &mut Reporter<'_>,
) {
    let Some(replicas) = replicas else { return };
    let mut refuse = |path: &str, message: &str| {
        let path = FieldPath::of(path);
        reporter.error(&path, code::EXCLUSIVE_FIELDS, format!("{path}: {message}"), "");
    };
    if replicas < 0 {
        refuse("/spec/replicas", "must be greater than or equal to 0");
    }
    if weight.is_some() {
        refuse("/spec/weight", "'weight' is not supported on static NodePools");
    }
    if limits.iter().any(|(name, _)| name != "nodes") {
        refuse("/spec/limits", "only 'limits.nodes' is supported on static NodePools");
    }
}

/// The node class's name; the group and the kind must be there too.
pub(crate) fn class_ref(wire: Option<&WireClassRef>, path: &FieldPath, reporter: &mut Reporter<'_>) -> Name {
    let Some(wire) = wire else {
        reporter.error(
            path,
            code::MISSING_FIELD,
            format!("{path}: Required value"),
            "write group, kind and name of the node class",
        );
        return Name::default();
    };
    for (field, value, example) in [
        ("group", &wire.group, "karpenter.k8s.aws"),
        ("kind", &wire.kind, "EC2NodeClass"),
        ("name", &wire.name, "the node class's metadata.name"),
    ] {
        if value.is_empty() {
            let at = path.child(field);
            reporter.error(
                &at,
                code::MISSING_FIELD,
                format!("{at}: {field} may not be empty"),
                format!("such as {example}"),
            );
        }
    }
    if wire.group.contains('/') {
        let at = path.child("group");
        let message = format!("{at}: {:?} should match '^[^/]*$': a group has no version", wire.group);
        reporter.error(&at, code::BAD_VALUE, message, "write `group: karpenter.k8s.aws`");
        return Name::default();
    }
    let ours = wire.group == "karpenter.k8s.aws" && wire.kind == "EC2NodeClass";
    if !ours && !wire.group.is_empty() && !wire.kind.is_empty() {
        let message = format!(
            "{path}: {} of {} is not modelled; nodes are made as from an EC2NodeClass of this name",
            wire.kind, wire.group
        );
        let slip = crate::suggest::nearest(&wire.kind, ["EC2NodeClass"]).is_some()
            || wire.group == "karpenter.k8s.aws";
        let help = if slip { "write `group: karpenter.k8s.aws` and `kind: EC2NodeClass`" } else { "" };
        reporter.warning(path, code::NOT_MODELLED, message, help);
    }
    wire.name.as_str().into()
}

/// A duration of whole hours, minutes and seconds: `^([0-9]+(s|m|h))+$`.
pub(crate) fn plain(text: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<i64> {
    let shape = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b's' | b'm' | b'h'));
    let parsed = duration::parse_ms(text).ok().filter(|_| shape && text != "0" && !text.contains("ms"));
    if parsed.is_none() {
        let message = format!("{path}: {text:?} is not a duration");
        reporter.error(
            path,
            code::BAD_VALUE,
            message,
            "write numbers with the units h, m and s, such as 720h or 1h30m",
        );
    }
    parsed
}

/// As [`plain`], or `Never`.
pub(crate) fn nillable(text: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<i64> {
    if text == "Never" { None } else { plain(text, path, reporter) }
}

fn consolidate_after(text: Option<&str>, reporter: &mut Reporter<'_>) -> Option<i64> {
    let path = "/spec/disruption/consolidateAfter";
    match text {
        Some(text) => nillable(text, &FieldPath::of(path), reporter),
        None => {
            missing(
                path,
                "it is required beside other fields of disruption: write such as 1m, 0s or Never",
                reporter,
            );
            None
        }
    }
}

fn policy(text: Option<&str>, reporter: &mut Reporter<'_>) -> ConsolidationPolicy {
    const POLICIES: [&str; 3] = ["WhenEmpty", "WhenEmptyOrUnderutilized", "Balanced"];
    match text.unwrap_or("WhenEmptyOrUnderutilized") {
        "WhenEmpty" => ConsolidationPolicy::WhenEmpty,
        "WhenEmptyOrUnderutilized" => ConsolidationPolicy::WhenEmptyOrUnderutilized,
        "Balanced" => ConsolidationPolicy::Balanced,
        other => {
            let path = FieldPath::of("/spec/disruption/consolidationPolicy");
            let message =
                format!("{path}: Unsupported value: {other:?}: supported values: {}", POLICIES.join(", "));
            let help = match other {
                "WhenUnderutilized" => Some("its name in v1 is `WhenEmptyOrUnderutilized`".to_owned()),
                other => crate::suggest::did_you_mean(other, POLICIES),
            };
            reporter.error(&path, code::BAD_VALUE, message, help);
            ConsolidationPolicy::WhenEmptyOrUnderutilized
        }
    }
}

#[cfg(test)]
mod tests;
