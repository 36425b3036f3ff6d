//! How much was compared, and what the inputs were about. Counts only.

use std::collections::BTreeMap;

use serde_json::Value;

/// Inputs and decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Inputs compared.
    pub inputs: u64,
    /// Those about which the two do not decide alike.
    pub different: u64,
    /// Rounds of provisioning among them.
    pub rounds: u64,
    /// Times that it was asked what disruption does.
    pub disruptions: u64,
    /// NodeClaims that Karpenter plans.
    pub claims: u64,
    /// Pods on them.
    pub on_claims: u64,
    /// Pods that it plans for nodes, or for claims on their way.
    pub on_existing: u64,
    /// Commands of disruption: reason and what comes first.
    pub commands: BTreeMap<String, u64>,
    /// Static pools that were asked about, claims created for them, and claims deleted.
    pub replicas: (u64, u64, u64),
    /// By feature: inputs in which it is in play, and those of them that differ.
    pub features: BTreeMap<String, (u64, u64)>,
}

impl Tally {
    /// Counts one input with Karpenter's answer.
    pub fn count(&mut self, features: &[String], theirs: &Value, agrees: bool) {
        let differs = u64::from(!agrees);
        self.inputs += 1;
        self.different += differs;
        for feature in features {
            let (inputs, different) = self.features.entry(feature.clone()).or_default();
            *inputs += 1;
            *different += differs;
        }
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        if let Some(pools) = theirs["replicas"].as_object() {
            for pool in pools.values() {
                self.replicas.0 += 1;
                self.replicas.1 += list(&pool["created"]).len() as u64;
                self.replicas.2 += list(&pool["deleted"]).len() as u64;
            }
            return;
        }
        if theirs.get("commands").is_some() {
            self.disruptions += 1;
            for command in list(&theirs["commands"]) {
                *self.commands.entry(described(&command)).or_insert(0) += 1;
            }
            return;
        }
        self.rounds += 1;
        for claim in list(&theirs["claims"]) {
            self.claims += 1;
            self.on_claims += list(&claim["pods"]).len() as u64;
        }
        let existing = theirs["existing"].as_object().into_iter().flatten();
        self.on_existing += existing.map(|(_, pods)| list(pods).len() as u64).sum::<u64>();
    }
}

fn described(command: &Value) -> String {
    let nodes =
        if command["nodes"].as_array().map_or(0, Vec::len) > 1 { "several nodes" } else { "one node" };
    let replaced = match command["replacements"].as_array().map_or(0, Vec::len) {
        0 => "deleted",
        1 => "replaced",
        _ => "replaced by several",
    };
    format!("{}: {nodes} {replaced}", command["reason"].as_str().unwrap_or_default())
}
