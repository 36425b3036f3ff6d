//! Selectors: a label that no node has and no pool gives, corrected to what comes nearest.
//!
//! What comes nearest is SCHED103's evidence: another value of the same key, or the same value under another key.

use cluster::{SelectorOperator, Workload};
use findings::{NoSuchLabel, Why};
use serde_json::{Value, json};
use sources::{Action, Edit};

use super::Case;
use crate::remedy::Remedy;

/// More proposals than this would only crowd out others.
const MAX: usize = 6;

/// Where required terms of the node affinity are, below a pod's spec.
const TERMS: &str = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies: Vec<Remedy> = Vec::new();
    for (workload, wait) in case.workload_waits() {
        let Why::NoSuchLabel(label) = &wait.why else { continue };
        for near in &label.nearest {
            let Some((key, value)) = near.split_once('=') else { continue };
            let Some((edits, operation)) = corrected(case, workload, label, (key, value)) else { continue };
            let what = if label.in_selector { "nodeSelector" } else { "required node affinity" };
            let title = format!("correct the {what} of {} to {near}", workload.key);
            if !remedies.iter().any(|known| known.title == title) {
                let cost = u32::from(!is_slip(label, (key, value)));
                remedies.push(Remedy { id: "selector", title, edits, operation, cost });
            }
        }
    }
    remedies.truncate(MAX);
    remedies
}

/// A slip of the pen is a correction of settings; another value that was meant is taken from its owner.
fn is_slip(label: &NoSuchLabel, (key, value): (&str, &str)) -> bool {
    let asked = &label.wanted.values;
    let near = |asked: &str| {
        let long = asked.len().max(value.len());
        long <= 100 && strsim::osa_distance(asked, value) <= (long / 3).max(1)
    };
    key != label.wanted.key || asked.iter().any(|asked| near(asked))
}

/// The edits, and what a person has to do besides.
type Correction = (Vec<Edit>, Option<String>);

fn corrected(
    case: &Case<'_>,
    workload: &Workload,
    label: &NoSuchLabel,
    near: (&str, &str),
) -> Option<Correction> {
    if label.in_selector {
        in_selector(case, workload, label, near)
    } else {
        in_affinity(case, workload, label, near)
    }
}

fn in_selector(
    case: &Case<'_>,
    workload: &Workload,
    label: &NoSuchLabel,
    (key, value): (&str, &str),
) -> Option<Correction> {
    let place = |key: &str| format!("/nodeSelector/{}", escaped(key));
    let set = case.in_pod_spec(workload, &place(key), Action::Set(json!(value)))?;
    let mut edits = Vec::new();
    if key != label.wanted.key {
        // An add-on's whole selector is written anew by each edit: two of them would undo each other.
        if workload.template.location.object.kind == cluster::Kind::Cluster {
            return None;
        }
        edits.push(case.in_pod_spec(workload, &place(&label.wanted.key), Action::Remove)?.edit);
    }
    edits.push(set.edit);
    Some((edits, set.operation))
}

/// The expression is looked for where it is written: terms are alternatives, and one that can be met is enough.
fn in_affinity(
    case: &Case<'_>,
    workload: &Workload,
    label: &NoSuchLabel,
    (key, value): (&str, &str),
) -> Option<Correction> {
    let template = &workload.template.location;
    if label.wanted.operator != SelectorOperator::In || template.object.kind == cluster::Kind::Cluster {
        return None;
    }
    let written = &case.inputs.find(&template.object)?.value;
    let terms = written.pointer(&template.at(&format!("/spec{TERMS}")).path.0)?.as_array()?;
    let (term, expression) = terms.iter().enumerate().find_map(|(term, value)| {
        let expressions = value.get("matchExpressions")?.as_array()?;
        let is_meant = |written: &Value| {
            written.get("key").and_then(Value::as_str) == Some(&label.wanted.key)
                && written.get("operator").and_then(Value::as_str) == Some("In")
        };
        expressions.iter().position(is_meant).map(|expression| (term, expression))
    })?;
    let path = format!("{TERMS}/{term}/matchExpressions/{expression}");
    let corrected = json!({"key": key, "operator": "In", "values": [value]});
    let change = case.in_pod_spec(workload, &path, Action::Set(corrected))?;
    Some((vec![change.edit], change.operation))
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
