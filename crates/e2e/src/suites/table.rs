//! Specs as people read them: a line a context.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::Spec;

/// How many passed and failed, and how long they took.
pub fn summary(specs: &[Spec]) -> String {
    let passed = specs.iter().filter(|spec| spec.passed()).count();
    let seconds = specs.iter().map(|spec| spec.took_ms).sum::<u64>() / 1_000;
    format!("{passed} of {} passed, {seconds} s", specs.len())
}

/// A Markdown table of contexts: passed, all, seconds.
pub fn table(specs: &[Spec]) -> String {
    let mut contexts: BTreeMap<&str, Vec<Spec>> = BTreeMap::new();
    for spec in specs {
        contexts.entry(&spec.context).or_default().push(spec.clone());
    }
    let mut text = String::from("| context | passed | of | s |\n|---|---|---|---|\n");
    let mut row = |name: &str, specs: &[Spec]| {
        let passed = specs.iter().filter(|spec| spec.passed()).count();
        let seconds = specs.iter().map(|spec| spec.took_ms).sum::<u64>() / 1_000;
        // Writing to a String does not fail.
        let _ = writeln!(text, "| {name} | {passed} | {} | {seconds} |", specs.len());
    };
    contexts.iter().for_each(|(name, specs)| row(name, specs));
    row("**all**", specs);
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
