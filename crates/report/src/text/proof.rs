//! Why the verified change is the smallest, what the others leave, and what could not be run.

use verdict::Attempt;
use verdict::search::Search;

use super::fold::fold;
use super::{Style, count};

/// Says that nothing smaller converges, for a set of more than one change; every such run with `-v`.
pub(super) fn minimal(search: &Search, best: &Attempt, style: Style) -> String {
    if best.set.len() < 2 {
        return String::new();
    }
    let smaller = search.smaller(best).count();
    let hint = if style.verbose { "" } else { " (`-v` lists them)" };
    let mut out = format!("   = minimal: none of the {smaller} smaller changes converges{hint}\n");
    if style.verbose {
        let mut before = None;
        for attempt in search.smaller(best).filter(|attempt| attempt.set.len() > 1) {
            let line = format!("run, does not converge: {}", titles(search, attempt));
            out.push_str(&format!("   = {}\n", fold(style, 5, &line)));
            out.push_str(&remains(attempt, before, style));
            before = Some(attempt);
        }
    }
    out
}

/// A verified change that holds only for one value of what the input leaves open.
pub(super) fn otherwise(attempt: &Attempt, style: Style) -> String {
    attempt.otherwise.as_ref().map_or_else(String::new, |(branch, outcome)| {
        let line = format!("depends on what the profile leaves open; with {branch}: {outcome}");
        format!("   = {}\n", fold(style, 5, &line))
    })
}

/// What still waits after a change that does not suffice; short where it is what `before` left.
pub(super) fn remains(attempt: &Attempt, before: Option<&Attempt>, style: Style) -> String {
    if attempt.remains.is_empty() {
        return String::new();
    }
    let left = |attempt: &Attempt| (attempt.missing, attempt.remains.clone());
    if before.map(left) == Some(left(attempt)) {
        return "     still waiting: the same\n".to_owned();
    }
    let pods = match attempt.missing {
        0 => String::new(),
        missing => format!("{}; ", count(missing as usize, "pod")),
    };
    let line = format!("still waiting: {pods}{}", attempt.remains);
    format!("     {}\n", fold(style, 7, &line))
}

/// What may help and was not run.
pub(super) fn advice(search: &Search, style: Style) -> String {
    let line = |advice: &String| fold(style, 5, &format!("advice, not run: {advice}"));
    search.advice.iter().map(|advice| format!("   = {}\n", line(advice))).collect()
}

fn titles(search: &Search, attempt: &Attempt) -> String {
    let titles = attempt.set.iter().map(|index| search.proposed[*index].title.as_str());
    titles.collect::<Vec<_>>().join(" and ")
}
