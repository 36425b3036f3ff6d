//! Many seeds, on all cores: which fail, and what went wrong in them. Nothing about how one is played.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rayon::prelude::*;

use crate::fault::Group;
use crate::play::play;
use crate::{generate, said, shrink};

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Many {
    /// How many were played.
    pub count: u64,
    /// Those that fail, and the kinds of what is wrong.
    pub failing: Vec<(u64, Vec<String>)>,
    /// In how many seeds faults of each group made a difference, and how often.
    pub effects: BTreeMap<Group, (u64, usize)>,
}

/// Plays seeds with faults of these groups.
pub fn many(first: u64, count: u64, groups: &[Group]) -> Many {
    let played: Vec<(u64, Vec<String>, BTreeMap<Group, usize>)> = (first..first.saturating_add(count))
        .into_par_iter()
        .map(|seed| {
            let outcome = play(&generate::play(seed, groups));
            let kinds = if outcome.is_well() { Vec::new() } else { outcome.kinds() };
            (seed, kinds.into_iter().map(str::to_owned).collect(), outcome.effects)
        })
        .collect();
    let mut all = Many { count, ..Many::default() };
    for (seed, kinds, effects) in played {
        if !kinds.is_empty() {
            all.failing.push((seed, kinds));
        }
        for (group, times) in effects.into_iter().filter(|(_, times)| *times > 0) {
            let known = all.effects.entry(group).or_default();
            *known = (known.0 + 1, known.1 + times);
        }
    }
    all
}

impl Many {
    /// For people; the first that fails is shrunk and played again.
    pub fn text(&self, groups: &[Group]) -> String {
        let mut said = String::new();
        for (seed, kinds) in &self.failing {
            let _ = writeln!(said, "seed {seed}: {}", kinds.join("; "));
        }
        for (group, (seeds, times)) in &self.effects {
            let _ = writeln!(said, "{:<6} made a difference in {seeds} seeds, {times} times", group.name());
        }
        let _ = writeln!(said, "{} of {} seeds fail", self.failing.len(), self.count);
        if let Some((seed, _)) = self.failing.first() {
            let _ = writeln!(said, "\nplay it again: {}\nshrunk:", said::command(*seed, groups));
            let smallest = shrink::shrink(generate::play(*seed, groups));
            said.push_str(&said::text(&smallest, &play(&smallest), true));
        }
        said
    }
}
