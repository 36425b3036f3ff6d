//! An effect that waits for its instant.

use cluster::Timestamp;

use crate::effect::Effect;

/// An effect and its place in the total order.
pub(crate) struct Queued {
    /// When.
    pub(crate) at: Timestamp,
    /// Which of the effects of that instant.
    pub(crate) sequence: u64,
    /// What.
    pub(crate) effect: Effect,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Queued) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Queued) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Queued) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}
