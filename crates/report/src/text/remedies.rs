//! The smallest verified change as a diff, and what would not help.

use verdict::search::Search;
use verdict::{Attempt, Effectiveness};

use super::fold::fold;
use super::{BOLD, GREEN, RED, Style, count, paint, proof};
use crate::Judged;

/// The remedies; empty when nothing was searched.
pub(super) fn render(judged: &Judged<'_>, style: Style) -> String {
    let search = &judged.verdict.search;
    if search.attempts.is_empty() && search.advice.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    let mut verified = search.verified();
    match verified.next() {
        Some(best) => {
            out.push_str(&smallest(judged, search, best, style));
            out.push_str(&also(search, verified, style));
        }
        None => out.push_str(&none_found(search, style)),
    }
    out.push_str(&no_help(search, style));
    out.push_str(&proof::advice(search, style));
    out.push('\n');
    out
}

fn none_found(search: &Search, style: Style) -> String {
    let sets = sets_run(search);
    let left = if search.truncated { ", and there were more" } else { "" };
    let line = format!("help: no change was found that converges: {sets}{left}");
    format!("{}\n", paint(style, BOLD, &line))
}

/// `1 set was run`, `9 sets were run`.
fn sets_run(search: &Search) -> String {
    let run = search.attempts.len();
    let were = if run == 1 { "was" } else { "were" };
    format!("{} {were} run", count(run, "set"))
}

fn smallest(judged: &Judged<'_>, search: &Search, best: &Attempt, style: Style) -> String {
    let changes = count(best.set.len(), "change");
    let head = format!("help: the smallest change that converges ({changes}; {})", sets_run(search));
    let mut out = format!("{}\n", paint(style, BOLD, &head));
    for index in &best.set {
        out.push_str(&format!("  - {}\n", fold(style, 4, &search.proposed[*index].title)));
        if let Some(operation) = &search.proposed[*index].operation {
            out.push_str(&format!("    then {}\n", fold(style, 9, operation)));
        }
    }
    for diff in judged.inputs.diff(&search.edits(&best.set)) {
        for line in diff.unified().lines() {
            out.push_str(&format!("   | {}\n", diff_line(line, style)));
        }
    }
    let when = best.converged.map_or_else(String::new, |at| format!(" at {at}"));
    let nodes = count(best.nodes as usize, "node");
    let line = format!("verified: re-ran with this change, everything is running{when}, {nodes}");
    out.push_str(&format!("   = {}\n", paint(style, GREEN, &fold(style, 5, &line))));
    out.push_str(&proof::otherwise(best, style));
    out.push_str(&proof::minimal(search, best, style));
    out
}

fn diff_line(line: &str, style: Style) -> String {
    match line.as_bytes().first() {
        Some(b'+') => paint(style, GREEN, line),
        Some(b'-') => paint(style, RED, line),
        _ => line.to_owned(),
    }
}

fn also<'a>(search: &Search, others: impl Iterator<Item = &'a Attempt>, style: Style) -> String {
    let mut out = String::new();
    let most = if style.verbose { usize::MAX } else { 3 };
    for attempt in others.take(most) {
        let titles: Vec<&str> =
            attempt.set.iter().map(|index| search.proposed[*index].title.as_str()).collect();
        let when = attempt.converged.map_or_else(String::new, |at| format!(", converges at {at}"));
        let nodes = count(attempt.nodes as usize, "node");
        let line = format!("also verified: {}{when}, {nodes}", titles.join(" and "));
        out.push_str(&format!("   = {}\n", fold(style, 5, &line)));
    }
    out
}

/// Single changes that were run and do not suffice.
fn no_help(search: &Search, style: Style) -> String {
    let mut out = String::new();
    for (effect, words) in [
        (Effectiveness::ChangesNothing, "changes nothing"),
        (Effectiveness::Worsens, "makes it worse"),
        (Effectiveness::Helps, "helps, but not enough"),
    ] {
        let mut before = None;
        for attempt in search.single_attempts(effect) {
            let line = format!("run alone, {words}: {}", search.proposed[attempt.set[0]].title);
            out.push_str(&format!("   = {}\n", fold(style, 5, &line)));
            out.push_str(&proof::remains(attempt, before, style));
            before = Some(attempt);
        }
    }
    out
}
