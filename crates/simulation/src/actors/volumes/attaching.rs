//! The attach-detach controller: volumes come to the nodes of their pods, and leave when nobody there uses them.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/volume/attachdetach` (`reconciler.go`: a volume for one node that is
//! attached elsewhere waits; from a node that is not healthy it is taken by force after
//! `ReconcilerMaxWaitForUnmountDuration`, 6 min) and kubernetes-csi/external-attacher (an attachment needs the
//! driver in `CSINode`). An instance takes as many volumes as it has slots left, whatever the driver published
//! when it started.

use std::collections::{BTreeMap, BTreeSet};

use cluster::pod::Stage;
use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::waiting::AttachProblem;
use cluster::{Change, Cluster, Name, Node, NodeId, Pod, PodId, Timestamp, Waiting};

use super::drivers::{Controller, physical_limit};
use super::{EBS, controller_of, migrated};
use crate::actor::{Actor, Context};
use crate::actors::claims::{ClaimNames, claim_name};
use crate::actors::kubelet::Needs;
use crate::actors::node_selector::any_term_matches;
use crate::actors::timers::Timers;
use crate::effect::{Effect, Effects};

/// AttachVolume of EBS, until the device is there.
const ATTACH_MS: i64 = 2_000;
/// Unmount and DetachVolume, until the device is gone.
const DETACH_MS: i64 = 5_000;
/// How long a node that is not healthy may keep a volume that nobody uses there.
const FORCE_DETACH_MS: i64 = 360_000;

/// The attach-detach controller.
#[derive(Clone, Debug)]
pub struct Attacher {
    controller: Controller,
    claims: ClaimNames,
    /// Bound pods with a volume that is not attached.
    waiting: BTreeSet<PodId>,
    /// Which pods use a claim on a node.
    users: BTreeMap<(VolumeClaimId, NodeId), BTreeSet<PodId>>,
    /// Attachments on their way.
    attaching: BTreeSet<(VolumeClaimId, NodeId)>,
    /// Detachments on their way.
    detaching: BTreeSet<(VolumeClaimId, NodeId)>,
    /// Volumes attached to, or on their way to, a node, per driver.
    slots: BTreeMap<(NodeId, Name), u32>,
    timers: Timers<(VolumeClaimId, NodeId)>,
    pods_seen: usize,
    due: BTreeSet<PodId>,
    unused: BTreeSet<(VolumeClaimId, NodeId)>,
}

impl Actor for Attacher {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        self.catch_up(cluster);
        if self.controller.observe(change, cluster) {
            self.due.extend(&self.waiting);
        }
        match change {
            Change::PodBound(pod, _) => self.enter(cluster.pod(*pod)),
            Change::VolumeBound(_) | Change::DriverRegistered(..) => self.due.extend(&self.waiting),
            Change::EniCalled { node, .. } => self.due_on(*node, cluster),
            Change::VolumeAttached(claim, node) => self.attached(*claim, *node, cluster),
            Change::VolumeDetached(claim, node) => {
                self.detaching.remove(&(*claim, *node));
                self.count(*claim, *node, cluster, -1);
                self.due.extend(&self.waiting);
            }
            Change::PodGone(pod) | Change::PodStage(pod, Stage::Succeeded | Stage::Failed) => {
                self.leave(cluster.pod(*pod));
            }
            Change::NodeGone(node) => self.node_gone(*node),
            Change::NodeReady(node, true) => self.recheck_unused(*node),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        self.catch_up(cluster);
        for (claim, node) in self.timers.take_due(cluster.now) {
            if !self.is_used(claim, node) && self.detaching.contains(&(claim, node)) {
                effects.now(Effect::DetachVolume(claim, node));
            } else {
                self.detaching.remove(&(claim, node));
            }
        }
        for (claim, node) in std::mem::take(&mut self.unused) {
            self.detach(claim, cluster.node(node), cluster, effects);
        }
        for pod in std::mem::take(&mut self.due) {
            self.attach(cluster.pod(pod), context, effects);
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

impl Attacher {
    /// A controller whose drivers need what `needs` says.
    pub fn new(needs: Needs) -> Attacher {
        Attacher {
            controller: Controller::new(needs),
            claims: ClaimNames::default(),
            waiting: BTreeSet::new(),
            users: BTreeMap::new(),
            attaching: BTreeSet::new(),
            detaching: BTreeSet::new(),
            slots: BTreeMap::new(),
            timers: Timers::default(),
            pods_seen: 0,
            due: BTreeSet::new(),
            unused: BTreeSet::new(),
        }
    }

    fn catch_up(&mut self, cluster: &Cluster) {
        self.claims.catch_up(cluster);
        for pod in cluster.pods.get(self.pods_seen..).unwrap_or(&[]) {
            self.enter(pod);
        }
        self.pods_seen = cluster.pods.len();
    }

    fn enter(&mut self, pod: &Pod) {
        if pod.node.is_some() && !pod.is_over() && !pod.template.volumes.is_empty() {
            self.waiting.insert(pod.id);
            self.due.insert(pod.id);
        }
    }

    fn leave(&mut self, pod: &Pod) {
        self.waiting.remove(&pod.id);
        let Some(node) = pod.node else { return };
        for volume in &pod.template.volumes {
            let Some(claim) = self.claims.get(&pod.namespace, &claim_name(pod, volume)) else { continue };
            if let Some(users) = self.users.get_mut(&(claim, node)) {
                users.remove(&pod.id);
                if users.is_empty() {
                    self.users.remove(&(claim, node));
                    self.unused.insert((claim, node));
                }
            }
        }
    }

    fn is_used(&self, claim: VolumeClaimId, node: NodeId) -> bool {
        self.users.contains_key(&(claim, node))
    }

    fn due_on(&mut self, node: NodeId, cluster: &Cluster) {
        self.due.extend(self.waiting.iter().filter(|pod| cluster.pod(**pod).node == Some(node)));
    }

    fn attached(&mut self, claim: VolumeClaimId, node: NodeId, cluster: &Cluster) {
        if !self.attaching.remove(&(claim, node)) {
            self.count(claim, node, cluster, 1); // Of t=0.
        }
        if !self.is_used(claim, node) {
            self.unused.insert((claim, node));
        }
        for pod in self.users.get(&(claim, node)).into_iter().flatten() {
            self.due.insert(*pod);
        }
    }

    /// The instance takes its attachments with it.
    fn node_gone(&mut self, node: NodeId) {
        let here = |key: &&(VolumeClaimId, NodeId)| key.1 == node;
        let lost: Vec<_> =
            self.users.keys().filter(here).chain(self.detaching.iter().filter(here)).copied().collect();
        self.unused.extend(lost);
    }

    fn recheck_unused(&mut self, node: NodeId) {
        let held = self.detaching.iter().filter(|key| key.1 == node).copied().collect::<Vec<_>>();
        for key in held {
            self.detaching.remove(&key);
            self.unused.insert(key);
        }
    }

    fn count(&mut self, claim: VolumeClaimId, node: NodeId, cluster: &Cluster, step: i32) {
        let Some((_, volume)) = bound(cluster, claim) else { return };
        let slots = self.slots.entry((node, migrated(&volume.driver))).or_default();
        *slots = slots.saturating_add_signed(step);
    }

    fn attach(&mut self, pod: &Pod, context: Context<'_>, effects: &mut Effects) {
        let Some(node) = pod.node.filter(|_| !pod.is_over() && pod.deleted.is_none()) else { return };
        let cluster = context.cluster;
        let mut problem = None;
        let mut all_there = true;
        for volume in &pod.template.volumes {
            let name = claim_name(pod, volume);
            let found = self.claims.get(&pod.namespace, &name);
            let Some((claim, volume)) = found.and_then(|claim| bound(cluster, claim)) else {
                all_there = false;
                continue; // The binder says why.
            };
            self.users.entry((claim.id, node)).or_default().insert(pod.id);
            if volume.attached.contains(&node) {
                continue;
            }
            all_there = false;
            if self.attaching.contains(&(claim.id, node)) {
                continue;
            }
            match self.problem(claim, volume, cluster.node(node), context) {
                None => {
                    self.attaching.insert((claim.id, node));
                    self.count(claim.id, node, cluster, 1);
                    let known = controller_of(&migrated(&volume.driver)).is_some();
                    effects.after(if known { ATTACH_MS } else { 0 }, Effect::AttachVolume(claim.id, node));
                }
                Some(why) => {
                    problem.get_or_insert(Waiting::VolumeUnattached { claim: name, why });
                }
            }
        }
        if all_there {
            self.waiting.remove(&pod.id);
        }
        if let Some(why) = problem {
            effects.now(Effect::PodWaits(pod.id, Box::new(why)));
        }
    }

    /// Why the volume cannot be attached to the node now.
    fn problem(
        &self,
        claim: &VolumeClaim,
        volume: &Volume,
        node: &Node,
        context: Context<'_>,
    ) -> Option<AttachProblem> {
        if !volume.node_affinity.is_empty() && !any_term_matches(&volume.node_affinity, node) {
            return Some(AttachProblem::WrongZone);
        }
        let elsewhere = volume.attached.iter().find(|other| **other != node.id);
        let on_its_way = self.attaching.iter().find(|(other, at)| *other == claim.id && *at != node.id);
        if let Some(holder) =
            elsewhere.copied().or(on_its_way.map(|(_, at)| *at)).filter(|_| claim.single_node)
        {
            return Some(AttachProblem::HeldBy(holder));
        }
        let driver = migrated(&volume.driver);
        controller_of(&driver)?;
        if !self.controller.serves(&driver) {
            return Some(AttachProblem::DriverNotRunning);
        }
        let Some((_, published)) = node.volume_drivers.iter().find(|(name, _)| *name == driver) else {
            return Some(AttachProblem::NotRegistered);
        };
        let physical = (driver == EBS).then(|| physical_limit(context.catalog, node)).flatten();
        let limit = physical.or(*published)?;
        let used = self.slots.get(&(node.id, driver)).copied().unwrap_or(0);
        (used >= limit).then_some(AttachProblem::LimitReached { limit })
    }

    /// Nobody uses the volume on the node any more.
    fn detach(&mut self, claim: VolumeClaimId, node: &Node, cluster: &Cluster, effects: &mut Effects) {
        if node.gone {
            self.detaching.insert((claim, node.id));
            self.attaching.remove(&(claim, node.id));
            return effects.now(Effect::DetachVolume(claim, node.id));
        }
        let there = bound(cluster, claim).is_some_and(|(_, volume)| volume.attached.contains(&node.id));
        if self.is_used(claim, node.id) || !there || !self.detaching.insert((claim, node.id)) {
            return;
        }
        let wait_ms = if node.ready { DETACH_MS } else { FORCE_DETACH_MS };
        self.timers.set(cluster.now.after_ms(wait_ms), (claim, node.id));
    }
}

/// A claim with its volume, if it has one.
fn bound(cluster: &Cluster, claim: VolumeClaimId) -> Option<(&VolumeClaim, &Volume)> {
    let claim = cluster.volume_claims.get(claim.0 as usize)?;
    cluster.volumes.get(claim.volume? as usize).map(|volume| (claim, volume))
}
