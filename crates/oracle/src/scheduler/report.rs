//! A tally as the part of `docs/fidelity.md` that is generated, and as what the command prints.

use std::fmt::Write as _;
use std::ops::Range;

use super::known;
use super::run::KubeScheduler;
use super::tally::{FILTERS, SCORES, Tally};
use crate::figures::{grouped, percent};
use crate::play::Upstream;

/// What was compared with which seeds, in Markdown.
pub fn markdown(tally: &Tally, seeds: &Range<u64>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "`{}` with its default profile, run in its own process by `oracle/kube-scheduler`, and the engine handled \
         the same {} generated clusters (seeds {} to {}). In **{}** of them ({}) the two agree in everything: pods that \
         the API server refuses, every filter's word on every node with its reasons letter for letter, every score, the \
         chosen node, the victims on every preemption candidate, the choice among candidates, `FailedScheduling` messages.",
        KubeScheduler::VERSION,
        grouped(tally.clusters),
        seeds.start,
        seeds.end.saturating_sub(1),
        grouped(tally.clusters.saturating_sub(tally.different)),
        percent(tally.clusters, tally.different),
    );
    let _ = writeln!(text, "\n{}", summary(tally));
    text.push_str(&filters(tally));
    text.push_str(&scores(tally));
    text.push_str(&differences());
    text
}

/// The known differences, each with its cluster.
fn differences() -> String {
    let mut text = String::from("\nKnown differences, each asked of both again in every run:\n");
    for known in known::all() {
        let _ = writeln!(text, "\n- **{}.** {}\n\n  ```json", capitalised(known.name), known.why);
        for object in &known.objects {
            let _ = writeln!(text, "  {object}");
        }
        text.push_str("  ```\n");
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn summary(tally: &Tally) -> String {
    let outcomes: Vec<String> =
        tally.outcomes.iter().map(|(outcome, count)| format!("{} {outcome}", grouped(*count))).collect();
    format!(
        "Pods: {}; {} refused by the API server. Messages: {}. Preemption candidates: {}, with {} victims.",
        outcomes.join(", "),
        grouped(tally.invalid),
        grouped(tally.messages),
        grouped(tally.candidates),
        grouped(tally.victims),
    )
}

fn filters(tally: &Tally) -> String {
    let mut text = String::from(
        "\n| filter | pod–node pairs | asked in earnest | refused | pods kept off all nodes | agree |\n\
         |---|---:|---:|---:|---:|---:|\n",
    );
    for name in FILTERS {
        let of = tally.filters.get(name).copied().unwrap_or_default();
        let numbers = [of.pairs, of.in_earnest, of.refused, of.everywhere].map(grouped).join(" | ");
        let _ = writeln!(text, "| {name} | {numbers} | {} |", percent(of.pairs, of.different));
    }
    text
}

fn scores(tally: &Tally) -> String {
    let mut text = String::from("\n| score | pod–node pairs | with points | agree |\n|---|---:|---:|---:|\n");
    for name in SCORES {
        let of = tally.scores.get(name).copied().unwrap_or_default();
        let numbers = [of.pairs, of.points].map(grouped).join(" | ");
        let _ = writeln!(text, "| {name} | {numbers} | {} |", percent(of.pairs, of.different));
    }
    text
}
