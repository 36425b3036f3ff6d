//! Whether a run still gets anywhere.
//!
//! Retry loops (launch, fail, launch again; crash, back off, restart) go on for ever without changing what is
//! reached. These counts only grow when the cluster gets further than it has ever been.

use std::collections::{BTreeMap, BTreeSet};

use cluster::pod::Stage;
use cluster::{Change, Cluster, NodeId, PodId, Timestamp, WorkloadId};

/// High-water marks of a run.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Pods that are ready or have succeeded.
    counted: BTreeSet<PodId>,
    ready: BTreeMap<WorkloadId, u32>,
    best_ready: BTreeMap<WorkloadId, u32>,
    ready_nodes: BTreeSet<NodeId>,
    best_ready_nodes: usize,
    /// When the last mark was passed.
    pub last: Timestamp,
    /// Retries seen since then.
    pub retries: u32,
}

impl Progress {
    /// Takes one change into account.
    pub fn note(&mut self, change: &Change, cluster: &Cluster) {
        match change {
            Change::PodStage(pod, stage) => {
                let Some(workload) = cluster.pod(*pod).workload else { return };
                match stage {
                    Stage::Ready | Stage::Succeeded => self.pod_ready(*pod, workload, cluster.now),
                    Stage::Running | Stage::Failed => self.pod_unready(*pod, workload),
                    _ => {}
                }
            }
            Change::PodGone(pod) => {
                if let Some(workload) = cluster.pod(*pod).workload {
                    self.pod_unready(*pod, workload);
                }
            }
            Change::NodeReady(node, true) => {
                self.ready_nodes.insert(*node);
                if self.ready_nodes.len() > self.best_ready_nodes {
                    self.best_ready_nodes = self.ready_nodes.len();
                    self.advance(cluster.now);
                }
            }
            Change::NodeReady(node, false) | Change::NodeGone(node) => {
                self.ready_nodes.remove(node);
            }
            Change::ObjectArrived(_)
            | Change::ObjectDeleted(_)
            | Change::WorkloadArrived(_)
            | Change::WorkloadChanged(_)
            | Change::WorkloadDeleted(_)
            | Change::Fault(..)
            | Change::VolumeBound(_) => self.advance(cluster.now),
            Change::ClaimFailed(..)
            | Change::PodRestarted(_)
            | Change::PodRefused { .. }
            | Change::ClaimGone(_) => {
                self.retries = self.retries.saturating_add(1);
            }
            _ => {}
        }
    }

    fn pod_ready(&mut self, pod: PodId, workload: WorkloadId, now: Timestamp) {
        if !self.counted.insert(pod) {
            return;
        }
        let ready = self.ready.entry(workload).or_default();
        *ready += 1;
        let best = self.best_ready.entry(workload).or_default();
        if *ready > *best {
            *best = *ready;
            self.advance(now);
        }
    }

    fn pod_unready(&mut self, pod: PodId, workload: WorkloadId) {
        // A pod that runs for the first time was never ready.
        if !self.counted.remove(&pod) {
            return;
        }
        let ready = self.ready.entry(workload).or_default();
        *ready = ready.saturating_sub(1);
    }

    fn advance(&mut self, now: Timestamp) {
        (self.last, self.retries) = (now, 0);
    }
}
