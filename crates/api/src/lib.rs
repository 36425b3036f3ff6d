//! What do the objects look like on the wire, and what do they mean?
//!
//! Wire objects (as JSON values, whatever they were written in) are decoded, defaulted as the API server would,
//! and lowered into the model. Nothing fails: a bad object becomes [`Problem`]s and the rest is still lowered.

mod absent;
pub mod addons;
mod admission;
mod affinity;
mod ami;
mod amounts;
mod arrival;
mod autoscaler;
mod belongs;
mod budget;
mod cilium;
mod cilium_node;
mod claims;
mod cni;
pub mod code;
mod container;
mod context;
mod decode;
mod duration;
mod environment;
mod gates;
mod group;
mod group_claims;
mod host_port;
mod job;
mod karpenter_settings;
mod kinds;
mod kubelet_settings;
mod late;
mod live;
mod lower;
mod node;
mod node_class;
mod node_overlay;
mod node_pool;
pub mod nodepool_hash;
pub mod object;
mod owners;
mod pace;
mod packaging;
pub mod pattern;
mod pod;
mod pod_level;
mod pod_security;
mod pod_volume;
pub mod problem;
pub mod profile;
mod reader;
mod requests;
mod requirement;
mod role;
mod runtime_class;
pub mod scenario;
mod schema;
mod selector;
mod small;
mod storage;
mod suggest;
mod tables;
#[cfg(test)]
mod testing;
mod unmodelled;
mod vpc_cni;
pub mod watched;
mod webhook;
mod workload;
mod yaml;

/// Milliseconds of a duration as Go writes them: `30s`, `1h30m`.
///
/// # Errors
/// What is wrong with the text, and what to write.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    duration::parse_ms(text).map_err(|error| error.to_string())
}

pub use addons::{Addon, addon, addon_names};
pub use code::{CODES, Code};
pub use karpenter_settings::karpenter_settings;
pub use lower::lower;
pub use object::{RawObject, generated_name};
pub use problem::{Problem, Severity};
pub use scenario::Scenario;

/// What the input means.
#[derive(Debug)]
pub struct Lowered {
    /// The model.
    pub declared: cluster::Declared,
    /// What is wrong with the input, in input order.
    pub problems: Vec<Problem>,
    /// The scenario document, where there is one.
    pub scenario: Option<Scenario>,
    /// The profile's `faults`, in time order: steps that hold whatever the scenario is.
    pub faults: Vec<scenario::Step>,
}
