//! Label selectors, node selector terms, taints and tolerations.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/validation` and
//! `apimachinery/pkg/apis/meta/v1/validation`.

use std::collections::BTreeMap;

use cluster::template::NodeSelectorTerm;
use cluster::{
    Effect, FieldPath, LabelSelector, Labels, Name, SelectorOperator, SelectorRequirement, Taint, Toleration,
};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;

use crate::code;
use crate::problem::Reporter;

/// A string map as labels.
pub(crate) fn labels(map: Option<&BTreeMap<String, String>>) -> Labels {
    map.into_iter()
        .flatten()
        .map(|(key, value)| (Name::from(key.as_str()), Name::from(value.as_str())))
        .collect()
}

/// Names out of strings.
pub(crate) fn names(values: Option<&[String]>) -> Vec<Name> {
    values.unwrap_or_default().iter().map(|value| Name::from(value.as_str())).collect()
}

/// A label selector; an absent one is the caller's business.
pub(crate) fn label_selector(
    selector: &meta::LabelSelector,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> LabelSelector {
    let equal = labels(selector.match_labels.as_ref()).into_iter().map(|(key, value)| SelectorRequirement {
        key,
        operator: SelectorOperator::In,
        values: vec![value],
        min_values: None,
    });
    let mut requirements: Vec<SelectorRequirement> = equal.collect();
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        let at = || path.child("matchExpressions").child(index);
        let written = (expression.key.as_str(), expression.operator.as_str(), expression.values.as_deref());
        requirements.extend(requirement(written, LABEL_OPERATORS, at, reporter));
    }
    LabelSelector { requirements }
}

/// Operators of label selectors.
const LABEL_OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist"];
/// Operators of node selectors.
const NODE_OPERATORS: &[&str] = &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];

/// One expression, given as key, operator and values.
fn requirement(
    (key, operator, values): (&str, &str, Option<&[String]>),
    allowed: &[&str],
    path: impl Fn() -> FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<SelectorRequirement> {
    let parsed = SelectorOperator::parse(operator).filter(|_| allowed.contains(&operator));
    let Some(parsed) = parsed else {
        let at = path().child("operator");
        let message = format!("{at}: {operator:?} is not one of {}", allowed.join(", "));
        reporter.error(
            &at,
            code::BAD_VALUE,
            message,
            crate::suggest::did_you_mean(operator, allowed.iter().copied()),
        );
        return None;
    };
    if let Some(problem) = wrong_values(parsed, values.unwrap_or_default()) {
        let at = path().child("values");
        reporter.error(&at, code::BAD_VALUE, format!("{at}: {problem} with operator {operator}"), "");
        return None;
    }
    if key.is_empty() {
        let at = path().child("key");
        reporter.error(&at, code::MISSING_FIELD, format!("{at} is required"), "name the label");
        return None;
    }
    Some(SelectorRequirement { key: key.into(), operator: parsed, values: names(values), min_values: None })
}

/// What is wrong with the number or shape of the values.
pub(crate) fn wrong_values(operator: SelectorOperator, values: &[String]) -> Option<&'static str> {
    match operator {
        SelectorOperator::In | SelectorOperator::NotIn if values.is_empty() => {
            Some("at least one value is required")
        }
        SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
            Some("no values are allowed")
        }
        SelectorOperator::Gt | SelectorOperator::Lt | SelectorOperator::Gte | SelectorOperator::Lte => {
            (values.len() != 1).then_some("exactly one value is required")
        }
        _ => None,
    }
}

/// One node selector term.
pub(crate) fn node_term(
    term: &core::NodeSelectorTerm,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> NodeSelectorTerm {
    let mut read = |list: Option<&Vec<core::NodeSelectorRequirement>>, field: &str| {
        let mut requirements = Vec::new();
        for (index, expression) in list.into_iter().flatten().enumerate() {
            let at = || path.child(field).child(index);
            let written =
                (expression.key.as_str(), expression.operator.as_str(), expression.values.as_deref());
            requirements.extend(requirement(written, NODE_OPERATORS, at, reporter));
        }
        requirements
    };
    NodeSelectorTerm {
        match_expressions: read(term.match_expressions.as_ref(), "matchExpressions"),
        match_fields: read(term.match_fields.as_ref(), "matchFields"),
    }
}

/// Parses a taint effect.
pub(crate) fn effect(text: &str) -> Option<Effect> {
    Some(match text {
        "NoSchedule" => Effect::NoSchedule,
        "PreferNoSchedule" => Effect::PreferNoSchedule,
        "NoExecute" => Effect::NoExecute,
        _ => return None,
    })
}

/// A taint, given as key, value and effect.
pub(crate) fn taint(
    (key, value, written): (&str, Option<&str>, &str),
    path: impl Fn() -> FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<Taint> {
    if key.is_empty() {
        let at = path().child("key");
        reporter.error(&at, code::MISSING_FIELD, format!("{at} is required"), "name the taint");
        return None;
    }
    let Some(effect) = effect(written) else {
        unknown_effect(written, &path().child("effect"), reporter);
        return None;
    };
    Some(Taint { key: key.into(), value: value.unwrap_or_default().into(), effect })
}

/// Reports an effect that does not exist.
fn unknown_effect(written: &str, path: &FieldPath, reporter: &mut Reporter<'_>) {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let message = format!("{path}: {written:?} is not one of {}", EFFECTS.join(", "));
    reporter.error(path, code::BAD_VALUE, message, crate::suggest::did_you_mean(written, EFFECTS));
}

/// Taints of the wire.
pub(crate) fn taints(
    list: Option<&[core::Taint]>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<Taint> {
    let mut taints = Vec::new();
    for (index, wire) in list.unwrap_or_default().iter().enumerate() {
        let written = (wire.key.as_str(), wire.value.as_deref(), wire.effect.as_str());
        taints.extend(taint(written, || path.child(index), reporter));
    }
    taints
}

/// Tolerations of the wire. `Lt` and `Gt` (gate `TaintTolerationComparisonOperators`, alpha) are refused as they
/// are where the gate is off.
pub(crate) fn tolerations(
    list: Option<&[core::Toleration]>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<Toleration> {
    let mut tolerations = Vec::new();
    for (index, wire) in list.unwrap_or_default().iter().enumerate() {
        tolerations.extend(toleration(wire, &path.child(index), reporter));
    }
    tolerations
}

fn toleration(wire: &core::Toleration, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<Toleration> {
    let text = |field: &Option<String>| Name::from(field.as_deref().unwrap_or_default());
    let operator = wire.operator.as_deref().unwrap_or_default();
    let exists = operator == "Exists";
    let mut refuse = |field: &str, message: String| {
        reporter.error(&path.child(field), code::BAD_VALUE, format!("{}: {message}", path.child(field)), "");
    };
    if !matches!(operator, "" | "Equal" | "Exists") {
        refuse("operator", format!("{operator:?} is not one of Equal, Exists"));
        return None;
    }
    if text(&wire.key).is_empty() && !exists {
        refuse("operator", "must be Exists when the key is empty".to_owned());
        return None;
    }
    if exists && !text(&wire.value).is_empty() {
        refuse("value", "must be empty with operator Exists".to_owned());
        return None;
    }
    let written = wire.effect.as_deref().unwrap_or_default();
    let parsed = effect(written);
    if parsed.is_none() && !written.is_empty() {
        unknown_effect(written, &path.child("effect"), reporter);
        return None;
    }
    if wire.toleration_seconds.is_some() && parsed != Some(Effect::NoExecute) {
        refuse("effect", "must be NoExecute when tolerationSeconds is set".to_owned());
        return None;
    }
    Some(Toleration {
        key: text(&wire.key),
        exists,
        value: text(&wire.value),
        effect: parsed,
        seconds: wire.toleration_seconds,
    })
}
