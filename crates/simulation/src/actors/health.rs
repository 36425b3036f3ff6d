//! When a workload counts as healthy: what Argo CD waits for before the next wave, and Helm after a hook.
//!
//! argoproj/argo-cd v3.1 `gitops-engine/pkg/health/health_{deployment,statefulset,daemonset,job,pod}.go`.
//! ReplicaSets and CronJobs are healthy once they exist.

use std::collections::BTreeMap;

use cluster::template::RestartPolicy;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Timestamp, WorkloadId};

use super::daemonset::eligibility::{daemon_template, should_run};
use super::standing::{Standing, Standings, Step};

/// Counts of every workload's pods.
#[derive(Clone, Debug, Default)]
pub struct Health {
    standings: Standings,
    tallies: BTreeMap<WorkloadId, Tally>,
}

/// One workload's pods.
#[derive(Clone, Debug, Default)]
struct Tally {
    /// Active and Ready pods by revision.
    active: BTreeMap<u32, (u32, u32)>,
    succeeded: u32,
}

impl Health {
    /// Learns a change, and returns the workloads whose health it may have moved.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> Vec<WorkloadId> {
        let steps = self.standings.observe(change, cluster);
        let mut moved = self.take(steps, cluster);
        if let Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) = change {
            moved.push(*workload);
        }
        moved
    }

    /// The workloads whose health only time may have moved.
    pub fn ripen(&mut self, cluster: &Cluster) -> Vec<WorkloadId> {
        let steps = self.standings.ripen(cluster);
        self.take(steps, cluster)
    }

    /// When [`Health::ripen`] has something to say.
    pub fn next(&self) -> Option<Timestamp> {
        self.standings.next()
    }

    fn take(&mut self, steps: Vec<Step>, cluster: &Cluster) -> Vec<WorkloadId> {
        let mut moved = Vec::new();
        for step in steps {
            let pod = cluster.pod(step.pod);
            if let Some(workload) = pod.workload {
                self.tallies.entry(workload).or_default().step(step, pod.revision);
                moved.push(workload);
            }
        }
        moved
    }

    /// Whether the workload is in the API and as it should be.
    pub fn is_healthy(&self, cluster: &Cluster, id: WorkloadId) -> bool {
        if !cluster.arrived.get(id.0 as usize).copied().unwrap_or(false) {
            return false;
        }
        if cluster.deleted_workloads.contains(&id) {
            return true;
        }
        let workload = cluster.declared.workload(id);
        let none = Tally::default();
        let tally = self.tallies.get(&id).unwrap_or(&none);
        match &workload.shape {
            Shape::Deployment { .. } if workload.pace.paused => true, // "Suspended", which nobody waits for.
            Shape::Deployment { replicas, .. } | Shape::StatefulSet { replicas, .. } => {
                tally.all_ready(*replicas)
            }
            Shape::DaemonSet => {
                let template = daemon_template(&workload.template);
                let wanted = |node: &&cluster::Node| should_run(&template, node).0;
                let live = tally.active.values().map(|(active, _)| *active).sum();
                tally.all_ready(live) && cluster.live_nodes().filter(wanted).count() == live as usize
            }
            Shape::Job { completions, .. } => tally.succeeded >= *completions,
            Shape::Pod if workload.template.restart_policy == RestartPolicy::Always => tally.all_ready(1),
            Shape::Pod => tally.succeeded >= 1,
            Shape::ReplicaSet { .. } | Shape::CronJob { .. } => true,
        }
    }
}

impl Tally {
    fn step(&mut self, step: Step, revision: u32) {
        let (active, ready) = self.active.entry(revision).or_default();
        let moved = |counted: &mut u32, before: bool, after: bool| match (before, after) {
            (false, true) => *counted = counted.saturating_add(1),
            (true, false) => *counted = counted.saturating_sub(1),
            _ => {}
        };
        moved(active, step.before.is_active(), step.after.is_active());
        moved(ready, step.before == Standing::Ready, step.after == Standing::Ready);
        if *active == 0 {
            self.active.remove(&revision);
        }
        // A finished pod that is deleted has succeeded all the same.
        if step.after == Standing::Succeeded {
            self.succeeded = self.succeeded.saturating_add(1);
        }
    }

    /// `wanted` pods of one revision, all Ready, and no others.
    fn all_ready(&self, wanted: u32) -> bool {
        let mut revisions = self.active.values();
        match (revisions.next(), revisions.next()) {
            (None, _) => wanted == 0,
            (Some((active, ready)), None) => *active == wanted && *ready == wanted,
            (Some(_), Some(_)) => false,
        }
    }
}
