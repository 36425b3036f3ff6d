//! The report for programs: one JSON document with a published schema.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Judged, Report, span};

/// A report.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// `plimsoll.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Report`.
    pub kind: &'static str,
    /// `check`, `simulate`, …
    pub command: String,
    /// The exit code.
    pub exit_code: u8,
    /// The judged clusters.
    pub clusters: Vec<ClusterReport>,
}

/// One judged cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// The environment's name; absent when there is only one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// `converges`, `deadlock`, `starvation`, `misconfiguration` or `inconclusive`.
    pub outcome: String,
    /// When the cluster last got further, in milliseconds of virtual time.
    pub last_progress_ms: i64,
    /// When the run ended, in milliseconds of virtual time.
    pub ended_ms: i64,
    /// Pods in the API at the end.
    pub pods: usize,
    /// Pods wanted and not running.
    pub missing_pods: u32,
    /// Nodes at t=0.
    pub nodes_at_start: usize,
    /// Nodes at the end.
    pub nodes_at_end: usize,
    /// The outcome under each set of assumptions.
    pub assumptions: Vec<AssumptionReport>,
    /// What is wrong.
    pub findings: Vec<FindingReport>,
    /// What is wrong with the input.
    pub problems: Vec<ProblemReport>,
    /// How it came about.
    pub chain: Vec<LinkReport>,
    /// The last link of the chain leads back to an earlier one.
    pub chain_closes: bool,
    /// The smallest changes that were re-run and converge.
    pub remedies: Vec<RemedyReport>,
    /// Single changes that were re-run and do not converge.
    pub rejected: Vec<RejectedReport>,
    /// Profile defaults that were relied on: field and value.
    pub defaults: Vec<(String, String)>,
}

/// One set of assumptions.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssumptionReport {
    /// In words.
    pub assumption: String,
    /// The outcome under it.
    pub outcome: String,
    /// Pods wanted and not running under it.
    pub missing_pods: u32,
}

/// A place in the input.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The object, as `Kind namespace/name`.
    pub object: String,
    /// The field, as a JSON pointer.
    pub field: String,
    /// The file; absent when the object is not in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// A finding.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingReport {
    /// `IP101`.
    pub code: String,
    /// `node-addresses-exhausted`.
    pub name: String,
    /// `error`, `warning` or `note`.
    #[schemars(with = "String")]
    pub severity: findings::Severity,
    /// The headline.
    pub title: String,
    /// Where to look, the first place first.
    pub places: Vec<Place>,
    /// Objects affected.
    pub objects: Vec<String>,
    /// Further sentences.
    pub notes: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The numbers behind them.
    pub numbers: std::collections::BTreeMap<String, i64>,
}

/// A problem of the input.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemReport {
    /// The code.
    pub code: String,
    /// `error`, `warning` or `note`.
    #[schemars(with = "String")]
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
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// A link of the chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkReport {
    /// When, in milliseconds of virtual time.
    pub at_ms: i64,
    /// What.
    pub text: String,
    /// The field that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A set of changes that was re-run and converges.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemedyReport {
    /// What to do.
    pub changes: Vec<String>,
    /// What to do besides editing.
    pub operations: Vec<String>,
    /// The edits as unified diffs.
    pub diffs: Vec<String>,
    /// When it converged, in milliseconds of virtual time.
    pub converged_ms: i64,
    /// Nodes at the end.
    pub nodes: u32,
}

/// A single change that was re-run and does not converge.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RejectedReport {
    /// What was tried.
    pub change: String,
    /// `changes-nothing`, `helps` or `worsens`.
    #[schemars(with = "String")]
    pub effect: verdict::Effectiveness,
}

/// Renders a report as JSON, two spaces indented, with a final newline.
pub fn render(report: &Report<'_>) -> String {
    let document = document(report);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON Schema of [`Document`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

/// The report as a document.
pub fn document(report: &Report<'_>) -> Document {
    Document {
        api_version: "plimsoll.dev/v1alpha1",
        kind: "Report",
        command: report.command.to_owned(),
        exit_code: report.exit_code,
        clusters: report.clusters.iter().map(cluster).collect(),
    }
}

fn cluster(judged: &Judged<'_>) -> ClusterReport {
    let verdict = judged.verdict;
    let run = &verdict.told.run;
    ClusterReport {
        environment: judged.name.to_owned(),
        outcome: verdict.outcome.to_string(),
        last_progress_ms: run.last_progress.0,
        ended_ms: run.ended.0,
        pods: run.cluster.live_pods().count(),
        missing_pods: verdict.told.missing(),
        nodes_at_start: verdict.declared.nodes.len(),
        nodes_at_end: run.cluster.live_nodes().count(),
        assumptions: verdict.branches.iter().map(assumption).collect(),
        findings: verdict.findings.iter().map(|found| finding(judged, found)).collect(),
        problems: verdict.problems.iter().map(|found| problem(judged, found)).collect(),
        chain: verdict.chain.links.iter().map(|link| self::link(judged, link)).collect(),
        chain_closes: verdict.chain.closes,
        remedies: verdict.search.verified().map(|attempt| remedy(judged, attempt)).collect(),
        rejected: rejected(&verdict.search),
        defaults: verdict
            .declared
            .defaults
            .iter()
            .map(|(path, value)| (path.to_string(), value.to_string()))
            .collect(),
    }
}

fn assumption((branch, outcome, missing): &(verdict::Branch, findings::Outcome, u32)) -> AssumptionReport {
    AssumptionReport { assumption: branch.to_string(), outcome: outcome.to_string(), missing_pods: *missing }
}

fn place(judged: &Judged<'_>, location: &cluster::Location) -> Place {
    let found = span::of(judged.inputs, location);
    Place {
        object: location.object.to_string(),
        field: location.path.0.clone(),
        line: found.as_ref().map(|span| span.line),
        column: found.as_ref().map(|span| span.column),
        file: found.map(|span| span.name),
    }
}

fn finding(judged: &Judged<'_>, found: &findings::Finding) -> FindingReport {
    let labels = found.primary.iter().chain(&found.secondary);
    FindingReport {
        code: found.code.id.to_owned(),
        name: found.code.name.to_owned(),
        severity: found.severity,
        title: found.title.clone(),
        places: labels.map(|label| place(judged, &label.location)).collect(),
        objects: found.objects.iter().map(ToString::to_string).collect(),
        notes: found.notes.clone(),
        help: found.help.clone(),
        numbers: found.numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    }
}

fn problem(judged: &Judged<'_>, found: &api::Problem) -> ProblemReport {
    let span = judged.inputs.problem_span(found);
    ProblemReport {
        code: found.code.to_owned(),
        severity: found.severity,
        message: found.message.clone(),
        help: found.help.clone(),
        line: span.as_ref().map(|span| span.line),
        column: span.as_ref().map(|span| span.column),
        file: span.map(|span| span.name),
    }
}

fn link(judged: &Judged<'_>, link: &findings::Link) -> LinkReport {
    let place = link.location.as_ref().map(|location| place(judged, location));
    LinkReport { at_ms: link.at.0, text: link.text.clone(), place }
}

fn remedy(judged: &Judged<'_>, attempt: &verdict::Attempt) -> RemedyReport {
    let search = &judged.verdict.search;
    let parts: Vec<_> = attempt.set.iter().map(|index| &search.proposed[*index]).collect();
    RemedyReport {
        changes: parts.iter().map(|part| part.title.clone()).collect(),
        operations: parts.iter().filter_map(|part| part.operation.clone()).collect(),
        diffs: judged
            .inputs
            .diff(&search.edits(&attempt.set))
            .into_iter()
            .map(|diff| diff.unified())
            .collect(),
        converged_ms: attempt.converged.unwrap_or_default().0,
        nodes: attempt.nodes,
    }
}

fn rejected(search: &verdict::Search) -> Vec<RejectedReport> {
    let singles = search.attempts.iter().filter(|attempt| attempt.set.len() == 1);
    let failed = singles.filter(|attempt| attempt.effect != verdict::Effectiveness::Converges);
    failed
        .map(|attempt| RejectedReport {
            change: search.proposed[attempt.set[0]].title.clone(),
            effect: attempt.effect,
        })
        .collect()
}
