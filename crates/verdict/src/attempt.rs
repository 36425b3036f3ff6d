//! One set of remedies, run: what it leads to, under every assumption that decides.

use std::sync::atomic::{AtomicU64, Ordering};

use cluster::{Timeline, Timestamp};
use findings::{Outcome, Scene};
use sources::Edit;

use crate::branch::{self, Branch};
use crate::play::Play;
use crate::remedy::Remedy;
use crate::trial::{Stock, Trial};

/// A set of remedies that was run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Indexes into [`crate::Search::proposed`].
    pub set: Vec<usize>,
    /// The worst outcome over the assumptions run.
    pub outcome: Outcome,
    /// When it converged: the latest over the assumptions run.
    pub converged: Option<Timestamp>,
    /// Pods wanted and not running: the most over the assumptions run.
    pub missing: u32,
    /// Nodes at the end: the most over the assumptions run.
    pub nodes: u32,
    /// How it compares with doing nothing.
    pub effect: Effectiveness,
    /// What still waits with it, as a sentence; empty when it converges.
    pub remains: String,
    /// Where it converges: the outcome under the other usual value of a default that the input leaves open, when it
    /// does not converge there.
    pub otherwise: Option<(Branch, Outcome)>,
    /// Effects simulated for it.
    pub events: u64,
}

/// How a set of remedies compares with doing nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effectiveness {
    /// Everything runs.
    Converges,
    /// Fewer pods wait, or a deadlock became a lesser evil.
    Helps,
    /// Nothing changes.
    ChangesNothing,
    /// More pods wait, or the input is not accepted any more.
    Worsens,
}

/// What doing nothing leads to.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// The worst outcome over the assumptions.
    pub outcome: Outcome,
    /// Pods wanted and not running: the most over the assumptions.
    pub missing: u32,
}

/// Under what sets of remedies are run.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// The input.
    pub play: &'a Play,
    /// What can be bought.
    pub stock: &'a Stock<'a>,
    /// The assumptions: those that decided the verdict first. A set that fails under one is not run under the rest.
    pub branches: &'a [Branch],
    /// What doing nothing leads to.
    pub baseline: Baseline,
    /// Seed of what the real system leaves to chance.
    pub seed: u64,
    /// Counts the sets that were run, for whoever watches.
    pub sets_run: Option<&'static AtomicU64>,
}

impl Ground<'_> {
    /// Runs one set.
    pub(crate) fn attempt(&self, proposed: &[Remedy], set: Vec<usize>) -> Attempt {
        let attempt = self.run(proposed, set);
        if let Some(count) = self.sets_run {
            count.fetch_add(1, Ordering::Relaxed);
        }
        attempt
    }

    fn run(&self, proposed: &[Remedy], set: Vec<usize>) -> Attempt {
        let edits: Vec<Edit> = set.iter().flat_map(|index| proposed[*index].edits.iter().cloned()).collect();
        let play = self.play.edited(&edits, self.stock.catalog);
        let mut attempt = Attempt::nothing(set);
        if let Some(refused) = self.refused(&play) {
            (attempt.outcome, attempt.converged) = (Outcome::Inconclusive, None);
            (attempt.effect, attempt.remains) = (Effectiveness::Worsens, refused);
            return attempt;
        }
        for branch in self.branches {
            let trial = Trial::new(&play, self.stock, branch.clone(), self.seed, false);
            attempt.take(&trial);
            if attempt.outcome != Outcome::Converges {
                attempt.remains = remains(&trial, self.stock);
                attempt.converged = None;
                break;
            }
        }
        attempt.effect = effect(self.baseline, &attempt);
        if attempt.effect == Effectiveness::Converges {
            attempt.otherwise = self.otherwise(&play);
        }
        attempt
    }

    /// An error that the edited input has and the input had not: it cannot be called verified.
    fn refused(&self, edited: &Play) -> Option<String> {
        let is_new = |problem: &&api::Problem| {
            let known = |other: &api::Problem| other.code == problem.code && other.message == problem.message;
            problem.severity == api::Severity::Error && !self.play.problems.iter().any(known)
        };
        edited.problems.iter().find(is_new).map(|problem| problem.message.clone())
    }

    /// What becomes of it under the other usual value of an unsaid maxPods.
    fn otherwise(&self, play: &Play) -> Option<(Branch, Outcome)> {
        let other = branch::unsaid_max_pods(&play.declared, self.stock.catalog)?;
        let trial = Trial::new(play, self.stock, other, self.seed, false);
        (trial.outcome != Outcome::Converges).then_some((trial.branch, trial.outcome))
    }
}

impl Attempt {
    fn nothing(set: Vec<usize>) -> Attempt {
        Attempt {
            set,
            outcome: Outcome::Converges,
            converged: Some(Timestamp::ZERO),
            missing: 0,
            nodes: 0,
            effect: Effectiveness::Converges,
            remains: String::new(),
            otherwise: None,
            events: 0,
        }
    }

    fn take(&mut self, trial: &Trial) {
        self.outcome = self.outcome.max(trial.outcome);
        self.missing = self.missing.max(trial.missing());
        let nodes = u32::try_from(trial.run.cluster.live_nodes().count()).unwrap_or(u32::MAX);
        self.nodes = self.nodes.max(nodes);
        self.converged = self.converged.max(Some(trial.run.last_progress));
        self.events = self.events.saturating_add(trial.run.events);
    }
}

/// The wait that a run ends with.
fn remains(trial: &Trial, stock: &Stock<'_>) -> String {
    let run = &trial.run;
    if trial.outcome == Outcome::Inconclusive {
        return format!("no verdict: the run was still moving at {}", run.ended);
    }
    let (cluster, unmet, graph) = (&run.cluster, run.unmet.as_slice(), &trial.graph);
    let timeline = &Timeline::default();
    let scene = Scene { cluster, timeline, catalog: stock.catalog, unmet, graph, missed: &[] };
    findings::chain::remaining(&scene)
}

fn effect(baseline: Baseline, attempt: &Attempt) -> Effectiveness {
    use std::cmp::Ordering;
    if attempt.outcome == Outcome::Converges {
        return Effectiveness::Converges;
    }
    match (attempt.outcome.cmp(&baseline.outcome), attempt.missing.cmp(&baseline.missing)) {
        (_, Ordering::Greater) => Effectiveness::Worsens,
        (Ordering::Less, _) | (_, Ordering::Less) => Effectiveness::Helps,
        _ => Effectiveness::ChangesNothing,
    }
}
