//! Karpenter: the generator, the engine's side and the comparison.
//!
//! An input is a list of objects: `Settings`, `InstanceType` and `PoolTypes` of the oracle's own, everything else
//! Kubernetes'. Both sides get the same list; see `oracle/karpenter` for theirs.

pub mod generate;
pub mod ours;
pub mod question;
pub mod run;
pub mod state;
