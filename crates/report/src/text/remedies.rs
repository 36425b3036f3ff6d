//! The smallest verified change as a diff, and what would not help.

use verdict::search::Search;
use verdict::{Attempt, Effectiveness};

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
        None => {
            let sets = count(search.attempts.len(), "set");
            let line = format!("no change was found that converges: {sets} of changes were run");
            out.push_str(&format!("{}\n", paint(style, BOLD, &format!("help: {line}"))));
        }
    }
    out.push_str(&no_help(search));
    out.push_str(&proof::advice(search));
    out.push('\n');
    out
}

fn smallest(judged: &Judged<'_>, search: &Search, best: &Attempt, style: Style) -> String {
    let changes = count(best.set.len(), "change");
    let head = format!(
        "help: the smallest change that converges ({changes}; {} sets were run)",
        search.attempts.len()
    );
    let mut out = format!("{}\n", paint(style, BOLD, &head));
    for index in &best.set {
        out.push_str(&format!("  - {}\n", search.proposed[*index].title));
        if let Some(operation) = &search.proposed[*index].operation {
            out.push_str(&format!("    then {operation}\n"));
        }
    }
    for diff in judged.inputs.diff(&search.edits(&best.set)) {
        for line in diff.unified().lines() {
            let color = match line.as_bytes().first() {
                Some(b'+') => Some(GREEN),
                Some(b'-') => Some(RED),
                _ => None,
            };
            out.push_str(&format!(
                "   | {}\n",
                color.map_or_else(|| line.to_owned(), |color| paint(style, color, line))
            ));
        }
    }
    let when = best.converged.map_or_else(String::new, |at| format!(" at {at}"));
    let line =
        format!("verified: re-ran with this change, everything is running{when}, {} nodes", best.nodes);
    out.push_str(&format!("   = {}\n", paint(style, GREEN, &line)));
    out.push_str(&proof::otherwise(best));
    out.push_str(&proof::minimal(search, best, style));
    out
}

fn also<'a>(search: &Search, others: impl Iterator<Item = &'a Attempt>, style: Style) -> String {
    let mut out = String::new();
    for attempt in others.take(3) {
        let titles: Vec<&str> =
            attempt.set.iter().map(|index| search.proposed[*index].title.as_str()).collect();
        let when = attempt.converged.map_or_else(String::new, |at| format!(", converges at {at}"));
        let line = format!("   = also verified: {}{when}, {} nodes\n", titles.join(" and "), attempt.nodes);
        out.push_str(&paint(style, anstyle::Style::new(), &line));
    }
    out
}

/// Single changes that were run and do not suffice.
fn no_help(search: &Search) -> String {
    let mut out = String::new();
    for (effect, words) in [
        (Effectiveness::ChangesNothing, "changes nothing"),
        (Effectiveness::Worsens, "makes it worse"),
        (Effectiveness::Helps, "helps, but not enough"),
    ] {
        let mut before = None;
        for attempt in search.single_attempts(effect) {
            let title = &search.proposed[attempt.set[0]].title;
            out.push_str(&format!("   = run alone, {words}: {title}\n"));
            out.push_str(&proof::remains(attempt, before));
            before = Some(attempt);
        }
    }
    out
}
