//! Would this pod get an address?
//!
//! Subnets and their free space, what EC2 answers to a call, and the decisions of those who call it: the VPC CNI's
//! ipamd, Cilium's operator and agent, and ranges fixed per node. Pure functions over [`cluster::network`]; the
//! same ones answer "what will happen" in a simulation and "what does this plan need" on paper.
//!
//! Invariants: nothing here keeps state or time of its own. A refusal is a value with its numbers
//! ([`cluster::waiting::AddressShortage`], [`cluster::network::EniOutcome`]), never an error. Where the real thing
//! picks at random (Go map order), the choice here is packed: the lowest that fits. That is the best case for
//! giving addresses back, and each module says so.

pub mod assignment;
pub mod capacity;
pub mod cilium;
pub mod density;
pub mod ec2;
pub mod fragmentation;
pub mod gke;
pub mod limits;
pub mod pod_eni;
pub mod settle;
pub mod shortage;
pub mod space;
pub mod vpc_cni;

#[cfg(test)]
mod testing;

pub use assignment::{Assignment, assign, assign_branch, assignable, next_cooled, unassign};
pub use capacity::{Capacity, capacity, capacity_of_type};
pub use settle::settle;
pub use shortage::classify;
