//! Deployments and ReplicaSets: as many pods as asked for, rolled from one template to the next.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/deployment`; the arithmetic is in [`super::rollout`], the pods of
//! one revision in [`super::replica_set`]. A template that was there before gets its old revision back.
//!
//! While it is paused only sizes change (`sync.go` `sync`): a template without a set gets none.
//!
//! Not modelled: `progressDeadlineSeconds` (it changes nothing but a condition), `revisionHistoryLimit`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::workload::{POD_TEMPLATE_HASH, Shape};
use cluster::{Change, Cluster, ObjectKey, PodId, PodTemplate, Timestamp, WorkloadId};

use super::replica_set::ReplicaSet;
use super::rollout::{self, Goal, Size};
use super::standing::{Standings, Step};
use super::timers::{Timers, earliest};
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The Deployment and ReplicaSet controllers, for all workloads of those kinds.
#[derive(Clone, Debug, Default)]
pub struct Deployments {
    standings: Standings,
    rollouts: BTreeMap<WorkloadId, Rollout>,
    dirty: BTreeSet<WorkloadId>,
    stuck: BTreeSet<WorkloadId>,
    retries: Timers<WorkloadId>,
}

/// One workload's revisions.
#[derive(Clone, Debug)]
struct Rollout {
    key: ObjectKey,
    /// In the order of their creation; the index is the revision.
    sets: Vec<ReplicaSet>,
    notes: Vec<(i64, i64)>,
    /// Pods seen at t=0 are counted; later sizes are the controller's own.
    adopted: bool,
    deleted: bool,
}

impl Actor for Deployments {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for step in self.standings.observe(change, cluster) {
            self.pod_stepped(step, cluster);
        }
        match change {
            Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) => {
                self.arrive(*workload, cluster)
            }
            Change::WorkloadDeleted(workload) => self.delete(*workload),
            Change::PodRefused { workload, why } => {
                let Some(rollout) = self.rollouts.get_mut(workload) else { return };
                for set in rollout.sets.iter_mut().filter(|set| set.creation.in_flight() > 0).take(1) {
                    set.creation.refused(why.clone(), cluster.now);
                }
                self.stuck.insert(*workload);
                self.dirty.insert(*workload);
            }
            _ => self.reconsider(change, cluster),
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        for step in self.standings.ripen(context.cluster) {
            self.pod_stepped(step, context.cluster);
        }
        self.dirty.extend(self.retries.take_due(context.cluster.now));
        for workload in std::mem::take(&mut self.dirty) {
            if let Some(rollout) = self.rollouts.get_mut(&workload) {
                rollout.sync(workload, context.cluster, effects);
            }
        }
    }

    fn hops_behind(&self) -> u8 {
        1
    }

    fn wake_at(&self) -> Option<Timestamp> {
        earliest(self.retries.next(), self.standings.next())
    }
}

impl Deployments {
    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::Deployment { .. } | Shape::ReplicaSet { .. }) {
            return;
        }
        let rollout = self.rollouts.entry(workload).or_insert_with(|| Rollout::new(declared.key.clone()));
        rollout.deleted = false;
        self.dirty.insert(workload);
    }

    fn pod_stepped(&mut self, step: Step, cluster: &Cluster) {
        let pod = cluster.pod(step.pod);
        let Some(workload) = pod.workload else { return };
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::Deployment { .. } | Shape::ReplicaSet { .. }) {
            return;
        }
        let rollout = self.rollouts.entry(workload).or_insert_with(|| Rollout::new(declared.key.clone()));
        let single = matches!(declared.shape, Shape::ReplicaSet { .. });
        let revision = if single { 0 } else { pod.revision };
        // The pods of t=0 were made from what is declared, even where one names its node.
        let template = if rollout.sets.is_empty() { &declared.template } else { &pod.template };
        rollout.set_of(revision, template, single).observe(step);
        self.dirty.insert(workload);
    }

    fn delete(&mut self, workload: WorkloadId) {
        if let Some(rollout) = self.rollouts.get_mut(&workload) {
            rollout.deleted = true;
            self.dirty.insert(workload);
        }
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let mut freed = Vec::new();
        for workload in &self.stuck {
            let sets = self.rollouts.get_mut(workload).map(|rollout| &mut rollout.sets);
            for set in sets.into_iter().flatten() {
                if let Some(at) = set.creation.reconsider(change, cluster) {
                    self.retries.set(at, *workload);
                }
                if !set.creation.is_stuck() {
                    freed.push(*workload);
                }
            }
        }
        for workload in freed {
            let stuck = |rollout: &Rollout| rollout.sets.iter().any(|set| set.creation.is_stuck());
            if !self.rollouts.get(&workload).is_some_and(stuck) {
                self.stuck.remove(&workload);
            }
        }
    }
}

impl Rollout {
    fn new(key: ObjectKey) -> Rollout {
        Rollout { key, sets: Vec::new(), notes: Vec::new(), adopted: false, deleted: false }
    }

    /// The set of a revision, made with all earlier ones if it is not there yet.
    fn set_of(&mut self, revision: u32, template: &Arc<PodTemplate>, single: bool) -> &mut ReplicaSet {
        // A revision beyond any sane history would only come from a broken input: it shares the last set.
        const MOST_REVISIONS: u32 = 1_000;
        let revision = revision.min(MOST_REVISIONS);
        let label = (!single).then_some(POD_TEMPLATE_HASH);
        while self.sets.len() <= revision as usize {
            let index = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            self.sets.push(ReplicaSet::new(&self.key, template, index, label));
            self.notes.push((0, 0));
        }
        &mut self.sets[revision as usize]
    }

    fn sync(&mut self, workload: WorkloadId, cluster: &Cluster, effects: &mut Effects) {
        let declared = cluster.declared.workload(workload);
        if self.deleted {
            return self.delete_pods(effects);
        }
        match declared.shape {
            Shape::ReplicaSet { replicas } => {
                let set = self.set_of(0, &declared.template, true);
                set.desired = replicas;
                if *set.source != *declared.template {
                    set.replace_template(&declared.template);
                }
            }
            Shape::Deployment { replicas, recreate, max_surge, max_unavailable } => {
                let max_surge = if recreate { 0 } else { i64::from(max_surge) };
                let max_unavailable = i64::from(max_unavailable);
                let goal = Goal { replicas: i64::from(replicas), recreate, max_surge, max_unavailable };
                self.resize(goal, &declared.template, declared.pace.paused);
            }
            _ => return,
        }
        let related: Vec<PodId> = if self.sets.iter().any(|set| set.active().len() > set.desired as usize) {
            self.sets.iter().flat_map(|set| set.active().iter().copied()).collect()
        } else {
            Vec::new()
        };
        for set in &mut self.sets {
            set.manage((workload, &self.key), related.iter().copied(), cluster, effects);
        }
    }

    /// Runs the controller's syncs until none resizes anything.
    fn resize(&mut self, goal: Goal, template: &Arc<PodTemplate>, paused: bool) {
        if paused && self.sets.is_empty() {
            return;
        }
        let new = if paused { self.known(template) } else { self.current(template) };
        if !std::mem::replace(&mut self.adopted, true) {
            for (set, notes) in self.sets.iter_mut().zip(&mut self.notes) {
                set.desired = u32::try_from(set.active().len()).unwrap_or(u32::MAX);
                *notes = (goal.replicas, goal.replicas + goal.max_surge);
            }
        }
        let size = |(set, notes): (&ReplicaSet, &(i64, i64))| Size {
            desired: i64::from(set.desired),
            available: i64::from(set.ready()),
            pods: i64::from(set.unfinished()),
            noted_replicas: notes.0,
            noted_max: notes.1,
        };
        let mut sizes: Vec<Size> = self.sets.iter().zip(&self.notes).map(size).collect();
        // Each sync only moves towards its goal; two per set and one for a change of scale are enough.
        for _ in 0..2 * sizes.len() + 2 {
            let resized = match paused {
                true => rollout::sync_paused(goal, &mut sizes, new),
                false => rollout::sync(goal, &mut sizes, new),
            };
            if !resized {
                break;
            }
        }
        for ((set, notes), size) in self.sets.iter_mut().zip(&mut self.notes).zip(sizes) {
            set.desired = u32::try_from(size.desired).unwrap_or(0);
            *notes = (size.noted_replicas, size.noted_max);
        }
    }

    fn find(&self, template: &Arc<PodTemplate>) -> Option<usize> {
        let same = |set: &ReplicaSet| Arc::ptr_eq(&set.source, template) || *set.source == **template;
        self.sets.iter().rposition(same)
    }

    /// The set that is scaled while nothing is rolled: of the current template, else the latest.
    fn known(&self, template: &Arc<PodTemplate>) -> usize {
        self.find(template).unwrap_or(self.sets.len().saturating_sub(1))
    }

    /// The revision of the current template; a new one if no earlier one is the same.
    fn current(&mut self, template: &Arc<PodTemplate>) -> usize {
        if let Some(found) = self.find(template) {
            return found;
        }
        let next = self.sets.len();
        self.set_of(u32::try_from(next).unwrap_or(u32::MAX), template, false);
        next.min(self.sets.len().saturating_sub(1))
    }

    fn delete_pods(&self, effects: &mut Effects) {
        for pod in self.sets.iter().flat_map(|set| set.active()) {
            effects.now(Effect::DeletePod(*pod, DeletionCause::Owner));
        }
    }
}

#[cfg(test)]
mod tests;
