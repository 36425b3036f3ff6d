//! What is wanted and not there.

use std::collections::BTreeMap;

use crate::node_selector::should_run;
use crate::pod::Stage;
use crate::workload::Shape;
use crate::{Cluster, Node, NodeId, PodId, WorkloadId};

/// Something wanted that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A workload whose pods are not all running (or finished, for a Job).
    Workload {
        /// Which.
        workload: WorkloadId,
        /// Pods wanted at once; for a DaemonSet, pods there should be.
        wanted: u32,
        /// Pods ready (or completions).
        ready: u32,
        /// Its pods that are neither ready nor finished, in id order.
        waiting: Vec<PodId>,
    },
    /// A workload that has not arrived: an earlier wave or hook is not done.
    NotArrived(WorkloadId),
}

/// Everything wanted that is not there, in the order of the workloads.
pub fn unmet(cluster: &Cluster) -> Vec<Unmet> {
    let mut tally: BTreeMap<WorkloadId, Tally> = BTreeMap::new();
    for (workload, count) in &cluster.completed {
        tally.entry(*workload).or_default().succeeded = *count;
    }
    for pod in &cluster.pods {
        if let Some(workload) = pod.workload {
            tally.entry(workload).or_default().count(pod);
        }
    }
    let mut unmet = Vec::new();
    for (id, workload) in cluster.declared.workload_ids() {
        if !cluster.arrived[id.0 as usize] {
            unmet.push(Unmet::NotArrived(id));
            continue;
        }
        if cluster.deleted_workloads.contains(&id) {
            continue;
        }
        let mut tally = tally.remove(&id).unwrap_or_default();
        if cluster.creation_refusals.contains_key(&id) {
            tally.refused = refused(cluster, id);
        }
        if let Some(found) = tally.unmet(id, &workload.shape) {
            unmet.push(found);
        }
    }
    unmet
}

/// The pods that a workload whose pods are refused lacks: a DaemonSet's one a node, else the one that was tried.
fn refused(cluster: &Cluster, id: WorkloadId) -> u32 {
    let workload = cluster.declared.workload(id);
    if workload.shape != Shape::DaemonSet {
        return 1;
    }
    let has = |node: NodeId| {
        let mut own = cluster.live_pods().filter(|pod| pod.workload == Some(id));
        own.any(|pod| pod.for_node.or(pod.node) == Some(node))
    };
    let lacking = |node: &&Node| should_run(&workload.template, node).0 && !has(node.id);
    u32::try_from(cluster.live_nodes().filter(lacking).count()).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Tally {
    ready: u32,
    succeeded: u32,
    waiting: Vec<PodId>,
    /// Pods that the API server refuses, where the shape does not say how many there should be.
    refused: u32,
    /// Ready and waiting pods by revision.
    revisions: BTreeMap<u32, (u32, u32)>,
}

impl Tally {
    fn count(&mut self, pod: &crate::Pod) {
        match pod.stage {
            Stage::Succeeded => self.succeeded += 1,
            Stage::Gone | Stage::Failed => {}
            Stage::Ready if pod.deleted.is_none() => {
                self.ready += 1;
                self.revisions.entry(pod.revision).or_default().0 += 1;
            }
            _ if pod.deleted.is_none() => {
                self.waiting.push(pod.id);
                self.revisions.entry(pod.revision).or_default().1 += 1;
            }
            _ => {}
        }
    }

    /// New pods of a roll-out that are not there yet while old ones still serve: the roll-out is not complete,
    /// however many are ready.
    fn rolling(&self) -> u32 {
        let Some((newest, (_, waiting))) = self.revisions.last_key_value() else { return 0 };
        let old_serve = self.revisions.range(..newest).any(|(_, (ready, _))| *ready > 0);
        if old_serve { *waiting } else { 0 }
    }

    fn unmet(self, workload: WorkloadId, shape: &Shape) -> Option<Unmet> {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let (wanted, ready) = match shape {
            Shape::Deployment { replicas, .. } => {
                (*replicas, self.ready.min(replicas.saturating_sub(self.rolling())))
            }
            Shape::ReplicaSet { replicas } | Shape::StatefulSet { replicas, .. } => (*replicas, self.ready),
            Shape::DaemonSet => (self.ready.saturating_add(waiting).saturating_add(self.refused), self.ready),
            Shape::Job { completions, .. } => (*completions, self.succeeded),
            Shape::CronJob { .. } => (waiting.max(self.refused), 0),
            Shape::Pod => (1, self.ready + self.succeeded),
        };
        (ready < wanted).then_some(Unmet::Workload { workload, wanted, ready, waiting: self.waiting })
    }
}

impl Unmet {
    /// The workload that is not there.
    pub fn workload(&self) -> WorkloadId {
        match self {
            Unmet::Workload { workload, .. } | Unmet::NotArrived(workload) => *workload,
        }
    }
}
