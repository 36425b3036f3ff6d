//! What happened, in order.

use crate::{Change, Timestamp};

/// Everything that happened in a run, in the order it happened. The index is the entry's sequence number.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}
