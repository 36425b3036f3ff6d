//! From loaded inputs to verdicts and an exit code.

use catalog::Catalog;
use findings::{Outcome, Severity};
use sources::Inputs;
use verdict::Verdict;

use crate::args::FailOn;

/// One cluster to judge: an environment of a project, or the only one.
pub struct Case {
    /// The environment's name; empty when there is only one.
    pub name: String,
    /// What was handed in.
    pub inputs: Inputs,
}

/// Judges every case, in order.
pub fn judge_all(cases: &[Case], catalog: &Catalog, options: verdict::Options) -> Vec<Verdict> {
    cases.iter().map(|case| verdict::judge(&case.inputs, catalog, options)).collect()
}

/// Whether there is anything to judge in a verdict: workloads, nodes or pools.
pub fn is_empty(verdict: &Verdict) -> bool {
    let declared = &verdict.declared;
    declared.workloads.is_empty() && declared.node_pools.is_empty() && declared.node_classes.is_empty()
}

/// 0 converges, 1 findings, 2 nothing to judge, 4 inconclusive: the worst over all clusters.
pub fn exit_code(verdicts: &[Verdict], fail_on: FailOn, allow_empty: bool) -> u8 {
    if verdicts.iter().all(is_empty) && !allow_empty {
        return 2;
    }
    let fails = |verdict: &Verdict| {
        let worst = worst(verdict);
        match fail_on {
            FailOn::Never => false,
            FailOn::Warning => worst >= Some(Severity::Warning),
            FailOn::Error => worst >= Some(Severity::Error),
        }
    };
    if verdicts.iter().any(fails) {
        return 1;
    }
    let inconclusive = verdicts.iter().any(|verdict| verdict.outcome == Outcome::Inconclusive);
    if inconclusive { 4 } else { 0 }
}

fn worst(verdict: &Verdict) -> Option<Severity> {
    let problem = |severity| match severity {
        api::Severity::Error => Severity::Error,
        api::Severity::Warning => Severity::Warning,
        api::Severity::Note => Severity::Note,
    };
    let problems = verdict.problems.iter().map(|found| problem(found.severity));
    let findings = verdict.findings.iter().map(|found| found.severity);
    let outcome = match verdict.outcome {
        Outcome::Converges | Outcome::Inconclusive => None,
        _ => Some(Severity::Error),
    };
    problems.chain(findings).chain(outcome).max()
}
