//! What `plimsoll controller --shadow` sums up at its end.

use std::fmt::Write as _;

use kubernetes::shadow::{Bought, REASONS, Report, Rounds};
use serde_json::{Value, json};

/// For people.
pub fn people(report: &Report) -> String {
    let seconds = report.lasted_ms / 1_000;
    let lasted = format!("{} h {:02} min {:02} s", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("Shadow of {lasted}. Nothing was changed.\n\n");
    text.push_str(&bought(&report.rounds));
    text.push_str(&removed(report));
    text
}

fn bought(rounds: &Rounds) -> String {
    let mut text = String::new();
    if rounds.compared() == 0 {
        text.push_str("Nodes for waiting pods: none that both planned.\n");
    } else {
        let _ = writeln!(
            text,
            "Nodes for waiting pods, in {} that both planned ({}):",
            counted(rounds.compared(), "round"),
            counted(rounds.pods, "pod")
        );
        for (by, bought) in [("plimsoll", &rounds.ours), ("the leader", &rounds.theirs)] {
            let nodes = counted(bought.nodes, "node");
            let price = price(bought);
            let _ = writeln!(text, "  {by:<10}  {nodes:>9}  {price:>10} $/h  {}", bought.types());
        }
        let _ = writeln!(
            text,
            "  plimsoll's were cheaper in {}, the same in {}, dearer in {}.",
            counted(rounds.cheaper, "round"),
            rounds.same,
            rounds.dearer
        );
    }
    if rounds.unanswered > 0 {
        let _ =
            writeln!(text, "  For {} more the leader bought nothing.", counted(rounds.unanswered, "round"));
    }
    if rounds.unasked > 0 {
        let _ = writeln!(
            text,
            "  The leader bought {} when plimsoll wanted none: replacements, static pools, or plans that came first.",
            counted(rounds.unasked, "node")
        );
    }
    text
}

fn removed(report: &Report) -> String {
    let removals = &report.removals;
    let mut text = "\nNodes taken away:   both  plimsoll only  leader only\n".to_owned();
    for why in REASONS {
        let (both, ours) = (removals.both(why), removals.only_wanted(why));
        if both + ours > 0 {
            let _ = writeln!(text, "  {:<15}  {both:>5}  {ours:>13}", why.as_str());
        }
    }
    let _ = writeln!(text, "  {:<15}  {:>5}  {:>13}  {:>11}", "any reason", "", "", removals.only_done());
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn price(bought: &Bought) -> String {
    format!("{}.{:04}", bought.price_micro_usd / 1_000_000, bought.price_micro_usd % 1_000_000 / 100)
}

/// For programs.
pub fn programs(report: &Report) -> Value {
    let (rounds, removals) = (&report.rounds, &report.removals);
    let bought = |bought: &Bought| {
        let types = bought.of_type.iter().map(|(name, count)| (name.to_string(), json!(count)));
        json!({"nodes": bought.nodes, "priceMicroUsd": bought.price_micro_usd,
            "types": types.collect::<serde_json::Map<String, Value>>()})
    };
    let taken = REASONS.map(|why| {
        json!({"reason": why.as_str(), "both": removals.both(why), "plimsollOnly": removals.only_wanted(why)})
    });
    json!({
        "lastedMs": report.lasted_ms,
        "rounds": {"cheaper": rounds.cheaper, "same": rounds.same, "dearer": rounds.dearer,
            "unanswered": rounds.unanswered, "pods": rounds.pods},
        "plimsoll": bought(&rounds.ours),
        "leader": bought(&rounds.theirs),
        "unaskedNodes": rounds.unasked,
        "disruptions": taken,
        "leaderOnlyDisruptions": removals.only_done(),
    })
}
