//! DaemonSets: one pod on every node that they are meant for.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/daemon` `daemon_controller.go` (`podsShouldBeOnNode`) and `update.go`
//! (`rollingUpdate`); which nodes those are is in [`eligibility`].
//!
//! Not modelled: `updateStrategy` other than the default (`RollingUpdate`, `maxUnavailable: 1`, no surge).

pub mod eligibility;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::NewPod;
use cluster::workload::Shape;
use cluster::{Change, Cluster, NodeId, ObjectKey, Pod, PodId, PodTemplate, Timestamp, WorkloadId};

use self::eligibility::{daemon_template, should_run};
use super::backoff::Backoff;
use super::creation::Creation;
use super::names;
use super::standing::{Standing, Standings, Step};
use super::timers::{Timers, earliest};
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// `maxUnavailable` of the default update strategy.
const MAX_UNAVAILABLE: usize = 1;
/// `failedPodsBackoff`: how soon a failed daemon pod is replaced again.
const FAILED_BASE_MS: i64 = 1_000;
const FAILED_CAP_MS: i64 = 15 * 60_000;

/// The DaemonSet controller.
#[derive(Clone, Debug, Default)]
pub struct DaemonSets {
    standings: Standings,
    daemons: BTreeMap<WorkloadId, Daemon>,
    dirty: BTreeSet<WorkloadId>,
    stuck: BTreeSet<WorkloadId>,
    timers: Timers<(WorkloadId, Option<NodeId>)>,
    nodes_seen: usize,
}

/// One DaemonSet.
#[derive(Clone, Debug)]
struct Daemon {
    key: ObjectKey,
    /// Declared template and the pods' template, by revision.
    revisions: Vec<(Arc<PodTemplate>, Arc<PodTemplate>)>,
    current: u32,
    /// Pods by node that are not gone.
    pods: BTreeMap<NodeId, BTreeSet<PodId>>,
    /// Pods of earlier revisions among them.
    old: BTreeSet<PodId>,
    /// Nodes to look at.
    due: BTreeSet<NodeId>,
    /// Nodes that need a pod.
    lacking: BTreeSet<NodeId>,
    /// Nodes for which a pod is on its way.
    asked: BTreeSet<NodeId>,
    creation: Creation,
    failures: BTreeMap<NodeId, Backoff>,
    next_index: u32,
    deleted: bool,
}

impl Actor for DaemonSets {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        self.see_nodes(cluster);
        for step in self.standings.observe(change, cluster) {
            self.pod_stepped(step, cluster);
        }
        match change {
            Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) => {
                self.arrive(*workload, cluster)
            }
            Change::WorkloadDeleted(workload) => {
                self.daemons.entry(*workload).and_modify(|daemon| daemon.deleted = true);
                self.dirty.insert(*workload);
            }
            Change::NodeRegistered(node) | Change::NodeUpdated(node) | Change::NodeGone(node) => {
                self.look_at(*node)
            }
            Change::PodRefused { workload, why } => {
                if let Some(daemon) = self.daemons.get_mut(workload) {
                    daemon.creation.refused(why.clone(), cluster.now);
                    self.stuck.insert(*workload);
                    self.dirty.insert(*workload);
                }
            }
            _ => self.reconsider(change, cluster),
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        for step in self.standings.ripen(context.cluster) {
            self.pod_stepped(step, context.cluster);
        }
        for (workload, node) in self.timers.take_due(context.cluster.now) {
            if let Some(daemon) = self.daemons.get_mut(&workload) {
                daemon.due.extend(node);
                self.dirty.insert(workload);
            }
        }
        for workload in std::mem::take(&mut self.dirty) {
            if let Some(daemon) = self.daemons.get_mut(&workload) {
                daemon.sync(workload, context.cluster, &mut self.timers, effects);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        earliest(self.timers.next(), self.standings.next())
    }
}

impl DaemonSets {
    fn see_nodes(&mut self, cluster: &Cluster) {
        for node in cluster.nodes.get(self.nodes_seen..).unwrap_or(&[]) {
            self.look_at(node.id);
        }
        self.nodes_seen = cluster.nodes.len();
    }

    fn look_at(&mut self, node: NodeId) {
        for (workload, daemon) in &mut self.daemons {
            daemon.due.insert(node);
            self.dirty.insert(*workload);
        }
    }

    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let declared = cluster.declared.workload(workload);
        if declared.shape != Shape::DaemonSet {
            return;
        }
        let daemon = self.daemons.entry(workload).or_insert_with(|| Daemon::new(declared.key.clone()));
        daemon.deleted = false;
        daemon.adopt_template(&declared.template, cluster);
        daemon.due.extend(cluster.live_nodes().map(|node| node.id));
        self.dirty.insert(workload);
    }

    fn pod_stepped(&mut self, step: Step, cluster: &Cluster) {
        let pod = cluster.pod(step.pod);
        let Some(workload) = pod.workload else { return };
        let declared = cluster.declared.workload(workload);
        if declared.shape != Shape::DaemonSet {
            return;
        }
        let daemon = self.daemons.entry(workload).or_insert_with(|| Daemon::new(declared.key.clone()));
        daemon.pod_stepped(step, pod);
        self.dirty.insert(workload);
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let mut freed = Vec::new();
        for workload in &self.stuck {
            let Some(daemon) = self.daemons.get_mut(workload) else { continue };
            if let Some(at) = daemon.creation.reconsider(change, cluster) {
                self.timers.set(at, (*workload, None));
            }
            if !daemon.creation.is_stuck() {
                freed.push(*workload);
            }
        }
        freed.iter().for_each(|workload| {
            self.stuck.remove(workload);
        });
    }
}

impl Daemon {
    fn new(key: ObjectKey) -> Daemon {
        Daemon {
            key,
            revisions: Vec::new(),
            current: 0,
            pods: BTreeMap::new(),
            old: BTreeSet::new(),
            due: BTreeSet::new(),
            lacking: BTreeSet::new(),
            asked: BTreeSet::new(),
            creation: Creation::default(),
            failures: BTreeMap::new(),
            next_index: 0,
            deleted: false,
        }
    }

    /// Makes `template` the current revision: an earlier one if it is the same, else a new one.
    fn adopt_template(&mut self, template: &Arc<PodTemplate>, cluster: &Cluster) {
        let known = self.revisions.iter().position(|(source, _)| **source == **template);
        let current = known.unwrap_or(self.revisions.len());
        self.current = u32::try_from(current).unwrap_or(u32::MAX);
        if known.is_none() {
            let mut pods_template = daemon_template(template);
            let hash = names::revision_hash(&self.key, self.current);
            pods_template.labels.insert("controller-revision-hash".into(), hash);
            self.revisions.push((Arc::clone(template), Arc::new(pods_template)));
        }
        let revision = self.current;
        let is_old = |pod: &PodId| cluster.pod(*pod).revision != revision;
        self.old = self.pods.values().flatten().copied().filter(is_old).collect();
    }

    fn pod_stepped(&mut self, step: Step, pod: &Pod) {
        let Some(node) = pod.for_node.or(pod.node) else { return };
        if step.before == Standing::Unknown {
            self.next_index = self.next_index.saturating_add(1);
            self.creation.created();
            self.asked.remove(&node);
        }
        if step.after == Standing::Gone {
            if let Some(pods) = self.pods.get_mut(&node) {
                pods.remove(&step.pod);
                if pods.is_empty() {
                    self.pods.remove(&node);
                }
            }
        } else {
            self.pods.entry(node).or_default().insert(step.pod);
        }
        if step.after.is_active() && !self.revisions.is_empty() && pod.revision != self.current {
            self.old.insert(step.pod);
        } else {
            self.old.remove(&step.pod);
        }
        self.due.insert(node);
    }

    fn sync(
        &mut self,
        workload: WorkloadId,
        cluster: &Cluster,
        timers: &mut Timers<(WorkloadId, Option<NodeId>)>,
        effects: &mut Effects,
    ) {
        if self.deleted {
            let active = self.pods.values().flatten().filter(|pod| cluster.pod(**pod).is_wanted());
            active.for_each(|pod| effects.now(Effect::DeletePod(*pod, DeletionCause::Owner)));
            return;
        }
        for node in std::mem::take(&mut self.due) {
            if let Some(again) = self.look(cluster, node, effects) {
                timers.set(again, (workload, Some(node)));
            }
        }
        if !self.old.is_empty() {
            self.roll(cluster, effects);
        }
        self.create(workload, cluster, effects);
    }

    /// `podsShouldBeOnNode`. Returns when to look again, where a failed pod is held back.
    fn look(&mut self, cluster: &Cluster, node: NodeId, effects: &mut Effects) -> Option<Timestamp> {
        self.lacking.remove(&node);
        let (_, template) = self.revisions.get(self.current as usize)?;
        let (should_run, should_continue) = should_run(template, cluster.node(node));
        let Some(pods) = self.pods.get(&node) else {
            if should_run && !self.asked.contains(&node) {
                self.lacking.insert(node);
            }
            return None;
        };
        let mut again = None;
        let mut running = Vec::new();
        for pod in pods.iter().map(|pod| cluster.pod(*pod)) {
            match Standing::of(cluster, pod) {
                Standing::Unready | Standing::Ready => running.push(pod.id),
                Standing::Succeeded if pod.deleted.is_none() => {
                    effects.now(Effect::DeletePod(pod.id, DeletionCause::Owner));
                }
                Standing::Failed if pod.deleted.is_none() => {
                    let fresh = || Backoff::new(FAILED_BASE_MS, FAILED_CAP_MS);
                    let backoff = self.failures.entry(node).or_insert_with(fresh);
                    if backoff.failures() > 0 && backoff.next() > cluster.now {
                        again = Some(backoff.next());
                    } else {
                        backoff.fail(cluster.now);
                        effects.now(Effect::DeletePod(pod.id, DeletionCause::Owner));
                    }
                }
                _ => {}
            }
        }
        let kept = usize::from(should_continue);
        for pod in running.into_iter().skip(kept) {
            effects.now(Effect::DeletePod(pod, DeletionCause::Owner));
        }
        again
    }

    /// `rollingUpdate` without surge: old pods that are not available go at once, the others as far as
    /// `maxUnavailable` allows.
    fn roll(&mut self, cluster: &Cluster, effects: &mut Effects) {
        let mut unavailable = self.lacking.len() + self.asked.len();
        let mut candidates = Vec::new();
        for pods in self.pods.values() {
            let mut active = pods.iter().map(|pod| cluster.pod(*pod)).filter(|pod| pod.is_wanted());
            match active.next() {
                None => unavailable += 1,
                Some(pod) if cluster.is_available(pod) => {
                    if self.old.contains(&pod.id) {
                        candidates.push(pod.id);
                    }
                }
                Some(pod) => {
                    unavailable += 1;
                    if self.old.contains(&pod.id) {
                        effects.now(Effect::DeletePod(pod.id, DeletionCause::Owner));
                    }
                }
            }
        }
        for pod in candidates.into_iter().take(MAX_UNAVAILABLE.saturating_sub(unavailable)) {
            effects.now(Effect::DeletePod(pod, DeletionCause::Owner));
        }
    }

    fn create(&mut self, workload: WorkloadId, cluster: &Cluster, effects: &mut Effects) {
        if self.creation.in_flight() == 0 {
            // What was asked for and did not come was refused.
            self.lacking.append(&mut self.asked);
        }
        let wanted = u32::try_from(self.lacking.len()).unwrap_or(u32::MAX);
        let batch = self.creation.request(wanted, cluster.now);
        let Some((_, template)) = self.revisions.get(self.current as usize) else { return };
        for offset in 0..batch {
            let Some(node) = self.lacking.pop_first() else { break };
            self.asked.insert(node);
            effects.now(Effect::CreatePod(Box::new(NewPod {
                namespace: self.key.namespace.clone(),
                name: names::indexed(&self.key.name, self.next_index.saturating_add(offset)),
                workload: Some(workload),
                template: Arc::clone(template),
                revision: self.current,
                ordinal: 0,
                for_node: Some(node),
            })));
        }
    }
}

#[cfg(test)]
mod tests;
