//! What do the objects look like on the wire, and what do they mean?
//!
//! Wire objects (as JSON values, whatever they were written in) are decoded, defaulted as the API server would,
//! and lowered into the model. Nothing fails: a bad object becomes [`Problem`]s and the rest is still lowered.

pub mod addons;
mod admission;
mod affinity;
mod amounts;
mod arrival;
mod cilium;
mod claims;
mod cni;
pub mod code;
mod container;
mod context;
mod decode;
mod duration;
mod environment;
mod group;
mod job;
mod karpenter_settings;
mod kubelet_settings;
mod late;
mod live;
mod lower;
mod node;
mod node_class;
mod node_pool;
pub mod object;
mod owners;
mod pattern;
mod pod;
pub mod problem;
pub mod profile;
mod reader;
mod requests;
mod requirement;
mod role;
pub mod scenario;
mod selector;
mod small;
mod storage;
mod suggest;
mod tables;
#[cfg(test)]
mod testing;
mod unmodelled;
mod vpc_cni;
mod webhook;
mod workload;
mod yaml;

pub use lower::lower;
pub use object::RawObject;
pub use problem::{Problem, Severity};

/// What the input means.
#[derive(Debug)]
pub struct Lowered {
    /// The model.
    pub declared: cluster::Declared,
    /// What is wrong with the input, in input order.
    pub problems: Vec<Problem>,
    /// The changes over time that the input asks for.
    pub scenario: Option<scenario::Scenario>,
    /// What the profile says is broken from the start.
    pub faults: Vec<scenario::Step>,
}
