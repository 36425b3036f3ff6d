//! Waiting for more pods before planning: a window that opens with the first one, is extended by every other, and is
//! closed after a time.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/{batcher,controller}.go`.

use std::collections::BTreeSet;

use cluster::declared::KarpenterSettings;
use cluster::{PodId, Timestamp};

/// How long after a plan a pod that still waits is looked at again.
pub const REQUEUE_MS: i64 = 10_000;

/// The batching window.
#[derive(Clone, Debug)]
pub struct Batch {
    pods: BTreeSet<PodId>,
    opened: Option<Timestamp>,
    last: Timestamp,
    idle_ms: i64,
    max_ms: i64,
    /// When the last plan was made.
    pub planned_at: Option<Timestamp>,
    /// Something changed since then that could change the plan.
    pub changed: bool,
}

impl Default for Batch {
    fn default() -> Batch {
        let settings = KarpenterSettings::default();
        Batch {
            pods: BTreeSet::new(),
            opened: None,
            last: Timestamp::ZERO,
            idle_ms: settings.batch_idle_ms,
            max_ms: settings.batch_max_ms,
            planned_at: None,
            changed: false,
        }
    }
}

impl Batch {
    /// Takes the controller's settings.
    pub fn configure(&mut self, settings: &KarpenterSettings) {
        (self.idle_ms, self.max_ms) = (settings.batch_idle_ms, settings.batch_max_ms);
    }

    /// A pod wants a node. Each counts once a window.
    pub fn trigger(&mut self, pod: PodId, now: Timestamp) {
        if self.pods.insert(pod) {
            self.open(now);
        }
    }

    /// Opens or extends the window.
    pub fn open(&mut self, now: Timestamp) {
        self.opened.get_or_insert(now);
        self.last = now;
    }

    /// Whether a window is open.
    pub fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// When the window closes.
    pub fn due(&self) -> Option<Timestamp> {
        let opened = self.opened?;
        Some(self.last.after_ms(self.idle_ms).min(opened.after_ms(self.max_ms)))
    }

    /// Closes the window: a plan is made now.
    pub fn close(&mut self, now: Timestamp) {
        self.pods.clear();
        self.opened = None;
        self.planned_at = Some(now);
        self.changed = false;
    }

    /// When pods that still wait are looked at again.
    pub fn requeued_at(&self, now: Timestamp) -> Timestamp {
        self.planned_at.map_or(now, |at| at.after_ms(REQUEUE_MS)).max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_extended_up_to_its_maximum() {
        let mut batch = Batch::default();
        assert_eq!(batch.due(), None);
        batch.trigger(PodId(0), Timestamp(0));
        assert_eq!(batch.due(), Some(Timestamp(1_000)));
        batch.trigger(PodId(0), Timestamp(500));
        assert_eq!(batch.due(), Some(Timestamp(1_000)), "the same pod counts once");
        for second in 1..20 {
            batch.trigger(PodId(second), Timestamp(i64::from(second) * 900));
        }
        assert_eq!(batch.due(), Some(Timestamp(10_000)));
        batch.close(Timestamp(10_000));
        assert_eq!((batch.due(), batch.requeued_at(Timestamp(12_000))), (None, Timestamp(20_000)));
    }
}
