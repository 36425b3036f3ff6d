//! A finished run: how it ended, and what was there then. Nothing is decided here.

use cluster::timeline::Timeline;
use cluster::{Cluster, Timestamp, Unmet};

use crate::asked::Answer;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything wanted is running and nothing is due.
    Settled,
    /// Nothing can change any more, and something wanted is not running.
    Quiescent,
    /// Only retries that change nothing go on: proven by their having repeated without progress.
    Looping {
        /// When the cluster last got further.
        last_progress: Timestamp,
        /// Retries seen since.
        retries: u32,
    },
    /// Still moving at the profile's horizon.
    Horizon,
    /// A bound of [`Options`] was reached.
    Limit(&'static str),
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The cluster at the end.
    pub cluster: Cluster,
    /// What happened.
    pub timeline: Timeline,
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub ended: Timestamp,
    /// When the cluster last got further: for a settled run, when it converged.
    pub last_progress: Timestamp,
    /// What was wanted and is not there; empty for a settled run.
    pub unmet: Vec<Unmet>,
    /// The cluster at the end of each instant that the script watches; after the end of a run that can change
    /// nothing any more, the last one. Fewer than watched when a limit or the horizon came first.
    pub watched: Vec<Cluster>,
    /// The last scheduling attempt of each pod that was asked about, in the order of the first attempts.
    pub answers: Vec<Answer>,
    /// Effects performed.
    pub events: u64,
    /// Most nodes in the API at once, and most addresses held at once per subnet.
    pub peaks: Peaks,
}

/// High-water marks of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Nodes in the API.
    pub nodes: u32,
    /// The least free addresses each subnet had.
    pub subnet_free: Vec<u32>,
}

impl Run {
    /// Whether everything wanted is running.
    pub fn converged(&self) -> bool {
        self.unmet.is_empty() && matches!(self.end, End::Settled | End::Horizon)
    }
}
