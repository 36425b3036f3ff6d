//! How much was compared: clusters, pods, and pod–node pairs by plugin.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What was compared so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Clusters.
    pub clusters: u64,
    /// Clusters in which something differed.
    pub different: u64,
    /// Decisions about pods, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Pod–node pairs that a filter refused, by plugin.
    pub refused: BTreeMap<String, u64>,
    /// Pod–node pairs that a score plugin gave points to, by plugin.
    pub scored: BTreeMap<String, u64>,
    /// Preemption candidates.
    pub candidates: u64,
    /// Pod–node pairs that the filters were asked about.
    pub pairs: u64,
    /// Pods that the API server would refuse.
    pub invalid: u64,
}

impl Tally {
    /// Counts an answer about a cluster with so many nodes.
    pub fn count(&mut self, answer: &Value, nodes: u64, same: bool) {
        self.clusters += 1;
        self.different += u64::from(!same);
        self.invalid += answer["refused"].as_array().map_or(0, |refused| refused.len() as u64);
        for pod in answer["pods"].as_array().into_iter().flatten() {
            let outcome = pod["outcome"].as_str().unwrap_or_default().to_owned();
            *self.outcomes.entry(outcome).or_default() += 1;
            if let Some(filters) = pod["filters"].as_object() {
                self.pairs += nodes;
                for plugin in filters.values().filter_map(Value::as_object).flat_map(|said| said.keys()) {
                    *self.refused.entry(plugin.clone()).or_default() += 1;
                }
            }
            if let Some(said) = pod.pointer("/everywhere/plugin").and_then(Value::as_str) {
                *self.refused.entry(format!("{said} (PreFilter)")).or_default() += 1;
            }
            let scores = pod["scores"].as_object().into_iter().flat_map(|scores| scores.values());
            for plugin in scores.filter_map(Value::as_object).flat_map(|scores| scores.keys()) {
                *self.scored.entry(plugin.clone()).or_default() += 1;
            }
            let candidates = pod.pointer("/preemption/candidates").and_then(Value::as_object);
            self.candidates += candidates.map_or(0, |candidates| candidates.len() as u64);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<String>>().join(", ")
        };
        writeln!(f, "clusters {}, of them different {}", self.clusters, self.different)?;
        writeln!(f, "pods: {}; refused by the API server {}", list(&self.outcomes), self.invalid)?;
        writeln!(f, "pod-node pairs asked of every filter: {}", self.pairs)?;
        writeln!(f, "  refused by: {}", list(&self.refused))?;
        writeln!(f, "pod-node pairs scored by: {}", list(&self.scored))?;
        write!(f, "preemption candidates: {}", self.candidates)
    }
}
