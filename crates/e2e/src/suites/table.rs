//! Specs as people read them: a line a context.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::Spec;

/// How many passed, how many there were, and how many seconds they took.
fn counts<'s>(specs: impl IntoIterator<Item = &'s Spec>) -> (usize, usize, u64) {
    let (passed, all, ms) = specs.into_iter().fold((0, 0, 0), |(passed, all, ms), spec| {
        (passed + usize::from(spec.passed()), all + 1, ms + spec.took_ms)
    });
    (passed, all, ms / 1_000)
}

/// How many passed, and how long they took.
pub fn summary(specs: &[Spec]) -> String {
    let (passed, all, seconds) = counts(specs);
    format!("{passed} of {all} passed, {seconds} s")
}

/// A Markdown table of contexts: passed, all, seconds.
pub fn table(specs: &[Spec]) -> String {
    let mut contexts: BTreeMap<&str, Vec<&Spec>> = BTreeMap::new();
    for spec in specs {
        contexts.entry(&spec.context).or_default().push(spec);
    }
    let mut text = String::from("| context | passed | of | s |\n|---|---|---|---|\n");
    let mut row = |name: &str, (passed, all, seconds): (usize, usize, u64)| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {name} | {passed} | {all} | {seconds} |");
    };
    contexts.iter().for_each(|(name, specs)| row(name, counts(specs.iter().copied())));
    row("**all**", counts(specs));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_summed() {
        let spec = |context: &str, state: &str| Spec {
            context: context.into(),
            name: "n".into(),
            state: state.into(),
            took_ms: 1_600,
            why: String::new(),
        };
        let specs = [spec("b", "passed"), spec("a", "passed"), spec("b", "failed")];
        assert_eq!(summary(&specs), "2 of 3 passed, 4 s");
        let expected = "| context | passed | of | s |\n|---|---|---|---|\n| a | 1 | 1 | 1 |\n| b | 1 | 2 | 3 |\n\
            | **all** | 2 | 3 | 4 |\n";
        assert_eq!(table(&specs), expected);
    }
}
