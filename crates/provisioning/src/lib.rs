//! Which nodes should exist?
//!
//! Given the cluster, what can be bought and the pods that need a place: which pods fit on nodes that are there or
//! on their way, which new nodes to ask for, and for every pod that remains, why each pool cannot serve it
//! ([`solve`]); and which nodes can go ([`disruption`]). Pure functions of their input under an explicit [`Policy`].
//!
//! Invariants: nothing here acts, keeps time or calls anyone. Stock Karpenter is followed with its blind spots:
//! its own estimate of a node's room, no knowledge of addresses.

pub mod bits;
pub mod buffers;
pub mod claim;
pub mod class;
pub mod daemons;
pub mod disruption;
pub mod existing;
pub mod input;
pub mod market;
pub mod plan;
pub mod plimsoll;
pub mod pool;
pub mod ports;
pub mod prospects;
pub mod refusal;
pub mod relax;
pub mod reservations;
pub mod room;
pub mod scheduler;
pub mod sets;
pub mod static_pools;
mod survey;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod topology;
pub mod volumes;

pub use input::{Input, Policy, Purpose, Solution};
pub use market::{Market, Offering, PoolMarket, Reservation, TypeOnOffer};
pub use plan::PlannedClaim;
pub use scheduler::solve;
