//! The cloud: which instances there are. An instance is what a node runs on; there can be one without a node.
//!
//! Speaks KWOK's language: an instance has its node's name, and is created with the Node object.

use std::collections::BTreeMap;

use cluster::node_claim::{LaunchFailure, LaunchOption, RefusedOffering};
use kubernetes::kwok;
use serde_json::Value;

use crate::kubelets::ZONE;

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The claim that it was launched for.
    pub claim: String,
    /// When, milliseconds since the start.
    pub since_ms: i64,
    /// It never becomes a node.
    pub is_dead: bool,
}

/// The instances, by name.
#[derive(Debug, Default)]
pub struct Cloud {
    /// Those that there are.
    pub instances: BTreeMap<String, Instance>,
    /// Second instances for a claim that has one: never right.
    pub doubled: Vec<String>,
}

impl Cloud {
    /// Launches the instance of a node, once.
    pub fn launch(&mut self, node: &Value, now_ms: i64, is_dead: bool) {
        let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
        let name = node["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let claim = label("kubernetes.io/hostname");
        if self.instances.contains_key(&name) {
            return;
        }
        if self.instances.values().any(|own| own.claim == claim) {
            self.doubled.push(claim.clone());
        }
        self.instances.insert(name, Instance { claim, since_ms: now_ms, is_dead });
    }

    /// Whether an instance never becomes a node.
    pub fn is_dead(&self, name: &str) -> bool {
        self.instances.get(name).is_some_and(|own| own.is_dead)
    }

    /// Ends an instance; one that is not there is ended already.
    pub fn end(&mut self, name: &str) {
        self.instances.remove(name);
    }
}

/// Everything that is sold of a capacity type in a zone, refused.
pub fn refusals(zone: &str, capacity_types: &[&str]) -> Vec<RefusedOffering> {
    let offers = kwok::offers();
    let all = offers.iter().flat_map(|offered| {
        let own = offered
            .offerings
            .iter()
            .filter(|own| own.zone == zone && capacity_types.contains(&own.capacity_type.as_str()));
        own.map(|own| LaunchOption {
            instance_type: offered.name.clone(),
            zone: own.zone.clone(),
            capacity_type: own.capacity_type.clone(),
            price_micro_usd: own.price_micro_usd,
        })
    });
    all.map(|option| RefusedOffering { option, subnet: None, why: LaunchFailure::InsufficientCapacity })
        .collect()
}

/// Zone and capacity type of a node.
pub fn offering(node: &Value) -> (&str, &str) {
    let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or_default();
    (label(ZONE), label("karpenter.sh/capacity-type"))
}
