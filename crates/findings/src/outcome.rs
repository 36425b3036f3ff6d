//! The verdict on one run.

use std::fmt;

use crate::wait::{Ending, WaitGraph};

/// Does the cluster converge; if not, in which way not?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything wanted is running.
    Converges,
    /// Nothing could ever satisfy what waits.
    Misconfiguration,
    /// What waits lacks a resource that nobody will add.
    Starvation,
    /// What waits waits for itself, through others that would otherwise act.
    Deadlock,
    /// It could not be judged.
    Inconclusive,
}

impl Outcome {
    /// The outcome of a run in which nothing can change any more and something waits.
    pub fn of_stuck(graph: &WaitGraph) -> Outcome {
        if graph.cycle().is_some() {
            return Outcome::Deadlock;
        }
        let all_impossible = graph.endings().all(|ending| ending == Ending::Impossible);
        if all_impossible { Outcome::Misconfiguration } else { Outcome::Starvation }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Converges => "converges",
            Outcome::Misconfiguration => "misconfiguration",
            Outcome::Starvation => "starvation",
            Outcome::Deadlock => "deadlock",
            Outcome::Inconclusive => "inconclusive",
        })
    }
}
