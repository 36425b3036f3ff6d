//! The generator of `crates/catalog/data`: reads pinned third-party packages, writes sorted, compressed tables.
//!
//! Its output is committed, so no build and no test needs the network. Which package gives what, under which
//! licence, is in [`inputs`]; what is estimated and how is in [`prices`]. Only the pure part is built for tests.

#![cfg_attr(not(feature = "catalog"), allow(dead_code, reason = "the generator itself is behind a feature"))]

mod family;
#[cfg(feature = "catalog")]
mod generate;
mod go_source;
#[cfg(feature = "catalog")]
mod inputs;
mod instances;
mod offerings;
#[cfg(feature = "catalog")]
mod output;
mod prices;

#[cfg(feature = "catalog")]
pub use generate::regenerate;
