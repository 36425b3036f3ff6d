//! What is said of a play: for people and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::fault::Group;
use crate::play::{Outcome, Play, described};

/// The command that plays it again.
pub fn command(seed: u64, groups: &[Group]) -> String {
    let all = groups.len() == Group::ALL.len();
    let names: Vec<&str> = groups.iter().map(|group| group.name()).collect();
    let of = if all { String::new() } else { format!(" --faults-of {}", names.join(",")) };
    format!("plimsoll simulate --faults --seed {seed}{of}")
}

/// For people: what was played and how it ended; what happened with it when it went wrong or `trace` is asked for.
pub fn text(play: &Play, outcome: &Outcome, trace: bool) -> String {
    let mut said = format!("seed {}, decisions of {}\n", play.seed, play.provisioner);
    for line in described(play) {
        let _ = writeln!(said, "  {line}");
    }
    if trace || !outcome.is_well() {
        said.push('\n');
        outcome.trace.iter().for_each(|line| {
            let _ = writeln!(said, "{line}");
        });
    }
    let [lives, nodes, evicted] = outcome.counts;
    let _ = writeln!(
        said,
        "\n{lives} {} of the controller, {nodes} nodes joined, {evicted} pods evicted",
        if lives == 1 { "life" } else { "lives" }
    );
    for problem in &outcome.problems {
        let _ = writeln!(said, "broken at {} s: {}: {}", problem.at_ms / 1_000, problem.rule, problem.what);
    }
    for wait in &outcome.waits {
        let _ = writeln!(said, "still waits: {wait}");
    }
    let healed = outcome.healed_ms / 1_000;
    let _ = match outcome.rested_ms {
        Some(at) => {
            writeln!(said, "at rest after {} s; the last fault was over after {healed} s", at / 1_000)
        }
        None => writeln!(said, "not at rest; the last fault was over after {healed} s"),
    };
    said
}

/// As JSON.
pub fn json(play: &Play, outcome: &Outcome) -> Value {
    let problems = outcome
        .problems
        .iter()
        .map(|own| json!({"atMs": own.at_ms, "rule": own.rule, "what": own.what}))
        .collect::<Vec<Value>>();
    let [lives, nodes, evicted] = outcome.counts;
    json!({
        "seed": play.seed, "policy": play.provisioner.to_string(), "played": described(play),
        "converged": outcome.is_well(), "atRestMs": outcome.rested_ms, "healedMs": outcome.healed_ms,
        "broken": problems, "waits": outcome.waits, "trace": outcome.trace,
        "lives": lives, "nodesJoined": nodes, "podsEvicted": evicted,
    })
}
