//! Would this pod be placed; if not, which filter said no?
//!
//! kube-scheduler's decisions as functions over a [`Placements`] index: [`attempt`] is one scheduling cycle of one
//! pod (filters, scores, preemption, the `FailedScheduling` message), [`explain`] says what every plugin thinks of
//! every node, [`hints::may_help`] says which events are worth another attempt. One file per plugin in `plugins`.
//!
//! Follows `k8s.io/kubernetes` v1.36.3 `pkg/scheduler/**` with the default profile of
//! `apis/config/v1/default_plugins.go`. Where upstream chooses at random (equal scores, the first preemption
//! candidate looked at, map order) the choice here is an argument or the lowest node: see [`TieBreak`].
//!
//! Invariants: no queue, no time, no retries (that is the actor in `simulation`); nothing here changes the
//! [`cluster::Cluster`]. Floats appear only in scores, where upstream's own arithmetic is in floats and decides
//! which of two nodes wins; amounts are integers.

pub mod attempt;
mod class;
mod counter;
mod devices;
mod domain;
pub mod event;
mod explain;
mod filter;
mod glance;
pub mod hints;
mod intern;
mod message;
mod nominated;
mod nominations;
mod order;
mod placements;
#[cfg(test)]
mod placements_test;
mod plugins;
mod query;
mod refusal;
mod refusals;
mod room;
mod rule;
mod score;
mod survey;
mod tally;
mod tenancy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trace;
mod trial;

pub use attempt::{Attempt, ClaimChoice, Placement, Preemption, TieBreak, attempt};
pub use class::ClassId;
pub use event::Event;
pub use explain::{NodeVerdict, explain, fits};
pub use placements::Placements;
pub use plugins::dynamic_resources::{DeviceChoice, unqueued};
pub use plugins::volume_binding::{claim_names, usable as volume_usable};
pub use query::Incoming;
