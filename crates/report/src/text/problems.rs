//! What is wrong with the input and with suppressions, and what is suppressed.

use std::collections::BTreeMap;

use super::{Style, count, diagnostic};
use crate::Judged;
use crate::suppress::Fault;

/// Most problems of one code that are shown.
const SHOWN: usize = 5;

/// The problems of these severities that count; of many with one code only the first few.
pub(super) fn render(judged: &Judged<'_>, style: Style, is_wanted: impl Fn(api::Severity) -> bool) -> String {
    let mut out = String::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let counting = judged.problems().filter(|(problem, why)| why.is_none() && is_wanted(problem.severity));
    for (problem, _) in counting {
        let number = seen.entry(problem.code).or_default();
        *number += 1;
        if *number <= SHOWN || style.verbose {
            out.push_str(&diagnostic::problem(judged, problem, style));
        }
    }
    for (code, number) in seen.into_iter().filter(|(_, number)| *number > SHOWN && !style.verbose) {
        out.push_str(&format!("note: {} more of {code}; `-v` shows all of them\n\n", number - SHOWN));
    }
    out
}

/// Something wrong with a suppression.
pub(super) fn fault(fault: &Fault, style: Style) -> String {
    diagnostic::fault(fault, style)
}

/// What is suppressed, with its reason, when asked for; else how much, where the verdict is not a good one.
pub(super) fn suppressed(judged: &Judged<'_>, style: Style) -> String {
    let findings = judged.findings().filter_map(|(found, why)| Some((found.code.id, &found.title, why?)));
    let problems = judged.problems().filter_map(|(found, why)| Some((found.code, &found.message, why?)));
    let all: Vec<_> = findings.chain(problems).collect();
    let mut out = String::new();
    if all.is_empty() {
        return out;
    }
    if style.verbose {
        for (code, title, why) in &all {
            out.push_str(&format!("suppressed[{code}]: {title}\n   = because: {}\n", why.text));
        }
        out.push('\n');
    }
    if judged.fails() {
        let (findings, are) = (count(all.len(), "finding"), if all.len() == 1 { "is" } else { "are" });
        out.push_str(&format!(
            "note: {findings} {are} suppressed, but the verdict cannot be: it still fails\n\n"
        ));
    }
    out
}
