//! Karpenter: the generator, the engine's side and the comparison.
//!
//! An input is a list of objects: `Settings`, `InstanceType` and `PoolTypes` of the oracle's own, everything else
//! Kubernetes'. Both sides get the same list. Upstream: `sigs.k8s.io/karpenter` v1.14.1, run by `oracle/karpenter`,
//! whose `answer.go` says what an answer is made of.

pub mod generate;
pub mod ground;
pub mod mix;
pub mod ours;
pub mod question;
pub mod report;
pub mod run;
mod smaller;
pub mod state;
pub mod tally;
