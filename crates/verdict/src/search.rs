//! The smallest set of remedies that converges.
//!
//! Sets are tried by size, within a size by cost and then in the order proposed. Every set is re-run under the
//! assumptions that decided the verdict, the told ones first, until it fails under one. A set that converges is
//! proven minimal by the sets below it having failed: they were all run ([`Search::smaller`]).

use rayon::prelude::*;
use sources::{Action, Edit};

use crate::attempt::{Attempt, Effectiveness, Ground};
use crate::remedy::Remedy;

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
    /// What may help and cannot be run, because the input says nothing that would decide it.
    pub advice: Vec<String>,
}

/// Bounds of a search.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Largest set.
    pub size: usize,
    /// Sets run at the most.
    pub sets: usize,
    /// Effects simulated at the most, all sets together. Single remedies are run whatever they cost.
    pub events: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { size: 3, sets: 400, events: 10_000_000 }
    }
}

/// Sets between two looks at the bounds: the same for any number of threads.
const CHUNK: usize = 32;

impl Search {
    /// The sets of the smallest size that converge, cheapest first; those that depend on a default that the input
    /// leaves open come last.
    pub fn verified(&self) -> impl Iterator<Item = &Attempt> {
        let converging = self.attempts.iter().filter(|attempt| attempt.effect == Effectiveness::Converges);
        let (sure, unsure): (Vec<&Attempt>, Vec<&Attempt>) =
            converging.partition(|attempt| attempt.otherwise.is_none());
        sure.into_iter().chain(unsure)
    }

    /// Single remedies with this effect.
    pub fn singles(&self, effect: Effectiveness) -> impl Iterator<Item = &Remedy> {
        self.single_attempts(effect).map(|attempt| &self.proposed[attempt.set[0]])
    }

    /// Runs of single remedies with this effect.
    pub fn single_attempts(&self, effect: Effectiveness) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.set.len() == 1 && attempt.effect == effect)
    }

    /// Every smaller set that was run: none of them converges. For the smallest sets these are all there are, but
    /// for what was left out because a part of it makes it worse or because its edits exclude each other.
    pub fn smaller(&self, than: &Attempt) -> impl Iterator<Item = &Attempt> {
        let size = than.set.len();
        self.attempts.iter().filter(move |attempt| attempt.set.len() < size)
    }

    /// The edits of a set.
    pub fn edits(&self, set: &[usize]) -> Vec<Edit> {
        set.iter().flat_map(|index| self.proposed[*index].edits.iter().cloned()).collect()
    }
}

/// Searches the smallest sets of `proposed` that converge.
pub fn search(ground: &Ground<'_>, proposed: Vec<Remedy>, bounds: Bounds) -> Search {
    let mut search = Search { proposed, ..Search::default() };
    for size in 1..=bounds.size {
        let mut sets = subsets(&search, size);
        let room = bounds.sets.saturating_sub(search.attempts.len());
        search.truncated |= sets.len() > room;
        sets.truncate(room);
        let from = search.attempts.len();
        for chunk in sets.chunks(CHUNK) {
            if size > 1 && search.attempts.iter().map(|attempt| attempt.events).sum::<u64>() > bounds.events {
                search.truncated = true;
                break;
            }
            let run = |set: &Vec<usize>| ground.attempt(&search.proposed, set.clone());
            let tried: Vec<Attempt> = chunk.par_iter().map(run).collect();
            search.attempts.extend(tried);
        }
        if search.attempts[from..].iter().any(|attempt| attempt.effect == Effectiveness::Converges) {
            search.smallest = Some(size);
            break;
        }
        if search.truncated {
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

/// Two remedies may both add to a list; otherwise the later edit of a field would undo the earlier one.
fn edits_clash(proposed: &[Remedy], set: &[usize]) -> bool {
    let edits: Vec<_> = set.iter().flat_map(|index| &proposed[*index].edits).collect();
    let clash = |a: &Edit, b: &Edit| {
        let both_add = matches!((&a.action, &b.action), (Action::Append(_), Action::Append(_)));
        a.object == b.object && is_within(&a.path.0, &b.path.0) && !both_add
    };
    edits.iter().enumerate().any(|(at, edit)| edits[..at].iter().any(|other| clash(edit, other)))
}

/// Whether one of two fields is the other, or inside it.
fn is_within(a: &str, b: &str) -> bool {
    let below = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    below(a, b) || below(b, a)
}

#[cfg(test)]
mod tests {
    use cluster::{Kind, ObjectKey};
    use serde_json::json;

    use super::*;

    fn clash(a: Edit, b: Edit) -> bool {
        let remedy =
            |edit| Remedy { id: "", title: String::new(), edits: vec![edit], operation: None, cost: 0 };
        edits_clash(&[remedy(a), remedy(b)], &[0, 1])
    }

    #[test]
    fn what_undoes_each_other_is_not_tried_together() {
        let key = |name: &str| ObjectKey::new(Kind::Deployment, "default", name);
        let set = |name: &str, path: &str| Edit::set(key(name), path, json!(1));
        let append = |path: &str| Edit::append(key("a"), path, json!(1));
        assert!(clash(set("a", "/spec/x"), set("a", "/spec/x")));
        assert!(clash(set("a", "/spec/x"), set("a", "/spec/x/y")), "one is inside the other");
        assert!(clash(append("/spec/x"), Edit::remove(key("a"), "/spec/x")));
        assert!(!clash(set("a", "/spec/x"), set("a", "/spec/xy")));
        assert!(!clash(set("a", "/spec/x"), set("b", "/spec/x")));
        assert!(!clash(append("/spec/x"), append("/spec/x")), "two tolerations");
    }
}
