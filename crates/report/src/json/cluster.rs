//! One judged cluster.

use schemars::JsonSchema;
use serde::Serialize;

use super::finding::{self, FindingReport, LinkReport, ProblemReport};
use super::remedy::{self, RejectedReport, RemedyReport, SearchReport};
use crate::addresses::Addresses;
use crate::{Judged, words};

/// One judged cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterReport {
    /// The environment's name; absent when there is only one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// False when there was nothing to judge, or nothing says which nodes there are: the outcome is then
    /// `inconclusive`.
    pub judged: bool,
    /// Does it converge; if not, in which way not?
    #[schemars(with = "String", extend("enum" = ["converges", "deadlock", "starvation", "misconfiguration", "inconclusive"]))]
    pub outcome: findings::Outcome,
    /// The outcome's reason in one sentence.
    pub headline: String,
    /// The assumption under which the run was made that is told here.
    pub told_assumption: String,
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
    /// What is wrong, errors first; suppressed ones among them.
    pub findings: Vec<FindingReport>,
    /// What is wrong with the input; suppressed ones among them.
    pub problems: Vec<ProblemReport>,
    /// How it came about, earliest first; empty when it converges.
    pub chain: Vec<LinkReport>,
    /// Whether the last link of the chain leads back to an earlier one.
    pub chain_closes: bool,
    /// What the search for remedies did.
    pub search: SearchReport,
    /// The smallest changes that were re-run and converge, cheapest first.
    pub remedies: Vec<RemedyReport>,
    /// Single changes that were re-run and do not converge.
    pub rejected: Vec<RejectedReport>,
    /// Who holds the addresses at the end.
    pub addresses: Addresses,
    /// Profile defaults that were relied on.
    pub defaults: Vec<DefaultReport>,
}

/// One set of assumptions.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssumptionReport {
    /// In words.
    pub assumption: String,
    /// The outcome under it.
    #[schemars(with = "String", extend("enum" = ["converges", "deadlock", "starvation", "misconfiguration", "inconclusive"]))]
    pub outcome: findings::Outcome,
    /// Pods wanted and not running under it.
    pub missing_pods: u32,
}

/// A field of the profile that was not written.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultReport {
    /// The field, as `spec.horizon`.
    pub field: String,
    /// The default that was taken.
    pub value: String,
}

pub(super) fn report(judged: &Judged<'_>) -> ClusterReport {
    let verdict = judged.verdict;
    let run = &verdict.told.run;
    let unjudged = judged.unjudged.is_some();
    ClusterReport {
        environment: judged.name.to_owned(),
        judged: !unjudged,
        outcome: if unjudged { findings::Outcome::Inconclusive } else { verdict.outcome },
        headline: words::headline(judged),
        told_assumption: verdict.told.branch.to_string(),
        last_progress_ms: run.last_progress.0,
        ended_ms: run.ended.0,
        pods: run.cluster.live_pods().count(),
        missing_pods: verdict.told.missing(),
        nodes_at_start: verdict.declared.nodes.len(),
        nodes_at_end: run.cluster.live_nodes().count(),
        assumptions: verdict.branches.iter().map(assumption).collect(),
        findings: judged.findings().map(|(found, why)| finding::finding(judged, found, why)).collect(),
        problems: judged.problems().map(|(found, why)| finding::problem(judged, found, why)).collect(),
        chain: verdict.chain.links.iter().map(|link| finding::link(judged, link)).collect(),
        chain_closes: verdict.chain.closes,
        search: remedy::search(&verdict.search),
        remedies: verdict.search.verified().map(|attempt| remedy::remedy(judged, attempt)).collect(),
        rejected: remedy::rejected(&verdict.search),
        addresses: judged.addresses(),
        defaults: verdict
            .declared
            .defaults
            .iter()
            .map(|(path, value)| DefaultReport { field: path.to_string(), value: value.to_string() })
            .collect(),
    }
}

fn assumption((branch, outcome, missing): &(verdict::Branch, findings::Outcome, u32)) -> AssumptionReport {
    AssumptionReport { assumption: branch.to_string(), outcome: *outcome, missing_pods: *missing }
}
