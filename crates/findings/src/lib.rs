//! What went wrong, in causal order?
//!
//! At the end of a run, [`wait::WaitGraph`] says who waits for whom; [`chain`] tells it as a story; each file of
//! [`rules`] names one condition with its numbers. Nothing here runs a simulation or knows about files and
//! lines: a finding points at fields of objects.

pub mod chain;
pub mod code;
pub mod docs;
mod expand;
pub mod finding;
mod launches;
pub mod outcome;
mod placeable;
mod provisioner;
mod refused;
pub mod rules;
pub mod scene;
pub mod selected;
mod stuck;
mod subnets;
#[cfg(test)]
mod testing;
pub mod volumes;
pub mod wait;
mod words;

pub use chain::{Chain, Link};
pub use code::Code;
pub use finding::{Finding, Label, Severity};
pub use outcome::Outcome;
pub use placeable::NoSuchLabel;
pub use rules::examine;
pub use scene::Scene;
pub use selected::Selected;
pub use wait::{Party, Wait, WaitGraph, Why};
pub use words::pool_reason;
