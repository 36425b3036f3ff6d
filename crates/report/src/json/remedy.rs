//! What was tried: changes that converge, and those that do not.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use sources::Action;
use verdict::{Attempt, Effectiveness, Remedy, Search};

use super::finding::ObjectRef;
use crate::Judged;

/// What the search for remedies did.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchReport {
    /// Changes that were proposed.
    pub proposed: usize,
    /// Sets of them that were run.
    pub sets_run: usize,
    /// Whether sets were left out because there were too many.
    pub truncated: bool,
}

/// A set of changes that was re-run and converges.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemedyReport {
    /// The changes; all are needed.
    pub changes: Vec<ChangeReport>,
    /// What they do to the files, one unified diff a file, as `git apply` takes it.
    pub diffs: Vec<DiffReport>,
    /// When everything was running, in milliseconds of virtual time.
    pub converged_ms: i64,
    /// Nodes at the end.
    pub nodes: u32,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// The kind of change; stable, `prefix-delegation`.
    pub id: String,
    /// What to do, in words.
    pub title: String,
    /// What to do besides editing files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The edits that were run.
    pub edits: Vec<EditReport>,
}

/// An edit of one field.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditReport {
    /// The object.
    pub object: ObjectRef,
    /// The field, as a JSON pointer into the object.
    pub field: String,
    /// `set` gives it the value, `append` adds the value to the list, `remove` takes it away.
    #[schemars(extend("enum" = ["set", "append", "remove"]))]
    pub action: String,
    /// The value; absent for `remove`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What changes in one file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffReport {
    /// The file.
    pub file: String,
    /// The unified diff.
    pub diff: String,
}

/// A single change that was re-run and does not converge.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedReport {
    /// The kind of change.
    pub id: String,
    /// What was tried.
    pub change: String,
    /// What it does.
    #[schemars(with = "String", extend("enum" = ["changes-nothing", "helps", "worsens"]))]
    pub effect: Effectiveness,
    /// Pods wanted and not running with it.
    pub missing_pods: u32,
}

pub(super) fn search(search: &Search) -> SearchReport {
    SearchReport {
        proposed: search.proposed.len(),
        sets_run: search.attempts.len(),
        truncated: search.truncated,
    }
}

pub(super) fn remedy(judged: &Judged<'_>, attempt: &Attempt) -> RemedyReport {
    let search = &judged.verdict.search;
    let diffs = judged.inputs.diff(&search.edits(&attempt.set));
    RemedyReport {
        changes: attempt.set.iter().map(|index| change(&search.proposed[*index])).collect(),
        diffs: diffs.into_iter().map(|diff| DiffReport { diff: diff.unified(), file: diff.name }).collect(),
        converged_ms: attempt.converged.unwrap_or_default().0,
        nodes: attempt.nodes,
    }
}

fn change(remedy: &Remedy) -> ChangeReport {
    ChangeReport {
        id: remedy.id.to_owned(),
        title: remedy.title.clone(),
        operation: remedy.operation.clone(),
        edits: remedy.edits.iter().map(edit).collect(),
    }
}

fn edit(edit: &sources::Edit) -> EditReport {
    let (action, value) = match &edit.action {
        Action::Set(value) => ("set", Some(value.clone())),
        Action::Append(value) => ("append", Some(value.clone())),
        Action::Remove => ("remove", None),
    };
    EditReport {
        object: ObjectRef::from(&edit.object),
        field: edit.path.0.clone(),
        action: action.to_owned(),
        value,
    }
}

pub(super) fn rejected(search: &Search) -> Vec<RejectedReport> {
    let singles = search.attempts.iter().filter(|attempt| attempt.set.len() == 1);
    let failed = singles.filter(|attempt| attempt.effect != Effectiveness::Converges);
    failed
        .map(|attempt| {
            let proposed = &search.proposed[attempt.set[0]];
            RejectedReport {
                id: proposed.id.to_owned(),
                change: proposed.title.clone(),
                effect: attempt.effect,
                missing_pods: attempt.missing,
            }
        })
        .collect()
}
