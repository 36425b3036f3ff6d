//! Plays a recording through the edge, and compares what it wants with what was wanted.

use std::collections::BTreeMap;

use autoscaler::Effect;
use serde_json::Value;

use super::line::{self, Entry, Recording};
use super::words;
use crate::edge::{Done, Edge};

/// One thing that was wanted.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line of the recording.
    pub line: usize,
    /// Since the recording began, milliseconds.
    pub at_ms: i64,
    /// What, in words.
    pub what: String,
    /// How often it was tried before.
    pub tries: u32,
}

/// Where the recording and the replay part.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The line of the recording.
    pub line: usize,
    /// What was wanted then; `None` for nothing more.
    pub recorded: Option<String>,
    /// What is wanted now; `None` for nothing more.
    pub replayed: Option<String>,
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Everything that was wanted.
    pub steps: Vec<Step>,
    /// Instants at which the edge was asked.
    pub acts: usize,
    /// The first difference; the replay ends there, as what follows depends on it.
    pub difference: Option<Difference>,
    /// How long it took in the cluster, milliseconds.
    pub lasted_ms: i64,
}

/// Plays a recording.
pub fn replay(recording: &Recording) -> Replayed {
    let start = recording.header.start_unix_ms;
    let mut edge = Edge::new(recording.header.settings.clone(), start);
    let mut replayed = Replayed { steps: Vec::new(), acts: 0, difference: None, lasted_ms: 0 };
    let mut under_way: BTreeMap<u64, (Effect, u32)> = BTreeMap::new();
    let mut works = 0;
    for (line, entry) in &recording.entries {
        match entry {
            Entry::Hear(at, told) => edge.hear(told.clone(), *at),
            Entry::Finish(at, work, result) => {
                if let Some((effect, tries)) = under_way.remove(work) {
                    edge.finish(Done { effect, tries, result: result.clone() }, *at);
                }
            }
            Entry::Act(at, recorded) => {
                replayed.acts += 1;
                replayed.lasted_ms = at.saturating_sub(start);
                let wanted = edge.act(*at);
                for work in &wanted {
                    let what = words::said(edge.mirror(), &work.effect);
                    let at_ms = at.saturating_sub(start);
                    replayed.steps.push(Step { line: *line, at_ms, what, tries: work.tries });
                    under_way.insert(works, (work.effect.clone(), work.tries));
                    works += 1;
                }
                // What may be secret has its number already.
                let wanted: Vec<Value> = wanted.iter().map(line::work).collect();
                if let Some(difference) = difference(*line, recorded, &wanted) {
                    replayed.difference = Some(difference);
                    break;
                }
            }
        }
    }
    replayed
}

/// The first difference, as text: byte for byte.
fn difference(line: usize, recorded: &[Value], replayed: &[Value]) -> Option<Difference> {
    let texts = |all: &[Value]| all.iter().map(Value::to_string).collect::<Vec<String>>();
    let (recorded, replayed) = (texts(recorded), texts(replayed));
    let index =
        (0..recorded.len().max(replayed.len())).find(|index| recorded.get(*index) != replayed.get(*index))?;
    let of = |all: &[String]| all.get(index).cloned();
    Some(Difference { line, recorded: of(&recorded), replayed: of(&replayed) })
}
