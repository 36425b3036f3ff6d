//! Cases played one after the other, and what is said of them. Where it is said is the caller's.

use std::fmt;
use std::time::Duration;

use crate::cases::{Case, Notes};
use crate::stage::{Needs, Stage};
use crate::wait::Watch;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As demanded, with what is worth telling.
    Passed(Notes),
    /// Otherwise.
    Failed(String),
    /// It was not played, and why.
    Skipped(String),
}

/// A case that is over.
#[derive(Clone, Debug)]
pub struct Result {
    /// Which.
    pub name: &'static str,
    /// How it ended.
    pub ended: Ended,
    /// How long it took, with what was started for it.
    pub took: Duration,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// In the order of play.
    pub results: Vec<Result>,
}

/// Plays cases; each is told as soon as it is over. With `fresh`, each on a control plane of its own.
pub async fn play(
    cases: &[&'static Case],
    stage: &mut Stage,
    fresh: bool,
    tell: impl Fn(&Result),
) -> Summary {
    let mut summary = Summary::default();
    for case in cases {
        let watch = Watch::start();
        let ended = one(case, stage).await;
        // What a failed case leaves behind must not fail the next one.
        if fresh || matches!(ended, Ended::Failed(_)) {
            stage.clear();
        }
        let result = Result { name: case.name, ended, took: watch.elapsed() };
        tell(&result);
        summary.results.push(result);
    }
    summary
}

async fn one(case: &Case, stage: &mut Stage) -> Ended {
    match played(case, stage).await {
        Ok(ended) => ended,
        Err(problem) => {
            let died = stage.complaint().map(|complaint| format!("\n{complaint}")).unwrap_or_default();
            Ended::Failed(format!("{problem:#}{died}\nlogs: {}", stage.logs().display()))
        }
    }
}

async fn played(case: &Case, stage: &mut Stage) -> anyhow::Result<Ended> {
    if let Some(why) = stage.obstacle(case.needs)? {
        return Ok(Ended::Skipped(why));
    }
    let started = stage.prepare(case.needs).await?;
    let mut notes: Notes = started
        .map(|took| format!("the control plane was ready after {:.1} s", took.as_secs_f64()))
        .into_iter()
        .collect();
    notes.extend((case.play)(stage).await?);
    // A case that passed while a program of the control plane died has shown nothing.
    if case.needs != Needs::Nothing
        && let Some(complaint) = stage.complaint()
    {
        return Ok(Ended::Failed(complaint));
    }
    Ok(Ended::Passed(notes))
}

impl Summary {
    /// Whether no case failed.
    pub fn passed(&self) -> bool {
        !self.results.iter().any(|result| matches!(result.ended, Ended::Failed(_)))
    }

    fn count(&self, counts: impl Fn(&Ended) -> bool) -> usize {
        self.results.iter().filter(|result| counts(&result.ended)).count()
    }
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, lines) = match &self.ended {
            Ended::Passed(notes) => ("passed", notes.join("\n")),
            Ended::Failed(why) => ("FAILED", why.clone()),
            Ended::Skipped(why) => ("skipped", why.clone()),
        };
        write!(f, "{word:7} {:28} {:7.1} s", self.name, self.took.as_secs_f64())?;
        lines.lines().try_for_each(|line| write!(f, "\n        {line}"))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.count(|ended| matches!(ended, Ended::Passed(_)));
        let failed = self.count(|ended| matches!(ended, Ended::Failed(_)));
        let skipped = self.count(|ended| matches!(ended, Ended::Skipped(_)));
        let took: Duration = self.results.iter().map(|result| result.took).sum();
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped in {:.1} s", took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(ended: Ended) -> Result {
        Result { name: "group/case", ended, took: Duration::from_millis(1250) }
    }

    #[test]
    fn a_result_says_how_and_why() {
        let passed = result(Ended::Passed(vec!["one".into(), "two".into()]));
        assert_eq!(
            passed.to_string(),
            "passed  group/case                       1.2 s\n        one\n        two"
        );
        let skipped = result(Ended::Skipped("why".into()));
        assert_eq!(skipped.to_string(), "skipped group/case                       1.2 s\n        why");
    }

    #[test]
    fn only_failures_fail() {
        let mut summary = Summary::default();
        summary.results.push(result(Ended::Passed(Vec::new())));
        summary.results.push(result(Ended::Skipped(String::new())));
        assert!(summary.passed());
        summary.results.push(result(Ended::Failed(String::new())));
        assert!(!summary.passed());
        assert_eq!(summary.to_string(), "1 passed, 1 failed, 1 skipped in 3.8 s");
    }
}
