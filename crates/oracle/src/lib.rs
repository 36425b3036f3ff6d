//! Does the engine decide what the real thing decides?
//!
//! Plays seeded clusters against programs that run the upstream's own code (`oracle/` at the root of the repository,
//! Go modules that need not be there), and against their recorded decisions. One module for each upstream, and what
//! they share: [`play`] (seeds against an upstream), [`program`] (a child that answers lines), [`rng`], [`shrink`],
//! [`record`], [`difference`], [`document`], [`figures`].
//!
//! Not part of the product: no crate imports this one. Nothing here decides anything about a cluster; the engine's
//! answers come from the crates under test, by the path that a user's manifests take.

pub mod difference;
pub mod document;
pub mod figures;
pub mod karpenter;
pub mod play;
pub mod policies;
pub mod program;
pub mod record;
pub mod rng;
pub mod scheduler;
pub mod shrink;
mod whole;
