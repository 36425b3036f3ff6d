//! One revision's pods: keeps as many as are desired. Used by Deployments and by ReplicaSets of their own.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/replicaset/replica_set.go` `manageReplicas`. Not modelled: the
//! burst limit of 500 pods a sync, which changes nothing within an instant.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::NewPod;
use cluster::{Cluster, Name, ObjectKey, PodId, PodTemplate, WorkloadId};

use super::creation::Creation;
use super::names;
use super::standing::{Standing, Step};
use super::victims;
use crate::effect::{Effect, Effects};

/// The pods of one revision.
#[derive(Clone, Debug)]
pub struct ReplicaSet {
    /// The owner's template that this revision was made from.
    pub source: Arc<PodTemplate>,
    /// `spec.replicas`.
    pub desired: u32,
    /// Pods on their way.
    pub creation: Creation,
    template: Arc<PodTemplate>,
    base_name: Name,
    revision: u32,
    active: BTreeSet<PodId>,
    ready: u32,
    terminating: u32,
    next_index: u32,
}

impl ReplicaSet {
    /// A revision without pods. Its pods carry `hash_label`, where their owner adds one.
    pub fn new(
        owner: &ObjectKey,
        source: &Arc<PodTemplate>,
        revision: u32,
        hash_label: Option<&str>,
    ) -> ReplicaSet {
        let hash = names::revision_hash(owner, revision);
        let (template, base_name) = match hash_label {
            None => (Arc::clone(source), owner.name.clone()),
            Some(label) => {
                let mut labelled = PodTemplate::clone(source);
                labelled.labels.insert(label.into(), hash.clone());
                (Arc::new(labelled), Name::from(format!("{}-{hash}", owner.name)))
            }
        };
        ReplicaSet {
            source: Arc::clone(source),
            desired: 0,
            creation: Creation::default(),
            template,
            base_name,
            revision,
            active: BTreeSet::new(),
            ready: 0,
            terminating: 0,
            next_index: 0,
        }
    }

    /// Its active pods.
    pub fn active(&self) -> &BTreeSet<PodId> {
        &self.active
    }

    /// How many of them are Ready.
    pub fn ready(&self) -> u32 {
        self.ready
    }

    /// Pods that are not finished: active or terminating.
    pub fn unfinished(&self) -> u32 {
        count(self.active.len()).saturating_add(self.terminating)
    }

    /// Pods made from now on come from another template, under the same names (a ReplicaSet of its own).
    pub fn replace_template(&mut self, source: &Arc<PodTemplate>) {
        self.source = Arc::clone(source);
        self.template = Arc::clone(source);
    }

    /// One of its pods took a step.
    pub fn observe(&mut self, step: Step) {
        if step.before == Standing::Unknown {
            self.next_index = self.next_index.saturating_add(1);
            self.creation.created();
        }
        if step.after.is_active() {
            self.active.insert(step.pod);
        } else {
            self.active.remove(&step.pod);
        }
        self.ready = moved(self.ready, step, Standing::Ready);
        self.terminating = moved(self.terminating, step, Standing::Terminating);
    }

    /// Creates what is missing and deletes what is too much. `related` are all active pods of the same owner.
    pub fn manage(
        &mut self,
        owner: (WorkloadId, &ObjectKey),
        related: impl Iterator<Item = PodId>,
        cluster: &Cluster,
        effects: &mut Effects,
    ) {
        let active = count(self.active.len());
        let missing = self.desired.saturating_sub(active);
        let index = self.next_index;
        let batch = self.creation.request(missing, cluster.now);
        for offset in 0..batch {
            effects.now(Effect::CreatePod(Box::new(self.new_pod(owner, index.saturating_add(offset)))));
        }
        let surplus = active.saturating_sub(self.desired) as usize;
        if surplus > 0 {
            for pod in victims::choose(cluster, self.active.iter().copied(), related, surplus) {
                effects.now(Effect::DeletePod(pod, DeletionCause::Owner));
            }
        }
    }

    fn new_pod(&self, (workload, key): (WorkloadId, &ObjectKey), index: u32) -> NewPod {
        NewPod {
            namespace: key.namespace.clone(),
            name: names::indexed(&self.base_name, index),
            workload: Some(workload),
            template: Arc::clone(&self.template),
            revision: self.revision,
            ordinal: 0,
            for_node: None,
        }
    }
}

/// A count of pods with `standing` after `step`.
fn moved(counted: u32, step: Step, standing: Standing) -> u32 {
    match (step.before == standing, step.after == standing) {
        (false, true) => counted.saturating_add(1),
        (true, false) => counted.saturating_sub(1),
        _ => counted,
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
