//! For tests: a cluster by hand, and just enough of a world to run actors against it. It performs effects
//! without any admission, schedules first-fit, and gives every pod an address.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::Catalog;
use cluster::arrival::Arrival;
use cluster::labels::{LabelSelector, Labels};
use cluster::location::{Location, ObjectKey};
use cluster::network::NodeNetwork;
use cluster::pod::{NewPod, Stage};
use cluster::profile::{AwsFacts, Latencies, Order, Profile, Provider};
use cluster::role::{Program, Role};
use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::template::{Container, DnsPolicy, PodAffinity, PodTemplate, RestartPolicy};
use cluster::workload::{Shape, Workload};
use cluster::*;

use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects, VolumeSource};

mod by_hand;
mod volumes;

pub use self::by_hand::*;

/// What is performed, and what refuses it.
pub struct StageHand {
    pub cluster: Cluster,
    pub catalog: Catalog,
    pub actors: Vec<Box<dyn Actor>>,
    pub log: Vec<(Timestamp, Change)>,
    /// Pods that do not fit anywhere stay pending; each node takes so many.
    pub pods_per_node: usize,
    /// Whether pods are bound at all.
    pub schedules: bool,
    /// Whether bound pods get addresses.
    pub addresses: bool,
    /// Refuses the creation of a pod.
    pub refuse: fn(&Cluster, &NewPod) -> Option<cluster::change::Refusal>,
    queue: BTreeMap<(Timestamp, u64), Effect>,
    sequence: u64,
    in_flight_changes: Vec<Change>,
}

impl StageHand {
    pub fn new(declared: Declared, actors: Vec<Box<dyn Actor>>) -> StageHand {
        let mut nodes = declared.nodes.clone();
        (0u32..).zip(&mut nodes).for_each(|(index, node)| node.id = NodeId(index));
        let cluster = Cluster {
            volume_claims: declared.volume_claims.clone(),
            volumes: declared.volumes.clone(),
            nodes,
            ..Cluster::empty(Arc::new(declared))
        };
        StageHand {
            cluster,
            catalog: Catalog::default(),
            actors,
            log: Vec::new(),
            pods_per_node: 110,
            schedules: true,
            addresses: true,
            refuse: |_, _| None,
            queue: BTreeMap::new(),
            sequence: 0,
            in_flight_changes: Vec::new(),
        }
    }

    /// Everything that is declared arrives now.
    pub fn arrive_all(&mut self) {
        for index in 0..self.cluster.declared.workloads.len() {
            self.perform_after(0, Effect::ArriveWorkload(WorkloadId(index as u32)));
        }
    }

    pub fn perform_after(&mut self, delay_ms: i64, effect: Effect) {
        let at = self.cluster.now.after_ms(delay_ms);
        self.queue.insert((at, self.sequence), effect);
        self.sequence += 1;
    }

    /// Replaces the declaration of a workload, as a scenario would.
    pub fn change_workload(&mut self, id: WorkloadId, edit: impl FnOnce(&mut Workload)) {
        let mut declared = Declared::clone(&self.cluster.declared);
        edit(&mut declared.workloads[id.0 as usize]);
        self.cluster.declared = Arc::new(declared);
        self.changed(Change::WorkloadChanged(id));
    }

    /// Tells every actor.
    pub fn changed(&mut self, change: Change) {
        self.in_flight_changes.push(change);
    }

    /// Runs until `until` or until nothing is left to do; says whether it is quiescent.
    pub fn run(&mut self, until: Timestamp) -> bool {
        for _ in 0..2_000_000 {
            self.settle_instant();
            let wakes = self.actors.iter().filter_map(|actor| actor.wake_at());
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let Some(next) = wakes.chain(queued).min() else { return true };
            assert!(next > self.cluster.now, "woken at {next} in {}", self.cluster.now);
            if next > until {
                self.cluster.now = until;
                return false;
            }
            self.cluster.now = next;
        }
        panic!("does not end");
    }

    fn settle_instant(&mut self) {
        for round in 0.. {
            assert!(round < 10_000, "an instant that does not end at {}", self.cluster.now);
            self.perform_due();
            let mut effects = Effects::default();
            let context = Context { cluster: &self.cluster, catalog: &self.catalog };
            self.actors.iter_mut().for_each(|actor| actor.decide(context, &mut effects));
            let decided = effects.drain();
            if decided.is_empty() && self.queue.keys().next().is_none_or(|(at, _)| *at > self.cluster.now) {
                return;
            }
            decided.into_iter().for_each(|(delay, effect)| self.perform_after(delay, effect));
        }
    }

    fn perform_due(&mut self) {
        loop {
            self.tell();
            let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= self.cluster.now)
            else {
                return;
            };
            let effect = entry.remove();
            self.perform(effect);
            self.tell();
        }
    }

    fn tell(&mut self) {
        while !self.in_flight_changes.is_empty() {
            for change in std::mem::take(&mut self.in_flight_changes) {
                self.log.push((self.cluster.now, change.clone()));
                let context = Context { cluster: &self.cluster, catalog: &self.catalog };
                self.actors.iter_mut().for_each(|actor| actor.observe(&change, context));
                self.help(&change);
            }
        }
    }

    /// The scheduler and the CNI.
    fn help(&mut self, change: &Change) {
        match change {
            Change::PodCreated(pod) if self.schedules => self.schedule(*pod),
            Change::PodGone(_) | Change::NodeRegistered(_) if self.schedules => {
                let pending: Vec<PodId> = self
                    .cluster
                    .pods
                    .iter()
                    .filter(|p| p.stage == Stage::Pending && p.is_wanted())
                    .map(|p| p.id)
                    .collect();
                pending.into_iter().for_each(|pod| self.schedule(pod));
            }
            Change::PodBound(pod, _) if self.addresses && self.cluster.pod(*pod).template.needs_address() => {
                self.perform_after(0, Effect::AddressPod(*pod));
            }
            _ => {}
        }
    }

    fn schedule(&mut self, id: PodId) {
        let pod = self.cluster.pod(id);
        if pod.template.node_name.is_some() {
            return;
        }
        let fits = |node: &&Node| self.cluster.pods_on(node.id).count() < self.pods_per_node;
        let chosen = match pod.for_node {
            Some(node) => Some(node),
            None => self.cluster.live_nodes().filter(|node| node.ready).find(fits).map(|node| node.id),
        };
        if let Some(node) = chosen.filter(|node| self.cluster.node(*node).exists()) {
            self.perform(Effect::BindPod(id, node));
        }
    }

    fn pod(&mut self, id: PodId) -> &mut Pod {
        &mut self.cluster.pods[id.0 as usize]
    }

    pub fn perform(&mut self, effect: Effect) {
        let now = self.cluster.now;
        match effect {
            Effect::Arrive(key) => {
                self.cluster.arrived_objects.insert(key.clone());
                self.changed(Change::ObjectArrived(key));
            }
            Effect::ArriveWorkload(id) => {
                if !std::mem::replace(&mut self.cluster.arrived[id.0 as usize], true) {
                    self.changed(Change::WorkloadArrived(id));
                }
            }
            Effect::CreatePod(new) => self.create(*new),
            Effect::BindPod(id, node) => {
                let pod = self.pod(id);
                if pod.stage == Stage::Pending && pod.is_wanted() {
                    pod.node = Some(node);
                    self.stage(id, Stage::Bound);
                    self.changed(Change::PodBound(id, node));
                }
            }
            Effect::PodWaits(id, why) => {
                let pod = self.pod(id);
                if pod.waiting.as_ref().is_none_or(|(_, old)| *old != *why) {
                    pod.waiting = Some((now, *why.clone()));
                    self.changed(Change::PodWaits(id, why));
                }
            }
            Effect::AddressPod(id) => {
                let pod = self.pod(id);
                if !pod.addressed && pod.holds_node() {
                    pod.addressed = true;
                    self.changed(Change::PodAddressed(id));
                }
            }
            Effect::PodStage(id, stage) => {
                let pod = self.pod(id);
                if !pod.is_over() && pod.stage != stage {
                    self.stage(id, stage);
                    self.changed(Change::PodStage(id, stage));
                }
            }
            Effect::PodRestarted(id) => {
                self.pod(id).restarts += 1;
                self.changed(Change::PodRestarted(id));
            }
            Effect::DeletePod(id, why) => {
                let pod = self.pod(id);
                if pod.deleted.is_none() && pod.stage != Stage::Gone {
                    pod.deleted = Some(now);
                    self.changed(Change::PodDeleting { pod: id, why });
                }
            }
            Effect::PodGone(id) => {
                if self.pod(id).stage != Stage::Gone {
                    self.stage(id, Stage::Gone);
                    self.changed(Change::PodGone(id));
                }
            }
            other => self.perform_on_nodes(other),
        }
    }

    fn perform_on_nodes(&mut self, effect: Effect) {
        match effect {
            Effect::RegisterNode(node) => {
                let id = NodeId(self.cluster.nodes.len() as u32);
                self.cluster.nodes.push(Node { id, created: self.cluster.now, ..*node });
                self.changed(Change::NodeRegistered(id));
            }
            Effect::NodeReady(id, ready) => {
                self.cluster.nodes[id.0 as usize].ready = ready;
                self.changed(Change::NodeReady(id, ready));
            }
            Effect::CniReady(id, ready) => {
                self.cluster.nodes[id.0 as usize].network.cni_ready = ready;
                self.changed(Change::CniReady(id, ready));
            }
            Effect::PatchNode(id, patch) => {
                let node = &mut self.cluster.nodes[id.0 as usize];
                patch.change_taints(&mut node.taints);
                node.labels.extend(patch.labels);
                node.unschedulable = patch.unschedulable.unwrap_or(node.unschedulable);
                self.changed(Change::NodeUpdated(id));
            }
            Effect::NodeGone(id) => {
                self.cluster.nodes[id.0 as usize].gone = true;
                self.changed(Change::NodeGone(id));
            }
            other => self.perform_on_volumes(other),
        }
    }

    fn stage(&mut self, id: PodId, stage: Stage) {
        let now = self.cluster.now;
        let pod = self.pod(id);
        pod.stage = stage;
        pod.since = now;
        pod.waiting = None;
    }

    fn create(&mut self, new: NewPod) {
        if let Some(why) = (self.refuse)(&self.cluster, &new) {
            let workload = new.workload.expect("only owned pods are refused in tests");
            return self.changed(Change::PodRefused { workload, why });
        }
        let id = PodId(self.cluster.pods.len() as u32);
        self.cluster.pods.push(Pod {
            id,
            namespace: new.namespace,
            name: new.name,
            workload: new.workload,
            template: new.template,
            revision: new.revision,
            ordinal: new.ordinal,
            for_node: new.for_node,
            created: self.cluster.now,
            stage: Stage::Pending,
            since: self.cluster.now,
            node: None,
            nominated: None,
            addressed: false,
            restarts: 0,
            deleted: None,
            waiting: None,
        });
        self.changed(Change::PodCreated(id));
    }

    /// Pods of a workload by stage, those that are gone left out.
    pub fn stages(&self, id: WorkloadId) -> Vec<Stage> {
        let mine =
            self.cluster.pods.iter().filter(|pod| pod.workload == Some(id) && pod.stage != Stage::Gone);
        mine.map(|pod| pod.stage).collect()
    }

    /// When a pod reached a stage first.
    pub fn reached(&self, pod: PodId, stage: Stage) -> Option<Timestamp> {
        self.log.iter().find(|(_, change)| *change == Change::PodStage(pod, stage)).map(|(at, _)| *at)
    }
}
