//! What makes pods: Deployments, StatefulSets, DaemonSets, Jobs, CronJobs, ReplicaSets and bare pods.

use std::sync::Arc;

use crate::arrival::Arrival;
use crate::labels::LabelSelector;
use crate::location::Location;
use crate::template::PodTemplate;
use crate::{Name, ObjectKey};

/// The label by which a Deployment's controller tells the pods of one revision from those of another.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// A workload's index in [`crate::Declared::workloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct WorkloadId(pub u32);

/// Something that makes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// The object as it is known in the cluster.
    pub key: ObjectKey,
    /// Where it is written (the profile, for an add-on that the profile brings).
    pub location: Location,
    /// How it makes pods.
    pub shape: Shape,
    /// What they are made from.
    pub template: Arc<PodTemplate>,
    /// `spec.selector`.
    pub selector: LabelSelector,
    /// When it arrives.
    pub arrival: Arrival,
    /// The profile says that its pods are already running at t=0.
    pub running_at_start: bool,
    /// How its controller goes about it.
    pub pace: Pace,
}

/// When a controller goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// `minReadySeconds`: how long a pod is Ready before it counts as available. Milliseconds.
    pub min_ready_ms: i64,
    /// `paused`: a Deployment is scaled, and not rolled.
    pub paused: bool,
}

/// How a workload makes pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A Deployment.
    Deployment {
        /// `spec.replicas`.
        replicas: u32,
        /// `strategy: Recreate`.
        recreate: bool,
        /// Pods above `replicas` during a roll-out, resolved to a number.
        max_surge: u32,
        /// Pods below `replicas` during a roll-out, resolved to a number.
        max_unavailable: u32,
    },
    /// A ReplicaSet without a Deployment.
    ReplicaSet {
        /// `spec.replicas`.
        replicas: u32,
    },
    /// A StatefulSet.
    StatefulSet {
        /// `spec.replicas`.
        replicas: u32,
        /// `podManagementPolicy: Parallel`.
        parallel: bool,
    },
    /// A DaemonSet.
    DaemonSet,
    /// A Job.
    Job {
        /// `spec.completions` (1 where absent).
        completions: u32,
        /// `spec.parallelism` (1 where absent).
        parallelism: u32,
        /// `spec.backoffLimit` (6 where absent).
        backoff_limit: u32,
        /// `ttlSecondsAfterFinished`, in milliseconds.
        ttl_ms: Option<i64>,
        /// How long a pod runs before it succeeds, from the profile's `runtimes`. Milliseconds.
        duration_ms: i64,
    },
    /// A CronJob.
    CronJob {
        /// The schedule as written.
        schedule: Name,
        /// `spec.suspend`.
        suspended: bool,
        /// The Job it makes.
        job: Box<Shape>,
    },
    /// A bare pod.
    Pod,
}

impl Shape {
    /// How many pods are wanted at once, where that is a number of the workload's own.
    pub fn replicas(&self) -> Option<u32> {
        match self {
            Shape::Deployment { replicas, .. }
            | Shape::ReplicaSet { replicas }
            | Shape::StatefulSet { replicas, .. } => Some(*replicas),
            Shape::Job { completions, parallelism, .. } => Some(*completions.min(parallelism)),
            Shape::Pod => Some(1),
            Shape::DaemonSet | Shape::CronJob { .. } => None,
        }
    }
}
