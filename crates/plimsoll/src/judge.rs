//! From loaded inputs to verdicts and an exit code.

use catalog::Catalog;
use cluster::role::Program;
use findings::{Outcome, Severity};
use report::{Judged, Report, Unjudged};
use sources::Inputs;
use verdict::Verdict;

use crate::args::FailOn;
use crate::progress::Progress;

/// One cluster to judge: an environment of a project, or the only one.
pub struct Case {
    /// The environment's name; empty when there is only one.
    pub name: String,
    /// What was handed in.
    pub inputs: Inputs,
}

/// Judges every case, in order.
pub fn judge_all(
    cases: &[Case],
    catalog: &Catalog,
    options: verdict::Options,
    progress: &Progress,
) -> Vec<Verdict> {
    let judge = |case: &Case| {
        progress.on(&case.name);
        verdict::judge(&case.inputs, catalog, options)
    };
    cases.iter().map(judge).collect()
}

/// Why a verdict means nothing, if it does not.
pub fn unjudged(verdict: &Verdict) -> Option<Unjudged> {
    let declared = &verdict.declared;
    if declared.workloads.is_empty() && declared.node_pools.is_empty() && declared.node_classes.is_empty() {
        return Some(Unjudged::Empty);
    }
    // A profile without nodes and a provisioner in the manifests is a cluster that can be meant: it never starts.
    let provisions = |workload: &cluster::Workload| {
        matches!(workload.template.role.program, Program::Karpenter | Program::ClusterAutoscaler)
    };
    let is_meant = declared.profile.given && declared.workloads.iter().any(provisions);
    let somewhere_to_start = !declared.nodes.is_empty()
        || !declared.profile.fargate.is_empty()
        || verdict.told.run.cluster.live_nodes().next().is_some();
    let waits = verdict.outcome != Outcome::Converges && !declared.workloads.is_empty();
    (waits && !somewhere_to_start && !is_meant).then_some(Unjudged::NoNodes)
}

/// 0 converges, 1 findings, 2 nothing to judge, 4 inconclusive: the worst over all clusters.
pub fn exit_code(report: &Report<'_>, fail_on: FailOn, allow_empty: bool) -> u8 {
    let missing = |judged: &Judged<'_>| match judged.unjudged {
        Some(Unjudged::Empty) => !allow_empty,
        Some(Unjudged::NoNodes) => true,
        None => false,
    };
    if report.clusters.iter().all(missing) {
        return 2;
    }
    let fails = match fail_on {
        FailOn::Never => false,
        FailOn::Warning => worst(report) >= Some(Severity::Warning),
        FailOn::Error => worst(report) >= Some(Severity::Error),
    };
    if fails {
        return 1;
    }
    if report.clusters.iter().any(|judged| judged.unjudged == Some(Unjudged::NoNodes)) {
        return 2;
    }
    let inconclusive = |judged: &Judged<'_>| judged.verdict.outcome == Outcome::Inconclusive;
    if report.clusters.iter().any(inconclusive) { 4 } else { 0 }
}

fn worst(report: &Report<'_>) -> Option<Severity> {
    let outcomes = report.clusters.iter().filter(|judged| judged.fails()).map(|_| Severity::Error);
    let faults = report.faults.iter().map(|_| Severity::Warning);
    report.clusters.iter().flat_map(Judged::severities).chain(outcomes).chain(faults).max()
}
