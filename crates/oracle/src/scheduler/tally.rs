//! How much was compared, and how much of it was the same: clusters, pods, pod–node pairs by plugin.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The filters that are compared, in the order in which they are asked.
pub const FILTERS: [&str; 13] = [
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeBinding",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "DynamicResources",
];
/// The score plugins that are compared.
pub const SCORES: [&str; 8] = [
    "TaintToleration",
    "NodeAffinity",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
    "DynamicResources",
];

/// What a filter was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// Pod–node pairs that it was asked about.
    pub pairs: u64,
    /// Those of them for which it had something to look at: `PreFilter` did not skip it.
    pub in_earnest: u64,
    /// Pairs that it refused.
    pub refused: u64,
    /// Pods that it kept off every node.
    pub everywhere: u64,
    /// Pairs, and pods kept off every node, about which the two differ.
    pub different: u64,
}

/// What a score plugin was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    /// Pod–node pairs.
    pub pairs: u64,
    /// Those that it gave points to.
    pub points: u64,
    /// Those about which the two differ.
    pub different: u64,
}

/// What was compared so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clusters.
    pub clusters: u64,
    /// Clusters in which something differed.
    pub different: u64,
    /// Decisions about pods, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// By filter.
    pub filters: BTreeMap<String, Filtered>,
    /// By score plugin.
    pub scores: BTreeMap<String, Scored>,
    /// Preemption candidates.
    pub candidates: u64,
    /// Victims of all candidates.
    pub victims: u64,
    /// Messages.
    pub messages: u64,
    /// Pods that the API server would refuse.
    pub invalid: u64,
}

impl Tally {
    /// Counts what the two say of a cluster.
    pub fn count(&mut self, theirs: &Value, ours: &Value, same: bool) {
        self.clusters += 1;
        self.different += u64::from(!same);
        self.invalid += theirs["refused"].as_array().map_or(0, |refused| refused.len() as u64);
        for (place, pod) in theirs["pods"].as_array().into_iter().flatten().enumerate() {
            self.pod(pod, &ours["pods"][place]);
        }
    }

    fn pod(&mut self, theirs: &Value, ours: &Value) {
        let outcome = theirs["outcome"].as_str().unwrap_or_default().to_owned();
        *self.outcomes.entry(outcome).or_default() += 1;
        self.messages += u64::from(theirs["message"].is_string());
        self.filters(theirs, ours);
        self.scores(theirs, ours);
        let candidates = theirs.pointer("/preemption/candidates").and_then(Value::as_object);
        for candidate in candidates.into_iter().flat_map(Map::values) {
            self.candidates += 1;
            self.victims += candidate["victims"].as_array().map_or(0, |victims| victims.len() as u64);
        }
    }

    fn filters(&mut self, theirs: &Value, ours: &Value) {
        let skipped: BTreeSet<&str> = theirs["work"]["skipped"]
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let nodes = theirs["work"]["nodes"].as_u64().unwrap_or(0);
        for name in FILTERS {
            let filter = self.filters.entry(name.to_owned()).or_default();
            filter.pairs += nodes;
            filter.in_earnest += if skipped.contains(name) { 0 } else { nodes };
            for node in keys(&theirs["filters"], &ours["filters"]) {
                let said = [theirs, ours].map(|side| &side["filters"][node][name]);
                filter.refused += u64::from(said[0].is_object());
                filter.different += u64::from(said[0] != said[1]);
            }
            let kept_off = [theirs, ours]
                .map(|side| &side["everywhere"])
                .map(|said| if said["plugin"] == name { said } else { &Value::Null });
            filter.everywhere += u64::from(kept_off[0].is_object());
            filter.different += u64::from(kept_off[0] != kept_off[1]);
        }
    }

    fn scores(&mut self, theirs: &Value, ours: &Value) {
        for name in SCORES {
            let score = self.scores.entry(name.to_owned()).or_default();
            score.pairs += theirs["scores"].as_object().map_or(0, |nodes| nodes.len() as u64);
            for node in keys(&theirs["scores"], &ours["scores"]) {
                let given = [theirs, ours].map(|side| &side["scores"][node][name]);
                score.points += u64::from(given[0].is_i64());
                score.different += u64::from(given[0] != given[1]);
            }
        }
    }
}

/// The keys of either object.
fn keys<'a>(left: &'a Value, right: &'a Value) -> BTreeSet<&'a str> {
    let of = |side: &'a Value| side.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    of(left).chain(of(right)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pairs_are_counted_for_every_plugin_and_differences_for_the_one_that_differs() {
        let pod = |reason: &str| {
            json!({"outcome": "rejected", "message": "m", "work": {"nodes": 3, "skipped": ["NodePorts"]},
                   "filters": {"n0": {"NodeAffinity": {"code": "Unschedulable", "reasons": [reason]}}}})
        };
        let mut tally = Tally::default();
        let answer = |reason| json!({"refused": [], "pods": [pod(reason)]});
        tally.count(&answer("a"), &answer("a"), true);
        tally.count(&answer("a"), &answer("b"), false);
        let of = |name: &str| tally.filters[name];
        assert_eq!(of("NodePorts"), Filtered { pairs: 6, ..Filtered::default() });
        let affinity = Filtered { pairs: 6, in_earnest: 6, refused: 2, everywhere: 0, different: 1 };
        assert_eq!(of("NodeAffinity"), affinity);
        assert_eq!((tally.clusters, tally.different, tally.messages), (2, 1, 2));
    }
}
