//! What Ginkgo reports of a suite: which specs ran and how each ended. How it is shown is not known here.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A spec that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The containers that it is in, such as `Drift / Budgets`.
    pub context: String,
    /// What it says.
    pub name: String,
    /// How it ended, in Ginkgo's words: `passed`, `failed`, `skipped`, `timedout`, `panicked`, …
    pub state: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What was said when it failed.
    pub why: String,
}

impl Spec {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.state == "passed"
    }
}

/// The specs in the file of a run.
///
/// # Errors
/// Without the file, or with another one.
pub fn read(file: &Path) -> Result<Vec<Spec>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("no report of the suite: {}", file.display()))?;
    let suites: Value = serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))?;
    let all = suites.as_array().into_iter().flatten();
    let specs = all.flat_map(|suite| suite["SpecReports"].as_array().into_iter().flatten());
    Ok(specs.filter_map(spec).collect())
}

/// A spec that was chosen: what was filtered out is reported as skipped, without a word.
fn spec(report: &Value) -> Option<Spec> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = text(&report["State"]);
    if report["LeafNodeType"] != "It" {
        // What is done before and after all specs is only of interest when it fails.
        return (state != "passed").then(|| Spec {
            context: String::new(),
            name: text(&report["LeafNodeType"]),
            state,
            took_ms: 0,
            why: failure(report),
        });
    }
    // One that skips itself says why.
    let is_filtered =
        state == "skipped" && report["Failure"]["Message"].as_str().unwrap_or_default().is_empty();
    if is_filtered || state == "pending" {
        return None;
    }
    let containers = report["ContainerHierarchyTexts"].as_array().into_iter().flatten();
    let containers: Vec<&str> = containers.filter_map(Value::as_str).collect();
    Some(Spec {
        context: containers.join(" / "),
        name: text(&report["LeafNodeText"]),
        state,
        took_ms: report["RunTime"].as_u64().unwrap_or(0) / 1_000_000,
        why: failure(report),
    })
}

/// What was said, and where; the longest messages print whole objects.
fn failure(report: &Value) -> String {
    let failure = &report["Failure"];
    let message: String = failure["Message"].as_str().unwrap_or_default().chars().take(600).collect();
    let place = failure["Location"]["FileName"].as_str().unwrap_or_default();
    let place = place.rsplit('/').next().unwrap_or_default();
    if message.is_empty() && place.is_empty() {
        return String::new();
    }
    format!("{message} ({place}:{})", failure["Location"]["LineNumber"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn specs_that_ran_are_read_and_others_are_not() {
        let report = |state: &str, said: &str| {
            json!({"LeafNodeType": "It", "LeafNodeText": "should", "State": state,
                "ContainerHierarchyTexts": ["Drift", "Budgets"], "RunTime": 1_500_000_000_u64,
                "Failure": {"Message": said, "Location": {"FileName": "/a/b_test.go", "LineNumber": 7}}})
        };
        let ran = spec(&report("failed", "Expected")).unwrap();
        assert_eq!((ran.context.as_str(), ran.took_ms), ("Drift / Budgets", 1_500));
        assert_eq!(ran.why, "Expected (b_test.go:7)");
        assert!(!ran.passed());
        assert_eq!(spec(&report("skipped", "")), None);
        assert!(spec(&report("skipped", "no such version")).is_some(), "it skipped itself");
        assert_eq!(spec(&json!({"LeafNodeType": "BeforeSuite", "State": "passed"})), None);
        assert!(spec(&json!({"LeafNodeType": "BeforeSuite", "State": "failed"})).is_some());
    }
}
