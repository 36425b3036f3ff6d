//! What is wanted and not there.
//!
//! A roll-out that is not complete counts, however many old pods serve: `DeploymentComplete` of `k8s.io/kubernetes`
//! v1.36 `pkg/controller/deployment/util/deployment_util.go` wants all replicas updated and available, and no old one
//! left. It is what `kubectl rollout status` waits for.

use std::collections::BTreeMap;

use crate::node_selector::should_run;
use crate::pod::Stage;
use crate::workload::{POD_TEMPLATE_HASH, Shape};
use crate::{Cluster, Node, NodeId, Pod, PodId, PodTemplate, WorkloadId};

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
            tally.entry(workload).or_default().count(cluster, pod);
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
        let behind = tally.behind(cluster, id);
        if workload.pace.paused && tally.revisions.is_empty() {
            continue; // It is scaled, and there is nothing to scale.
        }
        if let Some(found) = tally.unmet(id, &workload.shape, behind) {
            unmet.push(found);
        }
    }
    unmet
}

/// Which pods of a workload are of its current template: their revision. `None` when it has none of it.
pub fn current_revision(cluster: &Cluster, id: WorkloadId) -> Option<u32> {
    let mut tally = Tally::default();
    let own = cluster.pods.iter().filter(|pod| pod.workload == Some(id));
    own.for_each(|pod| tally.count(cluster, pod));
    tally.current(cluster, id)
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
    revisions: BTreeMap<u32, Revision>,
}

/// The pods of one revision.
struct Revision {
    ready: u32,
    waiting: u32,
    one_of_them: PodId,
}

impl Tally {
    fn count(&mut self, cluster: &Cluster, pod: &Pod) {
        match pod.stage {
            Stage::Succeeded => self.succeeded += 1,
            Stage::Gone | Stage::Failed => {}
            Stage::Ready if pod.deleted.is_none() && cluster.is_available(pod) => {
                self.ready += 1;
                self.revision(pod).ready += 1;
            }
            _ if pod.deleted.is_none() => {
                self.waiting.push(pod.id);
                self.revision(pod).waiting += 1;
            }
            _ => {}
        }
    }

    fn revision(&mut self, pod: &Pod) -> &mut Revision {
        let first = Revision { ready: 0, waiting: 0, one_of_them: pod.id };
        self.revisions.entry(pod.revision).or_insert(first)
    }

    /// The revision of the current template; a single one is it, unless pods of another are refused.
    fn current(&self, cluster: &Cluster, id: WorkloadId) -> Option<u32> {
        if self.revisions.len() == 1 && !cluster.creation_refusals.contains_key(&id) {
            return self.revisions.keys().next().copied();
        }
        let template = &cluster.declared.workload(id).template;
        let is_of_it = |revision: &Revision| is_made_of(cluster.pod(revision.one_of_them), template);
        self.revisions.iter().rev().find(|(_, revision)| is_of_it(revision)).map(|(number, _)| *number)
    }

    /// New pods of a roll-out that are missing while old ones still serve, however many are ready.
    fn behind(&self, cluster: &Cluster, id: WorkloadId) -> u32 {
        let workload = cluster.declared.workload(id);
        if !matches!(workload.shape, Shape::Deployment { .. }) || workload.pace.paused {
            return 0;
        }
        let current = self.current(cluster, id);
        let (new, old): (Vec<_>, Vec<_>) =
            self.revisions.iter().partition(|(number, _)| Some(**number) == current);
        let old_serve = old.iter().any(|(_, revision)| revision.ready > 0);
        let new_wait = new.iter().map(|(_, revision)| revision.waiting).sum::<u32>();
        if old_serve { new_wait.max(1) } else { 0 }
    }

    fn unmet(self, workload: WorkloadId, shape: &Shape, behind: u32) -> Option<Unmet> {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let (wanted, ready) = match shape {
            Shape::Deployment { replicas, .. } => {
                (*replicas, self.ready.min(replicas.saturating_sub(behind)))
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

/// Whether a pod is made from a template, but for what its controller adds; a pod of t=0 also names its node.
fn is_made_of(pod: &Pod, template: &PodTemplate) -> bool {
    let mut own = PodTemplate::clone(&pod.template);
    own.node_name.clone_from(&template.node_name);
    match template.labels.get(POD_TEMPLATE_HASH) {
        Some(hash) => own.labels.insert(POD_TEMPLATE_HASH.into(), hash.clone()),
        None => own.labels.remove(POD_TEMPLATE_HASH),
    };
    own == *template
}

impl Unmet {
    /// The workload that is not there.
    pub fn workload(&self) -> WorkloadId {
        match self {
            Unmet::Workload { workload, .. } | Unmet::NotArrived(workload) => *workload,
        }
    }
}
