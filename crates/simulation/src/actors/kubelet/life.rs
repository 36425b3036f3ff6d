//! Where the kubelet is with a pod, and what falls due for it. Only names here; the steps are in [`super`].

use cluster::waiting::CrashCause;
use cluster::{PodId, Waiting};

/// Where the kubelet is with a pod. `plan` numbers its plans, so that alarms of earlier ones are void.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) phase: Phase,
    pub(super) plan: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not bound, or the sandbox is not ready.
    Sandbox,
    /// Images are pulled and containers started.
    Starting,
    /// Containers run or are held back.
    Running,
    /// The pod is Ready.
    Ready,
    /// Containers are being stopped.
    Stopping,
    /// Deleted by force: nobody waits for the kubelet.
    Forced,
    /// Nothing more to do.
    Over,
}

/// Something that falls due for a pod, unless its plan has changed by then.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    pub(super) pod: PodId,
    pub(super) plan: u32,
    pub(super) what: What,
}

/// What falls due.
#[derive(Clone, Debug)]
pub(super) enum What {
    Started,
    StartedBroken(CrashCause),
    ImageRefused(Waiting),
    Replan,
    Restart,
    Ready,
    DeadlinePassed,
    Stopped,
}
