//! Findings, problems, links of the chain, and the places they point at.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::suppress::{Fault, Reason};
use crate::{Judged, fingerprint, span};

/// An object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `Deployment`, `NodePool`, `Cluster` for the profile, …
    pub kind: String,
    /// The namespace as it is written; absent for cluster-scoped objects and where none is written.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A place in the input.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The object.
    pub object: ObjectRef,
    /// The field, as a JSON pointer into the object; empty for the object itself.
    pub field: String,
    /// The file; absent when the object is not in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What the place has to do with it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remark: String,
}

/// A finding.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingReport {
    /// The stable code, `IP101`.
    pub code: String,
    /// The code's name, `node-addresses-exhausted`.
    pub name: String,
    /// How much it matters here.
    #[schemars(with = "String", extend("enum" = ["error", "warning", "note"]))]
    pub severity: findings::Severity,
    /// The headline.
    pub title: String,
    /// Where to look, the first place first.
    pub places: Vec<Place>,
    /// Objects affected.
    pub objects: Vec<ObjectRef>,
    /// Further sentences.
    pub notes: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The numbers behind them, by name with the unit last.
    pub numbers: BTreeMap<String, i64>,
    /// The same for the same finding of another run: `--baseline` compares it.
    pub fingerprint: String,
    /// Why it does not count; absent when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppressed>,
}

/// A problem of the input.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemReport {
    /// The stable code, `CONF101`.
    pub code: String,
    /// How much it matters.
    #[schemars(with = "String", extend("enum" = ["error", "warning", "note"]))]
    pub severity: api::Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The same for the same problem of another run: `--baseline` compares it.
    pub fingerprint: String,
    /// Why it does not count; absent when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppressed>,
}

/// Why a finding does not count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Suppressed {
    /// Who says so: an annotation of the object, the project file, or a former report.
    #[schemars(with = "String", extend("enum" = ["annotation", "project", "baseline"]))]
    pub by: crate::suppress::Source,
    /// The reason given.
    pub reason: String,
}

/// A link of the chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkReport {
    /// When, in milliseconds of virtual time.
    pub at_ms: i64,
    /// What became true, and the next could not follow.
    pub text: String,
    /// The field that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl From<&cluster::ObjectKey> for ObjectRef {
    fn from(key: &cluster::ObjectKey) -> ObjectRef {
        ObjectRef {
            kind: key.kind.to_string(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
        }
    }
}

fn place(judged: &Judged<'_>, location: &cluster::Location, remark: &str) -> Place {
    let found = span::of(judged.inputs, location);
    Place {
        object: ObjectRef::from(&location.object),
        field: location.path.0.clone(),
        line: found.as_ref().map(|span| span.line),
        column: found.as_ref().map(|span| span.column),
        file: found.map(|span| span.name),
        remark: remark.to_owned(),
    }
}

pub(super) fn finding(judged: &Judged<'_>, found: &findings::Finding, why: Option<&Reason>) -> FindingReport {
    let labels = found.primary.iter().chain(&found.secondary);
    FindingReport {
        code: found.code.id.to_owned(),
        name: found.code.name.to_owned(),
        severity: found.severity,
        title: found.title.clone(),
        places: labels.map(|label| place(judged, &label.location, &label.text)).collect(),
        objects: found.objects.iter().map(ObjectRef::from).collect(),
        notes: found.notes.clone(),
        help: found.help.clone(),
        numbers: found.numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        fingerprint: fingerprint::of_finding(found),
        suppressed: why.map(suppressed),
    }
}

pub(super) fn problem(judged: &Judged<'_>, found: &api::Problem, why: Option<&Reason>) -> ProblemReport {
    let span = judged.inputs.problem_span(found);
    ProblemReport {
        code: found.code.to_owned(),
        severity: found.severity,
        message: found.message.clone(),
        help: found.help.clone(),
        line: span.as_ref().map(|span| span.line),
        column: span.as_ref().map(|span| span.column),
        fingerprint: fingerprint::of_problem(judged.inputs, found),
        file: span.map(|span| span.name),
        suppressed: why.map(suppressed),
    }
}

pub(super) fn fault(fault: &Fault) -> ProblemReport {
    ProblemReport {
        code: crate::suppress::CODE.to_owned(),
        severity: api::Severity::Warning,
        message: fault.message.clone(),
        help: Some(fault.help.clone()),
        file: Some(fault.file.clone()),
        line: Some(fault.line),
        column: Some(fault.column),
        fingerprint: fingerprint::of_text(&[crate::suppress::CODE, &fault.file, &fault.message]),
        suppressed: None,
    }
}

fn suppressed(reason: &Reason) -> Suppressed {
    Suppressed { by: reason.source, reason: reason.text.clone() }
}

pub(super) fn link(judged: &Judged<'_>, link: &findings::Link) -> LinkReport {
    let place = link.location.as_ref().map(|location| place(judged, location, ""));
    LinkReport { at_ms: link.at.0, text: link.text.clone(), place }
}
