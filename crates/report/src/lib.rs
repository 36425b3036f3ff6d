//! How is it said?
//!
//! Renderers: each takes a [`Report`] and gives a string. Nothing here judges, reads files or prints. The same
//! report gives the same bytes.

pub mod addresses;
pub mod fingerprint;
pub mod github;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod simulated;
pub mod span;
pub mod suppress;
pub mod text;
pub mod words;

use api::Problem;
use catalog::Catalog;
use findings::{Finding, Outcome, Severity};
use simulated::Simulated;
use sources::Inputs;
use suppress::{Fault, Hidden, Reason};
use verdict::Verdict;

/// What one run of a command has to say: one judged cluster, or several environments side by side.
pub struct Report<'a> {
    /// `check`, `simulate`, …
    pub command: &'a str,
    /// The judged clusters, in the order asked for.
    pub clusters: Vec<Judged<'a>>,
    /// What is wrong with suppressions.
    pub faults: Vec<Fault>,
    /// The exit code that the command will end with.
    pub exit_code: u8,
}

/// One judged cluster.
pub struct Judged<'a> {
    /// The environment's name; empty when there is only one.
    pub name: &'a str,
    /// What was handed in.
    pub inputs: &'a Inputs,
    /// What was found.
    pub verdict: &'a Verdict,
    /// What can be bought: the limits of instance types.
    pub catalog: &'a Catalog,
    /// Which findings do not count.
    pub hidden: Hidden,
    /// Why the verdict means nothing, if it does not.
    pub unjudged: Option<Unjudged>,
    /// What `simulate` says besides; `check` says nothing of the kind.
    pub simulated: Option<Simulated>,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// The input holds no workload, NodePool or EC2NodeClass.
    Empty,
    /// Nothing says which nodes there are at the start.
    NoNodes,
}

/// How many findings and problems there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Errors that count.
    pub errors: usize,
    /// Warnings that count.
    pub warnings: usize,
    /// Those that do not count.
    pub suppressed: usize,
}

impl Report<'_> {
    /// How many findings and problems there are in all clusters.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { warnings: self.faults.len(), ..Tally::default() };
        for judged in &self.clusters {
            tally.suppressed += judged.hidden.findings.len() + judged.hidden.problems.len();
            for severity in judged.severities() {
                match severity {
                    Severity::Error => tally.errors += 1,
                    Severity::Warning => tally.warnings += 1,
                    Severity::Note => {}
                }
            }
        }
        tally
    }
}

impl Judged<'_> {
    /// Findings with why they do not count; none when there is no verdict.
    pub fn findings(&self) -> impl Iterator<Item = (&Finding, Option<&Reason>)> {
        let told = self.unjudged.is_none();
        let all = self.verdict.findings.iter().enumerate().filter(move |_| told);
        all.map(|(index, finding)| (finding, self.hidden.findings.get(&index)))
    }

    /// Problems of the input with why they do not count.
    pub fn problems(&self) -> impl Iterator<Item = (&Problem, Option<&Reason>)> {
        let all = self.verdict.problems.iter().enumerate();
        all.map(|(index, problem)| (problem, self.hidden.problems.get(&index)))
    }

    /// The severity of every finding and problem that counts.
    pub fn severities(&self) -> impl Iterator<Item = Severity> {
        let counts = |why: Option<&Reason>| why.is_none();
        let findings =
            self.findings().filter(move |(_, why)| counts(*why)).map(|(finding, _)| finding.severity);
        let problems =
            self.problems().filter(move |(_, why)| counts(*why)).map(|(problem, _)| match problem.severity {
                api::Severity::Error => Severity::Error,
                api::Severity::Warning => Severity::Warning,
                api::Severity::Note => Severity::Note,
            });
        findings.chain(problems)
    }

    /// Whether the outcome itself is an error: the verdict cannot be suppressed, only be known from a former
    /// report.
    pub fn fails(&self) -> bool {
        let stuck = !matches!(self.verdict.outcome, Outcome::Converges | Outcome::Inconclusive);
        stuck && self.unjudged.is_none() && !self.hidden.known_outcome
    }

    /// Who holds the addresses at the end; nothing when there is no verdict.
    pub fn addresses(&self) -> addresses::Addresses {
        match self.unjudged {
            Some(_) => addresses::Addresses::default(),
            None => addresses::of(&self.verdict.told.run.cluster, self.catalog),
        }
    }
}
