//! Which pods count for their owner, kept step by step: every controller here works on differences.

use cluster::pod::Stage;
use cluster::{Change, Cluster, Pod, PodId};

/// What a pod is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not seen yet.
    Unknown,
    /// Wanted, not Ready.
    Unready,
    /// Wanted and Ready.
    Ready,
    /// Asked to go.
    Terminating,
    /// Finished with success.
    Succeeded,
    /// Finished with failure.
    Failed,
    /// Gone.
    Gone,
}

impl Standing {
    /// The standing of a pod as it is now. A finished pod is finished even when it was asked to go.
    pub fn of(pod: &Pod) -> Standing {
        match pod.stage {
            Stage::Gone => Standing::Gone,
            Stage::Succeeded => Standing::Succeeded,
            Stage::Failed => Standing::Failed,
            _ if pod.deleted.is_some() => Standing::Terminating,
            Stage::Ready => Standing::Ready,
            _ => Standing::Unready,
        }
    }

    /// `controller.IsPodActive`: neither finished nor asked to go.
    pub fn is_active(self) -> bool {
        matches!(self, Standing::Unready | Standing::Ready)
    }
}

/// A pod's step from one standing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which pod.
    pub pod: PodId,
    /// What it was.
    pub before: Standing,
    /// What it is.
    pub after: Standing,
}

/// The standing of every pod, as last seen.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    known: Vec<Standing>,
}

impl Standings {
    /// The steps that `change` brought. Pods that were never seen (those of t=0) step from `Unknown`.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> Vec<Step> {
        let mut steps = Vec::new();
        for pod in cluster.pods.get(self.known.len()..).unwrap_or(&[]) {
            let after = Standing::of(pod);
            self.known.push(after);
            steps.push(Step { pod: pod.id, before: Standing::Unknown, after });
        }
        if let Some(id) = pod_of(change) {
            let after = Standing::of(cluster.pod(id));
            if let Some(before) = self.known.get_mut(id.0 as usize).filter(|before| **before != after) {
                steps.push(Step { pod: id, before: *before, after });
                *before = after;
            }
        }
        steps
    }

    /// The standing of one pod, as last seen.
    pub fn get(&self, pod: PodId) -> Standing {
        self.known.get(pod.0 as usize).copied().unwrap_or(Standing::Unknown)
    }
}

/// The pod whose standing a change may move.
fn pod_of(change: &Change) -> Option<PodId> {
    match change {
        Change::PodCreated(pod) | Change::PodStage(pod, _) | Change::PodGone(pod) => Some(*pod),
        Change::PodDeleting { pod, .. } => Some(*pod),
        _ => None,
    }
}
