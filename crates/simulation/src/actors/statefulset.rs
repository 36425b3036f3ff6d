//! StatefulSets: pods with names and claims of their own, one after the other.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/statefulset/stateful_set_control.go` (`updateStatefulSet`,
//! `processReplica`, `processCondemned`). A pod on a lost node terminates for ever and is never replaced, as
//! there.
//!
//! Not modelled: `updateStrategy` other than the default (`RollingUpdate`, no partition), `ordinals.start`; a pod that goes while a roll-out is under way comes back with the new template; the labels
//! that differ from pod to pod.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::NewPod;
use cluster::template::PodVolume;
use cluster::workload::Shape;
use cluster::{Change, Cluster, Name, ObjectKey, PodId, PodTemplate, Timestamp, WorkloadId};

use super::creation::Creation;
use super::names;
use super::standing::{Standing, Standings, Step};
use super::timers::{Timers, earliest};
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The StatefulSet controller.
#[derive(Clone, Debug, Default)]
pub struct StatefulSets {
    standings: Standings,
    sets: BTreeMap<WorkloadId, StatefulSet>,
    dirty: BTreeSet<WorkloadId>,
    stuck: BTreeSet<WorkloadId>,
    retries: Timers<WorkloadId>,
}

/// One StatefulSet.
#[derive(Clone, Debug)]
struct StatefulSet {
    key: ObjectKey,
    /// Declared template and the pods' template, by revision.
    revisions: Vec<(Arc<PodTemplate>, Arc<PodTemplate>)>,
    current: u32,
    /// Pods by ordinal that are not gone.
    pods: BTreeMap<u32, PodId>,
    asked: BTreeSet<u32>,
    creation: Creation,
    deleted: bool,
}

impl Actor for StatefulSets {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for step in self.standings.observe(change, cluster) {
            self.pod_stepped(step, cluster);
        }
        match change {
            Change::WorkloadArrived(workload) | Change::WorkloadChanged(workload) => {
                self.arrive(*workload, cluster);
            }
            Change::WorkloadDeleted(workload) => {
                self.sets.entry(*workload).and_modify(|set| set.deleted = true);
                self.dirty.insert(*workload);
            }
            Change::PodRefused { workload, why } => {
                if let Some(set) = self.sets.get_mut(workload) {
                    set.creation.refused(why.clone(), cluster.now);
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
        self.dirty.extend(self.retries.take_due(context.cluster.now));
        for workload in std::mem::take(&mut self.dirty) {
            if let Some(set) = self.sets.get_mut(&workload) {
                set.sync(workload, context.cluster, effects);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        earliest(self.retries.next(), self.standings.next())
    }
}

impl StatefulSets {
    fn arrive(&mut self, workload: WorkloadId, cluster: &Cluster) {
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::StatefulSet { .. }) {
            return;
        }
        let set = self.sets.entry(workload).or_insert_with(|| StatefulSet::new(&declared.key));
        set.deleted = false;
        set.adopt_template(&declared.template);
        self.dirty.insert(workload);
    }

    fn pod_stepped(&mut self, step: Step, cluster: &Cluster) {
        let pod = cluster.pod(step.pod);
        let Some(workload) = pod.workload else { return };
        let declared = cluster.declared.workload(workload);
        if !matches!(declared.shape, Shape::StatefulSet { .. }) {
            return;
        }
        let set = self.sets.entry(workload).or_insert_with(|| StatefulSet::new(&declared.key));
        if step.before == Standing::Unknown {
            set.creation.created();
            set.asked.remove(&pod.ordinal);
        }
        if step.after == Standing::Gone {
            set.pods.remove(&pod.ordinal);
        } else {
            set.pods.insert(pod.ordinal, pod.id);
        }
        self.dirty.insert(workload);
    }

    fn reconsider(&mut self, change: &Change, cluster: &Cluster) {
        let (sets, retries) = (&mut self.sets, &mut self.retries);
        self.stuck.retain(|workload| {
            let Some(set) = sets.get_mut(workload) else { return false };
            if let Some(at) = set.creation.reconsider(change, cluster) {
                retries.set(at, *workload);
            }
            set.creation.is_stuck()
        });
    }
}

impl StatefulSet {
    fn new(key: &ObjectKey) -> StatefulSet {
        StatefulSet {
            key: key.clone(),
            revisions: Vec::new(),
            current: 0,
            pods: BTreeMap::new(),
            asked: BTreeSet::new(),
            creation: Creation::default(),
            deleted: false,
        }
    }

    fn adopt_template(&mut self, template: &Arc<PodTemplate>) {
        let known = self.revisions.iter().position(|(source, _)| **source == **template);
        let current = known.unwrap_or(self.revisions.len());
        self.current = u32::try_from(current).unwrap_or(u32::MAX);
        if known.is_none() {
            let mut labelled = PodTemplate::clone(template);
            let hash = format!("{}-{}", self.key.name, names::revision_hash(&self.key, self.current));
            labelled.labels.insert("controller-revision-hash".into(), hash.into());
            self.revisions.push((Arc::clone(template), Arc::new(labelled)));
        }
    }

    fn sync(&mut self, workload: WorkloadId, cluster: &Cluster, effects: &mut Effects) {
        if self.deleted {
            return self
                .pods
                .values()
                .for_each(|pod| effects.now(Effect::DeletePod(*pod, DeletionCause::Owner)));
        }
        let Shape::StatefulSet { replicas, parallel } = cluster.declared.workload(workload).shape else {
            return;
        };
        if self.creation.in_flight() == 0 {
            self.asked.clear();
        }
        let established = if parallel {
            self.fill_in_parallel(workload, replicas, cluster, effects)
        } else {
            self.fill_in_order(workload, replicas, cluster, effects)
        };
        if established && self.shrink(replicas, parallel, cluster, effects) {
            self.roll(replicas, cluster, effects);
        }
    }

    /// Each ordinal only once all before it are Ready. Says whether all are.
    fn fill_in_order(
        &mut self,
        workload: WorkloadId,
        replicas: u32,
        cluster: &Cluster,
        effects: &mut Effects,
    ) -> bool {
        for ordinal in 0..replicas {
            match self.standing(ordinal, cluster) {
                Some(Standing::Ready) => {}
                Some(Standing::Failed | Standing::Succeeded) => {
                    self.delete(ordinal, effects);
                    return false;
                }
                Some(_) => return false,
                None => {
                    if self.creation.request(1, cluster.now) > 0 {
                        self.create(workload, ordinal, effects);
                    }
                    return false;
                }
            }
        }
        self.creation.request(0, cluster.now);
        true
    }

    /// All ordinals at once, in growing batches. Says whether all are there.
    fn fill_in_parallel(
        &mut self,
        workload: WorkloadId,
        replicas: u32,
        cluster: &Cluster,
        effects: &mut Effects,
    ) -> bool {
        let mut missing = Vec::new();
        let mut finished = false;
        for ordinal in 0..replicas {
            match self.standing(ordinal, cluster) {
                Some(Standing::Failed | Standing::Succeeded) => {
                    self.delete(ordinal, effects);
                    finished = true;
                }
                Some(_) => {}
                None if self.asked.contains(&ordinal) => finished = true,
                None => missing.push(ordinal),
            }
        }
        let wanted = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        let batch = self.creation.request(wanted, cluster.now) as usize;
        missing.iter().take(batch).for_each(|ordinal| self.create(workload, *ordinal, effects));
        missing.is_empty() && !finished
    }

    /// Pods beyond the replicas go, the highest first; in order one at a time. Says whether none is left.
    fn shrink(&self, replicas: u32, parallel: bool, cluster: &Cluster, effects: &mut Effects) -> bool {
        let condemned: Vec<u32> = self.pods.range(replicas..).map(|(ordinal, _)| *ordinal).rev().collect();
        let healthy = |ordinal: u32| self.standing(ordinal, cluster) == Some(Standing::Ready);
        let first_unhealthy = (0..replicas).chain(condemned.iter().rev().copied()).find(|o| !healthy(*o));
        for ordinal in &condemned {
            if self.standing(*ordinal, cluster) == Some(Standing::Terminating) {
                if parallel {
                    continue;
                }
                return false;
            }
            if !parallel && !healthy(*ordinal) && first_unhealthy != Some(*ordinal) {
                return false;
            }
            self.delete(*ordinal, effects);
            if !parallel {
                return false;
            }
        }
        condemned.is_empty()
    }

    /// The highest pod of an earlier revision goes, once all above it are up to date and Ready.
    fn roll(&self, replicas: u32, cluster: &Cluster, effects: &mut Effects) {
        for ordinal in (0..replicas).rev() {
            let Some(pod) = self.pods.get(&ordinal).map(|pod| cluster.pod(*pod)) else { return };
            if pod.revision != self.current && pod.deleted.is_none() {
                return self.delete(ordinal, effects);
            }
            if Standing::of(cluster, pod) != Standing::Ready {
                return;
            }
        }
    }

    fn standing(&self, ordinal: u32, cluster: &Cluster) -> Option<Standing> {
        self.pods.get(&ordinal).map(|pod| Standing::of(cluster, cluster.pod(*pod)))
    }

    fn delete(&self, ordinal: u32, effects: &mut Effects) {
        if let Some(pod) = self.pods.get(&ordinal) {
            effects.now(Effect::DeletePod(*pod, DeletionCause::Owner));
        }
    }

    /// The pod's claims come first; those that are there already are kept.
    fn create(&mut self, workload: WorkloadId, ordinal: u32, effects: &mut Effects) {
        let Some((_, template)) = self.revisions.get(self.current as usize) else { return };
        let name = Name::from(format!("{}-{ordinal}", self.key.name));
        for volume in &template.volumes {
            if let PodVolume::Template { name: claim, storage_class, stateful: true } = volume {
                let claim = Name::from(format!("{claim}-{name}"));
                effects.now(Effect::CreateVolumeClaim(
                    self.key.namespace.clone(),
                    claim,
                    storage_class.clone(),
                ));
            }
        }
        self.asked.insert(ordinal);
        effects.now(Effect::CreatePod(Box::new(NewPod {
            namespace: self.key.namespace.clone(),
            name,
            workload: Some(workload),
            template: Arc::clone(template),
            revision: self.current,
            ordinal,
            for_node: None,
        })));
    }
}

#[cfg(test)]
mod tests;
