//! The smallest set of remedies that converges.
//!
//! Sets are tried by size, within a size by cost and then in the order proposed. Every set is re-run under the
//! assumptions that decided the verdict, the told ones first, until it fails under one. A set that converges is
//! proven minimal by the sets below it having failed: they were all run.

use cluster::Timestamp;
use findings::Outcome;
use rayon::prelude::*;

use crate::branch::Branch;
use crate::play::Play;
use crate::remedy::Remedy;
use crate::trial::{Stock, Trial};

/// What a search found.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Everything that was proposed, in the order proposed.
    pub proposed: Vec<Remedy>,
    /// Every set that was run, smallest first.
    pub attempts: Vec<Attempt>,
    /// The size of the smallest sets that converge; `None` when none does.
    pub smallest: Option<usize>,
    /// Sets were left out because there were too many.
    pub truncated: bool,
}

/// A set of remedies that was run.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Indexes into [`Search::proposed`].
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
    /// More pods wait.
    Worsens,
}

/// Bounds of a search.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Largest set.
    pub size: usize,
    /// Sets run at the most.
    pub sets: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { size: 3, sets: 400 }
    }
}

impl Search {
    /// The sets of the smallest size that converge, cheapest first.
    pub fn verified(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|attempt| attempt.effect == Effectiveness::Converges)
    }

    /// Single remedies with this effect.
    pub fn singles(&self, effect: Effectiveness) -> impl Iterator<Item = &Remedy> {
        let singles =
            self.attempts.iter().filter(move |attempt| attempt.set.len() == 1 && attempt.effect == effect);
        singles.map(|attempt| &self.proposed[attempt.set[0]])
    }

    /// The edits of a set.
    pub fn edits(&self, set: &[usize]) -> Vec<sources::Edit> {
        set.iter().flat_map(|index| self.proposed[*index].edits.iter().cloned()).collect()
    }
}

/// What doing nothing leads to.
#[derive(Clone, Copy, Debug)]
pub struct Baseline {
    /// The worst outcome over the assumptions.
    pub outcome: Outcome,
    /// Pods wanted and not running: the most over the assumptions.
    pub missing: u32,
}

/// Searches the smallest sets of `proposed` that converge under all of `branches`.
pub fn search(
    play: &Play,
    stock: &Stock<'_>,
    branches: &[Branch],
    baseline: Baseline,
    proposed: Vec<Remedy>,
    bounds: Bounds,
) -> Search {
    let mut search = Search { proposed, ..Search::default() };
    for size in 1..=bounds.size {
        let mut sets = subsets(&search, size);
        let room = bounds.sets.saturating_sub(search.attempts.len());
        search.truncated |= sets.len() > room;
        sets.truncate(room);
        let tried: Vec<Attempt> = sets
            .into_par_iter()
            .map(|set| attempt(play, stock, branches, baseline, &search.proposed, set))
            .collect();
        let found = tried.iter().any(|attempt| attempt.effect == Effectiveness::Converges);
        search.attempts.extend(tried);
        if found {
            search.smallest = Some(size);
            break;
        }
    }
    search
}

/// Sets of one size, by cost and then in the order proposed. From pairs on, what made it worse alone is left
/// out, and so are sets that edit the same field twice.
fn subsets(search: &Search, size: usize) -> Vec<Vec<usize>> {
    let worse = |index: usize| {
        search
            .attempts
            .iter()
            .any(|attempt| attempt.set == [index] && attempt.effect == Effectiveness::Worsens)
    };
    let usable: Vec<usize> = (0..search.proposed.len()).filter(|index| size == 1 || !worse(*index)).collect();
    let mut sets = Vec::new();
    combine(&usable, size, 0, &mut Vec::new(), &mut sets);
    sets.retain(|set| !edits_clash(&search.proposed, set));
    sets.sort_by_key(|set: &Vec<usize>| set.iter().map(|index| search.proposed[*index].cost).sum::<u32>());
    sets
}

fn combine(usable: &[usize], size: usize, from: usize, set: &mut Vec<usize>, sets: &mut Vec<Vec<usize>>) {
    if set.len() == size {
        sets.push(set.clone());
        return;
    }
    for at in from..usable.len() {
        set.push(usable[at]);
        combine(usable, size, at + 1, set, sets);
        set.pop();
    }
}

fn edits_clash(proposed: &[Remedy], set: &[usize]) -> bool {
    let edits: Vec<_> = set.iter().flat_map(|index| &proposed[*index].edits).collect();
    edits.iter().enumerate().any(|(at, edit)| {
        edits[..at].iter().any(|other| other.object == edit.object && other.path == edit.path)
    })
}

fn attempt(
    play: &Play,
    stock: &Stock<'_>,
    branches: &[Branch],
    baseline: Baseline,
    proposed: &[Remedy],
    set: Vec<usize>,
) -> Attempt {
    let edits: Vec<_> = set.iter().flat_map(|index| proposed[*index].edits.iter().cloned()).collect();
    let play = play.edited(&edits, stock.catalog);
    let mut attempt = Attempt {
        set,
        outcome: Outcome::Converges,
        converged: Some(Timestamp::ZERO),
        missing: 0,
        nodes: 0,
        effect: Effectiveness::Converges,
    };
    for branch in branches {
        let trial = Trial::new(&play, stock, branch.clone(), 0, false);
        attempt.outcome = attempt.outcome.max(trial.outcome);
        attempt.missing = attempt.missing.max(trial.missing());
        attempt.nodes =
            attempt.nodes.max(u32::try_from(trial.run.cluster.live_nodes().count()).unwrap_or(u32::MAX));
        attempt.converged = attempt.converged.max(Some(trial.run.last_progress));
        if attempt.outcome != Outcome::Converges {
            break;
        }
    }
    if attempt.outcome != Outcome::Converges {
        attempt.converged = None;
    }
    attempt.effect = effect(baseline, &attempt);
    attempt
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
