//! What is in a real API server, and how is it changed?
//!
//! The edge between the autoscaler and a cluster. [`mirror::Mirror`] turns what watches bring into the model and its
//! changes; [`calls`] says which API calls an effect is; [`kwok`] is a provider whose instances are KWOK's nodes;
//! [`edge::Edge`] ties them to the autoscaler. All four are pure. [`controller`] connects the edge with an API server: it
//! watches, submits, and never decides.

pub mod calls;
pub mod controller;
pub mod edge;
pub mod health;
pub mod kwok;
mod lanes;
pub mod lease;
mod log;
pub mod metrics;
pub mod mirror;
mod provider;
pub mod record;
mod resource;
mod watch;
mod wire;

pub use mirror::Mirror;
pub use resource::Resource;
