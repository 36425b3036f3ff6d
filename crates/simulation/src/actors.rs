//! One file for each part of a cluster that acts.

pub mod arrival;
pub mod backoff;
pub mod claims;
pub mod creation;
pub mod daemonset;
pub mod deployment;
pub mod fargate;
pub mod health;
pub mod kubelet;
pub mod names;
pub mod node_selector;
pub mod replica_set;
pub mod rollout;
#[cfg(test)]
mod stage_hand;
pub mod standing;
pub mod timers;
pub mod victims;
