//! A pod and how far it has come.

use std::sync::Arc;

use crate::template::PodTemplate;
use crate::waiting::Waiting;
use crate::{Name, NodeId, Timestamp, WorkloadId};

/// A pod's index in [`crate::Cluster::pods`]; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct PodId(pub u32);

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Its index.
    pub id: PodId,
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// The workload it counts for; `None` for bare pods.
    pub workload: Option<WorkloadId>,
    /// What it was made from.
    pub template: Arc<PodTemplate>,
    /// The workload's revision it was made from.
    pub revision: u32,
    /// StatefulSet ordinal, Job index, or 0.
    pub ordinal: u32,
    /// DaemonSet pods are made for one node.
    pub for_node: Option<NodeId>,
    /// When it was created.
    pub created: Timestamp,
    /// How far it has come.
    pub stage: Stage,
    /// Since when it is in `stage`.
    pub since: Timestamp,
    /// The node it is bound to.
    pub node: Option<NodeId>,
    /// The node that preemption reserved for it.
    pub nominated: Option<NodeId>,
    /// Whether it holds an address.
    pub addressed: bool,
    /// Container restarts so far.
    pub restarts: u32,
    /// `metadata.deletionTimestamp`: when it was asked to go.
    pub deleted: Option<Timestamp>,
    /// Why it is not further, and since when. Cleared on every step forward.
    pub waiting: Option<(Timestamp, Waiting)>,
}

/// How far a pod has come. Ordered: a later stage is further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Stage {
    /// Not bound to a node.
    Pending,
    /// Bound; the sandbox (address, volumes) is not ready. `ContainerCreating`.
    Bound,
    /// The sandbox is ready; images are pulled and containers are started.
    Starting,
    /// Containers run, not Ready. Includes the pauses of `CrashLoopBackOff`.
    Running,
    /// Ready.
    Ready,
    /// Finished with success.
    Succeeded,
    /// Finished with failure.
    Failed,
    /// Deleted; the entry stays so that ids stay valid.
    Gone,
}

impl Pod {
    /// Whether it holds room on its node: bound and neither finished nor gone.
    pub fn holds_node(&self) -> bool {
        self.node.is_some() && !self.is_over()
    }

    /// Finished or gone.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Succeeded | Stage::Failed | Stage::Gone)
    }

    /// In the API and not asked to go.
    pub fn is_wanted(&self) -> bool {
        self.deleted.is_none() && !self.is_over()
    }
}

/// A pod to be created.
#[derive(Clone, Debug)]
pub struct NewPod {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// See [`Pod::workload`].
    pub workload: Option<WorkloadId>,
    /// See [`Pod::template`].
    pub template: Arc<PodTemplate>,
    /// See [`Pod::revision`].
    pub revision: u32,
    /// See [`Pod::ordinal`].
    pub ordinal: u32,
    /// See [`Pod::for_node`].
    pub for_node: Option<NodeId>,
}
