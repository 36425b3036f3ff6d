//! kube-scheduler: the generator of clusters, the engine's answer, and the comparison with kube-scheduler's own.
//!
//! Upstream: `k8s.io/kubernetes` v1.36.3 `pkg/scheduler`, run by `oracle/kube-scheduler`, whose `cycle.go` says what
//! an answer is made of.

mod affinity;
mod devices;
pub mod engine;
pub mod generate;
pub mod known;
mod nodes;
mod owned;
mod pods;
pub mod report;
pub mod run;
pub mod tally;
mod vocabulary;
mod volumes;
