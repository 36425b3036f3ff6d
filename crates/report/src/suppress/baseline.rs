//! A former `-o json` report: what was known then does not fail now.

use std::collections::{BTreeMap, BTreeSet};

use findings::Outcome;
use serde_json::Value;

use super::{Reason, Source};

/// What a former report knew, by environment.
#[derive(Debug, Default)]
pub struct Baseline {
    clusters: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    fingerprints: BTreeSet<String>,
    outcome: String,
}

impl Baseline {
    /// Reads a report; says what is wrong with a text that is none.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (field("apiVersion"), field("kind"));
        if (version, kind) != ("plimsoll.dev/v1alpha1", "Report") {
            return Err(
                "it is not a report of `-o json` (apiVersion plimsoll.dev/v1alpha1, kind Report)".to_owned()
            );
        }
        let clusters = value.get("clusters").and_then(Value::as_array);
        let clusters = clusters.ok_or("it has no `clusters`")?;
        Ok(Baseline { clusters: clusters.iter().map(known).collect() })
    }

    /// Whether the report knew this of the environment.
    pub(super) fn has(&self, environment: &str, fingerprint: &str) -> bool {
        self.clusters.get(environment).is_some_and(|known| known.fingerprints.contains(fingerprint))
    }

    /// Whether the environment had this outcome already; what converged, or is not in the report, had not.
    pub(super) fn is_no_better(&self, environment: &str, outcome: Outcome) -> bool {
        self.clusters.get(environment).is_some_and(|known| known.outcome == outcome.to_string())
    }

    pub(super) fn reason() -> Reason {
        Reason { source: Source::Baseline, text: "it is in the baseline".to_owned() }
    }
}

fn known(cluster: &Value) -> (String, Known) {
    let text = |name: &str| cluster.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = ["findings", "problems"].into_iter().filter_map(|list| cluster.get(list)?.as_array()).flatten();
    let fingerprints = all.filter_map(|found| Some(found.get("fingerprint")?.as_str()?.to_owned())).collect();
    (text("environment"), Known { fingerprints, outcome: text("outcome") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_the_report_said_of_that_environment_only() {
        let text = r#"{"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Report", "clusters": [
            {"environment": "dev", "outcome": "deadlock", "findings": [{"fingerprint": "f1"}]}]}"#;
        let baseline = Baseline::parse(text).unwrap();
        assert!(baseline.has("dev", "f1"));
        assert!(!baseline.has("dev", "f2"));
        assert!(!baseline.has("production", "f1"));
        assert!(baseline.is_no_better("dev", Outcome::Deadlock));
        assert!(!baseline.is_no_better("dev", Outcome::Starvation));
        assert!(!baseline.is_no_better("production", Outcome::Deadlock));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "[]", "{}", r#"{"apiVersion": "v1", "kind": "Report", "clusters": []}"#] {
            assert!(Baseline::parse(text).is_err(), "{text}");
        }
    }
}
