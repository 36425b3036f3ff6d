//! A scenario that can be played: what changes over virtual time, in terms of the model.
//!
//! How it is written is in `api`; the inputs with a step's changes are lowered again by `verdict`, before the run.

use std::sync::Arc;

use crate::change::Fault;
use crate::{Declared, Location, Name, ObjectKey, Timestamp, WorkloadId};

/// What happens in a run besides what the cluster does by itself.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// In the order of their instants; equal instants in the order written.
    pub steps: Vec<Step>,
    /// Instants whose clusters are kept for expectations, ascending.
    pub watches: Vec<Timestamp>,
    /// A settled cluster is watched up to here: expiry, consolidation and schedules go on.
    pub until: Timestamp,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Where it is written.
    pub location: Location,
    /// What.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Other things are declared from now on.
    Redeclare(Arc<Redeclaration>),
    /// A pod, node or claim is deleted, whether the input knows it or the run made it.
    Delete {
        /// Which.
        target: ObjectKey,
        /// Without a grace period, and without waiting for whoever would confirm it.
        force: bool,
    },
    /// All pods of a workload are deleted.
    DeletePods(ObjectKey),
    /// Nobody hears from a node's kubelet (false), or does again.
    NodeReady(Name, bool),
    /// A fault begins or ends.
    Fault(Fault, bool),
}

/// What a step makes of what was declared.
///
/// Indexes stay valid: what was there keeps its place, deleted or not; what is new stands behind it.
#[derive(Clone, Debug)]
pub struct Redeclaration {
    /// What is declared from now on.
    pub declared: Arc<Declared>,
    /// Workloads that are new.
    pub arrived: Vec<WorkloadId>,
    /// Workloads whose shape or template is another one.
    pub changed: Vec<WorkloadId>,
    /// Workloads that are deleted.
    pub deleted: Vec<WorkloadId>,
    /// Other objects that are new or have changed.
    pub objects: Vec<ObjectKey>,
    /// Other objects that are deleted.
    pub objects_deleted: Vec<ObjectKey>,
    /// Nodes that join, as indexes into [`Declared::nodes`].
    pub nodes: Vec<u32>,
    /// Volume claims that are new, as indexes into [`Declared::volume_claims`].
    pub volume_claims: Vec<u32>,
}

impl Script {
    /// When the last step is due.
    pub fn last_step(&self) -> Option<Timestamp> {
        self.steps.last().map(|step| step.at)
    }

    /// Up to when a run has to go on, whatever has come to rest.
    pub fn awaited(&self) -> Timestamp {
        self.until.max(self.last_step().unwrap_or_default())
    }
}

/// Something that must be true at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Where it is written.
    pub location: Location,
    /// When it must have come about and still be so; `None`: when the run ends.
    pub at: Option<Timestamp>,
    /// What.
    pub what: Expected,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The verdict, by its name.
    Verdict(Name),
    /// So many pods of a workload are ready (finished ones count).
    Running {
        /// The workload, or a bare pod.
        target: ObjectKey,
        /// At least so many.
        at_least: u32,
        /// At most so many.
        at_most: Option<u32>,
    },
    /// So many nodes were made from a NodePool and are not gone.
    Nodes {
        /// The NodePool.
        node_pool: Name,
        /// At least so many.
        at_least: u32,
        /// At most so many.
        at_most: Option<u32>,
    },
}

/// An expectation that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// What was expected.
    pub expectation: Expectation,
    /// What was there.
    pub found: Found,
}

/// What was there in place of what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This verdict.
    Verdict(Name),
    /// So many.
    Count(u32),
    /// The run ended before that instant, at a limit: nothing can be said.
    NotReached(Timestamp),
    /// There is no such object.
    NoSuchObject,
}
