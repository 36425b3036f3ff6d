//! What should be done now?
//!
//! The controller that adds nodes for pending pods, looks after its claims and takes nodes away: when it decides and
//! in which order it acts. What it decides is in `provisioning`. The same value runs in a simulation and against a
//! real API server: both tell it [`cluster::Change`]s, perform its [`Effect`]s, and bring the outcomes back as
//! changes. Calls to the cloud are submitted; their answers are changes too, so latency, errors and losses can be
//! expressed.
//!
//! Invariants: no I/O, no clock, no randomness, no hash-map order. It never changes the [`cluster::Cluster`].
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers` and, for what a provider remembers,
//! aws/karpenter-provider-aws v1.14.1.

mod batch;
mod buffers;
pub mod capacity_errors;
mod controller;
mod disruption;
mod drain;
pub mod effect;
mod launches;
mod lifecycle;
mod nominations;
mod orphans;
mod policy;
mod provision;
mod repair;
mod static_pools;
mod upkeep;

pub use controller::{Autoscaler, Context, Shop};
pub use disruption::Begun;
pub use drain::holding_volumes;
pub use effect::{DrainStage, Effect};
pub use policy::Provisioner;
