//! What would happen?
//!
//! Virtual time, a total order of events, and actors for everything that plimsoll does not own: the workload
//! controllers, kube-scheduler, the kubelets, the CNI, volumes, cluster DNS, EC2 and stock Karpenter.
//! An actor observes [`cluster::Change`]s, decides [`Effect`]s, and says when it wants to be asked again.
//!
//! Invariants: no I/O, no clock, no hash-map order; one seeded generator, passed in. Nothing in an actor is
//! written for one example. Only [`world::World`] changes the [`cluster::Cluster`].

pub mod actor;
pub mod actors;
pub mod admission;
pub mod asked;
mod branch_admission;
pub mod effect;
pub mod engine;
pub mod finished;
pub mod needs;
pub mod progress;
mod queued;
pub mod redeclare;
mod start;
pub mod world;
mod world_devices;
mod world_nodes;
mod world_volumes;

pub use actor::Actor;
pub use autoscaler::Provisioner;
pub use effect::{Effect, Effects};
pub use engine::{End, Options, Run, run};
pub use provisioning::market::Shelf;
