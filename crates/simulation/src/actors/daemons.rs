//! On which nodes a DaemonSet's program runs, and since when.
//!
//! An input without a workload that runs the program says nothing about it: then it counts as running from the
//! moment a node registers.

use std::collections::{BTreeMap, BTreeSet};

use cluster::role::Program;
use cluster::{Change, Cluster, NodeId, PodId, Timestamp, WorkloadId};

use super::cni::{is_declared, runs};

/// Where one program runs.
#[derive(Clone, Debug)]
pub struct Daemons {
    program: Program,
    declared: Option<bool>,
    running: BTreeMap<NodeId, (PodId, Timestamp)>,
    /// The workload of the program's pods, once one was seen.
    pub workload: Option<WorkloadId>,
}

impl Daemons {
    /// Of this program.
    pub fn of(program: Program) -> Daemons {
        Daemons { program, declared: None, running: BTreeMap::new(), workload: None }
    }

    /// Learns one change; nodes on which the program started or stopped are added to `touched`.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster, touched: &mut BTreeSet<NodeId>) {
        if self.declared.is_none() {
            self.declared = Some(is_declared(cluster, self.program));
            for pod in &cluster.pods {
                self.look_at(pod.id, cluster, touched);
            }
        }
        match change {
            Change::PodStage(pod, _)
            | Change::PodGone(pod)
            | Change::PodRestarted(pod)
            | Change::PodWaits(pod, _) => {
                self.look_at(*pod, cluster, touched);
            }
            Change::NodeGone(node) => {
                self.running.remove(node);
            }
            _ => {}
        }
    }

    fn look_at(&mut self, pod: PodId, cluster: &Cluster, touched: &mut BTreeSet<NodeId>) {
        let pod = cluster.pod(pod);
        if pod.template.role.program != self.program {
            return;
        }
        self.workload = self.workload.or(pod.workload);
        let Some(node) = pod.node else { return };
        match self.running.get(&node) {
            Some((known, _)) if *known == pod.id && !runs(pod) => {
                self.running.remove(&node);
                touched.insert(node);
            }
            None if runs(pod) => {
                self.running.insert(node, (pod.id, cluster.now));
                touched.insert(node);
            }
            _ => {}
        }
    }

    /// Since when the program runs on a node; `None` when it does not.
    pub fn since(&self, node: NodeId, cluster: &Cluster) -> Option<Timestamp> {
        match self.declared {
            Some(false) => Some(cluster.node(node).created),
            _ => self.running.get(&node).map(|(_, since)| *since),
        }
    }

    /// Whether the program runs on any node.
    pub fn runs_anywhere(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether the input has the program at all.
    pub fn is_declared(&self) -> bool {
        self.declared == Some(true)
    }
}
