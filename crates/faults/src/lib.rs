//! Does it come through what a real cluster does to it?
//!
//! Plays `kubernetes::edge::Edge`, which is what `plimsoll controller` runs, on an API server in memory: [`world::World`]
//! has the [`store`], the cluster's own controllers, a [`cloud`] and the controller's lives. [`generate`] makes a small
//! cluster, what its users do and what goes wrong from a seed; [`play`] breaks it, heals it and demands that it comes to
//! rest; [`checks`] look at the store alone. Virtual time, no threads, no draws but the seed's: the same seed is the same
//! bytes.

pub mod checks;
pub mod client;
pub mod cloud;
pub mod draw;
pub mod eviction;
pub mod fault;
pub mod generate;
pub mod json;
pub mod kubelets;
pub mod many;
pub mod owners;
pub mod play;
pub mod said;
pub mod scheduler;
pub mod shrink;
pub mod store;
pub mod trace;
pub mod watches;
pub mod world;

pub use world::World;
