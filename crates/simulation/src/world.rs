//! The only place that changes a [`Cluster`]: performs effects, and says what became true.
//!
//! An effect whose subject is gone, or that would change nothing, does nothing. Admission lives in
//! [`crate::admission`], volumes in [`crate::world_volumes`], devices in [`crate::world_devices`], the cloud's side of nodes and claims in
//! [`crate::world_nodes`].

use std::collections::BTreeMap;

use catalog::Catalog;
use cluster::change::{DeletionCause, Refusal};
use cluster::pod::{NewPod, Stage};
use cluster::{Change, Cluster, NodeId, Pod, PodId, Waiting, WorkloadId};

use crate::effect::Effect;
use crate::{admission, branch_admission, world_devices, world_nodes, world_volumes};

/// The cluster, and what has to be remembered beside it to change it.
#[derive(Clone, Debug)]
pub struct World {
    /// The cluster.
    pub cluster: Cluster,
    /// Which address each pod has on its node.
    pub(crate) addresses: BTreeMap<PodId, addressing::Assignment>,
    /// Counts that only grow when the cluster gets further; see [`crate::progress`].
    pub(crate) progress: crate::progress::Progress,
    /// The primary address (as an offset into its subnet) of an instance whose node has not registered.
    pub(crate) primaries: BTreeMap<cluster::ClaimId, Option<u32>>,
    /// Templates that admission changed.
    changed: branch_admission::Changed,
}

impl World {
    /// A world around a cluster in which nothing has happened.
    pub fn new(cluster: Cluster) -> World {
        World {
            cluster,
            addresses: BTreeMap::new(),
            progress: crate::progress::Progress::default(),
            primaries: BTreeMap::new(),
            changed: branch_admission::Changed::default(),
        }
    }

    /// Performs one effect and appends what became true to `changes`.
    pub fn perform(&mut self, effect: Effect, catalog: &Catalog, changes: &mut Vec<Change>) {
        let before = changes.len();
        match effect {
            Effect::Arrive(key) => {
                if self.cluster.arrived_objects.insert(key.clone()) {
                    changes.push(Change::ObjectArrived(key));
                }
            }
            Effect::ArriveWorkload(id) => {
                if !std::mem::replace(&mut self.cluster.arrived[id.0 as usize], true) {
                    changes.push(Change::WorkloadArrived(id));
                }
            }
            Effect::Fault(fault, on) => {
                self.cluster.faults.retain(|known| *known != fault);
                if on {
                    self.cluster.faults.push(fault.clone());
                }
                changes.push(Change::Fault(fault, on));
            }
            Effect::SayOfBuffer(key, status) => {
                let declared = &self.cluster.declared.capacity_buffers;
                let is_there = declared.iter().any(|buffer| buffer.key == key);
                if is_there && self.cluster.buffers.get(&key) != Some(&*status) {
                    self.cluster.buffers.insert(key.clone(), (*status).clone());
                    changes.push(Change::BufferStatus(key, status));
                }
            }
            Effect::Redeclare(step) => crate::redeclare::perform(self, &step, catalog, changes),
            Effect::RefuseCreation(id, why) => self.refuse_creation(id, why, changes),
            Effect::Block(id, needs) => self.block(id, needs, changes),
            effect if world_nodes::concerns(&effect) => world_nodes::perform(self, effect, catalog, changes),
            effect if world_devices::concerns(&effect) => world_devices::perform(self, effect, changes),
            effect if world_volumes::concerns(&effect) => world_volumes::perform(self, effect, changes),
            effect => self.perform_on_pod(effect, changes),
        }
        for change in &changes[before..] {
            self.progress.note(change, &self.cluster);
        }
    }

    fn perform_on_pod(&mut self, effect: Effect, changes: &mut Vec<Change>) {
        match effect {
            Effect::CreatePod(new) => self.create_pod(*new, changes),
            Effect::BindPod(pod, node) => self.bind(pod, node, changes),
            Effect::NominatePod(pod, node) => {
                if self.wanted(pod) && self.cluster.pod(pod).nominated != Some(node) {
                    self.pod_mut(pod).nominated = Some(node);
                    changes.push(Change::PodNominated(pod, node));
                }
            }
            Effect::ClearNomination(pod) => {
                if self.pod_mut(pod).nominated.take().is_some() {
                    changes.push(Change::NominationCleared(pod));
                }
            }
            Effect::PodWaits(pod, why) => self.wait(pod, *why, changes),
            Effect::AddressPod(pod) => self.address(pod, changes),
            Effect::PodStage(pod, stage) => self.stage(pod, stage, changes),
            Effect::PodRestarted(pod) => {
                if !self.cluster.pod(pod).is_over() {
                    self.pod_mut(pod).restarts += 1;
                    changes.push(Change::PodRestarted(pod));
                }
            }
            Effect::DeletePod(pod, why) => self.delete_pod(pod, why, changes),
            Effect::PodGone(pod) => self.pod_gone(pod, changes),
            Effect::RefusePod(pod, pools) => {
                if self.wanted(pod) {
                    let at = self.cluster.now;
                    let refusal = cluster::rejection::ProvisioningRefusal { at, pools: pools.clone() };
                    self.cluster.refusals.insert(pod, refusal);
                    changes.push(Change::PodRefusedByPools(pod, pools));
                }
            }
            Effect::ExpectPod(pod, place) => {
                if self.wanted(pod) {
                    self.cluster.refusals.remove(&pod);
                    changes.push(Change::PodExpected(pod, place));
                }
            }
            _ => unreachable!("every other effect is performed elsewhere"),
        }
    }

    pub(crate) fn pod_mut(&mut self, pod: PodId) -> &mut Pod {
        &mut self.cluster.pods[pod.0 as usize]
    }

    fn wanted(&self, pod: PodId) -> bool {
        self.cluster.pod(pod).is_wanted()
    }

    fn create_pod(&mut self, mut new: NewPod, changes: &mut Vec<Change>) {
        new.template = self.changed.template(&self.cluster, &new);
        if let Some(why) = admission::refuses(&self.cluster, &new) {
            if let Some(id) = new.workload {
                self.refuse_creation(id, why, changes);
            }
            return;
        }
        let Ok(index) = u32::try_from(self.cluster.pods.len()) else { return };
        let (id, now) = (PodId(index), self.cluster.now);
        if let Some(workload) = new.workload {
            self.cluster.creation_refusals.remove(&workload);
        }
        let node_name = new.template.node_name.clone();
        self.cluster.pods.push(Pod {
            id,
            namespace: new.namespace,
            name: new.name,
            workload: new.workload,
            template: new.template,
            revision: new.revision,
            ordinal: new.ordinal,
            for_node: new.for_node,
            created: now,
            stage: Stage::Pending,
            since: now,
            node: None,
            nominated: None,
            addressed: false,
            restarts: 0,
            deleted: None,
            waiting: None,
        });
        changes.push(Change::PodCreated(id));
        world_devices::make_claims(self, id, changes);
        if let Some(name) = node_name {
            let found = self.cluster.live_nodes().find(|node| node.name == name).map(|node| node.id);
            match found {
                Some(node) => self.bind(id, node, changes),
                None => self.wait(id, Waiting::NodeMissing(name), changes),
            }
        }
    }

    fn refuse_creation(&mut self, id: WorkloadId, why: Refusal, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        match self.cluster.creation_refusals.get_mut(&id) {
            Some((_, known)) if *known == why => {}
            Some((_, known)) => *known = why.clone(),
            None => {
                self.cluster.creation_refusals.insert(id, (now, why.clone()));
            }
        }
        changes.push(Change::PodRefused { workload: id, why });
    }

    fn block(
        &mut self,
        id: WorkloadId,
        needs: Option<cluster::capability::Capability>,
        changes: &mut Vec<Change>,
    ) {
        let now = self.cluster.now;
        match needs {
            None => {
                self.cluster.blocked.remove(&id);
            }
            Some(needs) => {
                let since = match self.cluster.blocked.get(&id) {
                    Some((_, known)) if *known == needs => return,
                    Some((since, _)) => *since,
                    None => now,
                };
                self.cluster.blocked.insert(id, (since, needs.clone()));
                changes.push(Change::Blocked { who: id, needs });
            }
        }
    }

    fn bind(&mut self, pod: PodId, node: NodeId, changes: &mut Vec<Change>) {
        if !self.wanted(pod) || self.cluster.pod(pod).node.is_some() || self.cluster.node(node).gone {
            return;
        }
        let now = self.cluster.now;
        let bound = self.pod_mut(pod);
        (bound.node, bound.nominated, bound.waiting) = (Some(node), None, None);
        (bound.stage, bound.since) = (Stage::Bound, now);
        self.cluster.refusals.remove(&pod);
        self.note_pod_event(node);
        changes.push(Change::PodBound(pod, node));
    }

    /// Karpenter measures `consolidateAfter` from the last pod that came to or left a node.
    fn note_pod_event(&mut self, node: NodeId) {
        let now = self.cluster.now;
        if let Some(claim) = self.cluster.node(node).claim {
            self.cluster.claims[claim.0 as usize].last_pod_event = now;
        }
    }

    fn wait(&mut self, pod: PodId, why: Waiting, changes: &mut Vec<Change>) {
        if self.cluster.pod(pod).is_over() {
            return;
        }
        let now = self.cluster.now;
        let waits = self.pod_mut(pod);
        match &mut waits.waiting {
            Some((_, known)) if *known == why => return,
            Some((_, known)) if std::mem::discriminant(known) == std::mem::discriminant(&why) => {
                *known = why.clone();
            }
            waiting => *waiting = Some((now, why.clone())),
        }
        changes.push(Change::PodWaits(pod, Box::new(why)));
    }

    fn address(&mut self, pod: PodId, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let subject = self.cluster.pod(pod);
        let Some(node) = subject.node else { return };
        if subject.addressed || subject.is_over() {
            return;
        }
        let branch = addressing::pod_eni::is_branch_pod(subject);
        let network = &mut self.cluster.nodes[node.0 as usize].network;
        let assignment = match branch {
            true => addressing::assign_branch(network),
            false => addressing::assign(network, now, &self.cluster.declared.cni),
        };
        let Some(assignment) = assignment else { return };
        self.addresses.insert(pod, assignment);
        let subject = self.pod_mut(pod);
        (subject.addressed, subject.waiting) = (true, None);
        changes.push(Change::PodAddressed(pod));
    }

    fn release_address(&mut self, pod: PodId) {
        let now = self.cluster.now;
        let subject = self.pod_mut(pod);
        subject.addressed = false;
        let Some(node) = subject.node else { return };
        if let Some(assignment) = self.addresses.remove(&pod) {
            let declared = self.cluster.declared.clone();
            let network = &mut self.cluster.nodes[node.0 as usize].network;
            addressing::unassign(network, &assignment, now, &declared.cni);
        }
    }

    fn stage(&mut self, pod: PodId, stage: Stage, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let subject = self.pod_mut(pod);
        let backwards = stage <= subject.stage && !(stage == Stage::Running && subject.stage == Stage::Ready);
        if subject.is_over() || subject.node.is_none() || backwards {
            return;
        }
        (subject.stage, subject.since) = (stage, now);
        if !matches!(stage, Stage::Running) {
            subject.waiting = None;
        }
        let node = subject.node;
        if subject.is_over() {
            self.release_address(pod);
            if let Some(node) = node {
                self.note_pod_event(node);
            }
        }
        changes.push(Change::PodStage(pod, stage));
        if self.cluster.pod(pod).is_over() {
            world_devices::end(self, pod, changes);
        }
    }

    fn delete_pod(&mut self, pod: PodId, why: DeletionCause, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let subject = self.pod_mut(pod);
        if subject.deleted.is_some() || subject.stage == Stage::Gone {
            return;
        }
        subject.deleted = Some(now);
        changes.push(Change::PodDeleting { pod, why });
    }

    fn pod_gone(&mut self, pod: PodId, changes: &mut Vec<Change>) {
        if self.cluster.pod(pod).stage == Stage::Gone {
            return;
        }
        self.release_address(pod);
        let now = self.cluster.now;
        let subject = self.cluster.pod(pod);
        if let (Stage::Succeeded, Some(workload)) = (subject.stage, subject.workload) {
            let count = self.cluster.completed.entry(workload).or_default();
            *count = count.saturating_add(1);
        }
        let subject = self.pod_mut(pod);
        subject.deleted.get_or_insert(now);
        (subject.stage, subject.since, subject.waiting) = (Stage::Gone, now, None);
        let node = subject.node;
        self.cluster.refusals.remove(&pod);
        if let Some(node) = node {
            self.note_pod_event(node);
        }
        changes.push(Change::PodGone(pod));
        world_devices::end(self, pod, changes);
    }
}
