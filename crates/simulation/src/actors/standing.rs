//! Which pods count for their owner, kept step by step: every controller here works on differences.

use cluster::pod::Stage;
use cluster::{Change, Cluster, Pod, PodId, Timestamp};

use super::timers::Timers;

/// What a pod is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not seen yet.
    Unknown,
    /// Wanted, not available: not Ready, or not for long enough.
    Unready,
    /// Wanted and available: Ready for `minReadySeconds`.
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
    pub fn of(cluster: &Cluster, pod: &Pod) -> Standing {
        match pod.stage {
            Stage::Gone => Standing::Gone,
            Stage::Succeeded => Standing::Succeeded,
            Stage::Failed => Standing::Failed,
            _ if pod.deleted.is_some() => Standing::Terminating,
            Stage::Ready if cluster.is_available(pod) => Standing::Ready,
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
    /// Pods that are Ready and not available yet.
    ripening: Timers<PodId>,
}

impl Standings {
    /// The steps that `change` brought. Pods that were never seen (those of t=0) step from `Unknown`.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> Vec<Step> {
        let mut steps = Vec::new();
        for pod in cluster.pods.get(self.known.len()..).unwrap_or(&[]) {
            let after = Standing::of(cluster, pod);
            self.known.push(after);
            self.wait_for(pod, cluster);
            steps.push(Step { pod: pod.id, before: Standing::Unknown, after });
        }
        if let Some(id) = pod_of(change) {
            self.wait_for(cluster.pod(id), cluster);
            steps.extend(self.step(id, cluster));
        }
        steps
    }

    /// The steps that only time brought: pods that have been Ready for long enough by now.
    pub fn ripen(&mut self, cluster: &Cluster) -> Vec<Step> {
        let ripe = self.ripening.take_due(cluster.now);
        ripe.into_iter().filter_map(|id| self.step(id, cluster)).collect()
    }

    /// When [`Standings::ripen`] has something to say.
    pub fn next(&self) -> Option<Timestamp> {
        self.ripening.next()
    }

    fn wait_for(&mut self, pod: &Pod, cluster: &Cluster) {
        if let Some(at) = cluster.available_at(pod).filter(|at| *at > cluster.now) {
            self.ripening.set(at, pod.id);
        }
    }

    fn step(&mut self, id: PodId, cluster: &Cluster) -> Option<Step> {
        let after = Standing::of(cluster, cluster.pod(id));
        let before = self.known.get_mut(id.0 as usize).filter(|before| **before != after)?;
        Some(Step { pod: id, before: std::mem::replace(before, after), after })
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
