//! The contract of everything that decides.

use cluster::{Change, Timestamp};

use crate::asked::Answer;
use crate::effect::Effects;

/// What an actor may look at.
pub use autoscaler::Context;

/// A part of the cluster that acts. Pure: the same changes give the same effects.
///
/// Retries are event-driven: an actor that cannot act because something is missing waits for the change that
/// brings it, and then acts at the next instant at which the real one would have tried again (its poll or
/// back-off grid). So a run in which nothing can change any more has nothing left to do, and ends.
pub trait Actor {
    /// Learns one change. The cluster already contains it.
    fn observe(&mut self, change: &Change, context: Context<'_>);

    /// Acts on what was observed; called once all changes of an instant have been observed.
    fn decide(&mut self, context: Context<'_>, effects: &mut Effects);

    /// How many watch events behind the others it acts within one instant: it decides only once everybody before
    /// it has come to rest. Deployments make pods by way of ReplicaSets (1); kube-scheduler's queue is ordered by
    /// priority, and what controllers create at one instant is queued together (2).
    fn hops_behind(&self) -> u8 {
        0
    }

    /// When to be asked again if nothing happens before; must be later than now.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// What it was asked about, at the end of a run.
    fn take_answers(&mut self) -> Vec<Answer> {
        Vec::new()
    }

    /// Like [`Actor::wake_at`], for what goes on for ever in a settled cluster (cron schedules, expiry):
    /// does not keep a run going.
    fn background_wake_at(&self) -> Option<Timestamp> {
        None
    }
}
