//! The kubelets of all nodes: from a bound pod to running, Ready, finished and gone.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet`. What a sandbox needs is in [`sandbox`], images in [`image`], the
//! start of containers in [`containers`], crashes in [`crash`], the node's own status in [`node_status`].
//!
//! A kubelet on a node that is lost (not Ready although its CNI is) does nothing until the node is back; what
//! fell due in between is done then (but for the end of finite work, which is reported all the same). Not modelled: kubelet admission (`OutOfcpu`, …) for pods that bypass the
//! scheduler, eviction under pressure, liveness probes, post-start hooks.

pub mod containers;
pub mod crash;
pub mod image;
mod life;
pub mod node_status;
pub mod sandbox;

use std::collections::{BTreeMap, BTreeSet};

use cluster::capability::Capability;
use cluster::change::DeletionCause;
use cluster::pod::Stage;
use cluster::waiting::CrashCause;
use cluster::{Change, Cluster, Name, NodeId, Pod, PodId, Timestamp, Waiting};

use self::containers::{Plan, plan_start, runtime_ms};
use self::crash::Crashes;
use self::image::Images;
use self::life::{Alarm, Life, Phase, What};
use self::node_status::NodeStatus;
use self::sandbox::{SandboxNeed, sandbox_need};
use super::claims::ClaimNames;
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// How long an ordinary program takes to end when it is asked to; never longer than the pod's grace period.
const STOP_MS: i64 = 1_000;

/// What a pod's program lacks when it starts, if anything.
pub type Needs = fn(&Cluster, PodId) -> Option<Capability>;

/// The kubelets of all nodes.
#[derive(Clone, Debug)]
pub struct Kubelets {
    needs: Needs,
    lives: Vec<Life>,
    /// Pods on each node that are not gone.
    on_node: BTreeMap<NodeId, BTreeSet<PodId>>,
    dirty: BTreeSet<PodId>,
    alarms: Timers<Alarm>,
    /// Alarms of pods on lost nodes.
    held: BTreeMap<NodeId, Vec<Alarm>>,
    images: Images,
    crashes: Crashes,
    nodes: NodeStatus,
    claims: ClaimNames,
    /// Pods that wait for an image or an object: looked at again when some arrive.
    wants_image: BTreeSet<PodId>,
    wants_object: BTreeSet<PodId>,
    /// Pods with a `nodeName` whose node is not there.
    wants_node: BTreeMap<Name, BTreeSet<PodId>>,
}

impl Actor for Kubelets {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        self.claims.catch_up(cluster);
        self.adopt_pods(cluster);
        self.nodes.observe(change, cluster);
        self.crashes.observe(change, cluster);
        if self.images.observe(change, cluster) {
            self.replan_images(cluster);
        }
        match change {
            Change::PodBound(pod, node) => self.take(*pod, *node, cluster),
            Change::PodAddressed(pod) => {
                self.dirty.insert(*pod);
            }
            Change::PodStage(pod, Stage::Succeeded | Stage::Failed) => self.life(*pod).phase = Phase::Over,
            Change::PodDeleting { pod, why } => self.deleting(*pod, *why),
            Change::PodGone(pod) => self.forget(*pod, cluster),
            Change::VolumeAttached(_, node)
            | Change::CniReady(node, true)
            | Change::NodeReady(node, true) => {
                self.dirty.extend(self.on_node.get(node).into_iter().flatten());
            }
            Change::NodeRegistered(node) => self.node_registered(*node, cluster),
            Change::NodeGone(node) => self.images.forget(*node),
            Change::ObjectArrived(_) => self.dirty.append(&mut self.wants_object),
            Change::Fault(..) => self.replan_images(cluster),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        self.adopt_pods(cluster);
        for node in self.nodes.report(cluster, effects) {
            let held = self.held.remove(&node).unwrap_or_default();
            held.into_iter().for_each(|alarm| self.ring(alarm, cluster, effects));
        }
        for alarm in self.alarms.take_due(cluster.now) {
            self.ring(alarm, cluster, effects);
        }
        for (pod, at) in self.crashes.due_for_restart(cluster, self.needs) {
            self.alarm_at(at, pod, What::Restart);
        }
        for pod in std::mem::take(&mut self.dirty) {
            self.advance(pod, cluster, effects);
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.alarms.next()
    }
}

impl Kubelets {
    /// Kubelets whose programs need what `needs` says when they start.
    pub fn new(needs: Needs) -> Kubelets {
        Kubelets {
            needs,
            lives: Vec::new(),
            on_node: BTreeMap::new(),
            dirty: BTreeSet::new(),
            alarms: Timers::default(),
            held: BTreeMap::new(),
            images: Images::default(),
            crashes: Crashes::default(),
            nodes: NodeStatus::default(),
            claims: ClaimNames::default(),
            wants_image: BTreeSet::new(),
            wants_object: BTreeSet::new(),
            wants_node: BTreeMap::new(),
        }
    }

    /// Pods not seen before: those of t=0, and new ones. Pods that run already go on running.
    fn adopt_pods(&mut self, cluster: &Cluster) {
        for pod in cluster.pods.get(self.lives.len()..).unwrap_or(&[]) {
            let phase = match pod.stage {
                Stage::Pending | Stage::Bound | Stage::Starting | Stage::Running => Phase::Sandbox,
                Stage::Ready => Phase::Ready,
                Stage::Succeeded | Stage::Failed | Stage::Gone => Phase::Over,
            };
            self.lives.push(Life { phase, plan: 0 });
            self.dirty.insert(pod.id);
            let Some(node) = pod.node.filter(|_| phase != Phase::Over) else { continue };
            self.take(pod.id, node, cluster);
            if pod.stage >= Stage::Running {
                self.images.adopt(node, pod);
            }
        }
    }

    fn life(&mut self, pod: PodId) -> &mut Life {
        let index = pod.0 as usize;
        if self.lives.len() <= index {
            self.lives.resize(index + 1, Life { phase: Phase::Sandbox, plan: 0 });
        }
        &mut self.lives[index]
    }

    /// The pod belongs to this node's kubelet now.
    fn take(&mut self, pod: PodId, node: NodeId, cluster: &Cluster) {
        let new = self.on_node.entry(node).or_default().insert(pod);
        if let Some(deadline) = cluster.pod(pod).template.active_deadline_ms.filter(|_| new) {
            self.alarm_any_plan(cluster.now.after_ms(deadline), pod);
        }
        self.dirty.insert(pod);
    }

    fn forget(&mut self, pod: PodId, cluster: &Cluster) {
        self.life(pod).phase = Phase::Over;
        self.crashes.forget(pod);
        self.wants_image.remove(&pod);
        self.wants_object.remove(&pod);
        if let Some(on_node) = cluster.pod(pod).node.and_then(|node| self.on_node.get_mut(&node)) {
            on_node.remove(&pod);
        }
    }

    fn deleting(&mut self, pod: PodId, why: DeletionCause) {
        if why == DeletionCause::NodeLost {
            self.life(pod).phase = Phase::Forced;
        }
        self.dirty.insert(pod);
    }

    fn node_registered(&mut self, node: NodeId, cluster: &Cluster) {
        if let Some(waiting) = self.wants_node.remove(&cluster.node(node).name) {
            self.dirty.extend(waiting);
        }
    }

    /// Image pulls that were refused are tried again at the next instant of their back-off.
    fn replan_images(&mut self, cluster: &Cluster) {
        for pod in std::mem::take(&mut self.wants_image) {
            let at = self.crashes.next_pull(pod, cluster.now);
            self.alarm_at(at, pod, What::Replan);
        }
    }

    fn alarm_at(&mut self, at: Timestamp, pod: PodId, what: What) {
        let plan = self.life(pod).plan;
        self.alarms.set(at, Alarm { pod, plan, what });
    }

    /// The deadline holds whatever is planned.
    fn alarm_any_plan(&mut self, at: Timestamp, pod: PodId) {
        self.alarms.set(at, Alarm { pod, plan: u32::MAX, what: What::DeadlinePassed });
    }

    /// The next step of a pod, if there is one that does not wait for an alarm.
    fn advance(&mut self, id: PodId, cluster: &Cluster, effects: &mut Effects) {
        let pod = cluster.pod(id);
        if pod.stage == Stage::Gone {
            return;
        }
        if pod.deleted.is_some() {
            return self.stop(pod, cluster, effects);
        }
        if self.life(id).phase == Phase::Over {
            return;
        }
        let Some(node) = pod.node else { return self.bind_by_name(pod, cluster, effects) };
        if self.nodes.is_lost(node) || cluster.node(node).gone {
            return;
        }
        match self.life(id).phase {
            Phase::Sandbox => self.prepare(pod, node, cluster, effects),
            // The node was lost and is back: its pods were marked not Ready, and still run.
            Phase::Ready if pod.stage == Stage::Running => effects.now(Effect::PodStage(id, Stage::Ready)),
            _ => {}
        }
    }

    /// `nodeName` in the template: no scheduler is asked.
    fn bind_by_name(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let Some(name) = &pod.template.node_name else { return };
        match cluster.live_nodes().find(|node| node.name == *name) {
            Some(node) => effects.now(Effect::BindPod(pod.id, node.id)),
            None => {
                self.wants_node.entry(name.clone()).or_default().insert(pod.id);
                effects.now(Effect::PodWaits(pod.id, Box::new(Waiting::NodeMissing(name.clone()))));
            }
        }
    }

    fn prepare(&mut self, pod: &Pod, node: NodeId, cluster: &Cluster, effects: &mut Effects) {
        match sandbox_need(cluster, &self.claims, pod, cluster.node(node)) {
            SandboxNeed::Nothing => {
                self.life(pod.id).phase = Phase::Starting;
                if pod.stage < Stage::Starting {
                    effects.now(Effect::PodStage(pod.id, Stage::Starting));
                }
                self.plan(pod, node, cluster, effects);
            }
            SandboxNeed::Named(why) => {
                if matches!(why, Waiting::ObjectMissing(_)) {
                    self.wants_object.insert(pod.id);
                }
                effects.now(Effect::PodWaits(pod.id, Box::new(why)));
            }
            SandboxNeed::Volume | SandboxNeed::Address => {}
        }
    }

    fn plan(&mut self, pod: &Pod, node: NodeId, cluster: &Cluster, effects: &mut Effects) {
        let life = self.life(pod.id);
        life.plan = life.plan.wrapping_add(1) % u32::MAX;
        let (at, what) = match plan_start(cluster, &mut self.images, pod, cluster.node(node)) {
            Plan::Runs(at) => (at, What::Started),
            Plan::Crashes(at, cause) => (at, What::StartedBroken(cause)),
            Plan::Waits(at, why) => (at, What::ImageRefused(why)),
        };
        if at > cluster.now {
            self.alarm_at(at, pod.id, what);
        } else {
            let plan = self.life(pod.id).plan;
            self.ring(Alarm { pod: pod.id, plan, what }, cluster, effects);
        }
    }

    /// An alarm is due.
    fn ring(&mut self, alarm: Alarm, cluster: &Cluster, effects: &mut Effects) {
        let pod = cluster.pod(alarm.pod);
        let life = *self.life(alarm.pod);
        let stale = alarm.plan != u32::MAX && alarm.plan != life.plan;
        let Some(node) = pod.node.filter(|_| !stale && life.phase != Phase::Over) else { return };
        if cluster.node(node).gone {
            return; // Its pods are collected.
        }
        if self.nodes.is_lost(node) {
            return self.held.entry(node).or_default().push(alarm);
        }
        match alarm.what {
            What::Stopped => effects.now(Effect::PodGone(pod.id)),
            _ if matches!(life.phase, Phase::Stopping | Phase::Forced) => {}
            What::Started => self.started(pod, None, cluster, effects),
            What::StartedBroken(cause) => self.started(pod, Some(cause), cluster, effects),
            What::ImageRefused(why) => {
                self.crashes.pull_failed(pod.id, cluster.now);
                self.wants_image.insert(pod.id);
                effects.now(Effect::PodWaits(pod.id, Box::new(why)));
            }
            What::Replan => self.plan(pod, node, cluster, effects),
            What::Restart => self.restart(pod, cluster, effects),
            What::Ready => self.ready(pod, effects),
            What::DeadlinePassed => effects.now(Effect::PodStage(pod.id, Stage::Failed)),
        }
    }

    /// The containers were started.
    fn started(&mut self, pod: &Pod, broken: Option<CrashCause>, cluster: &Cluster, effects: &mut Effects) {
        self.life(pod.id).phase = Phase::Running;
        effects.now(Effect::PodStage(pod.id, Stage::Running));
        match broken.or_else(|| (self.needs)(cluster, pod.id).map(CrashCause::Needs)) {
            Some(cause) => self.crashed(pod, cause, 0, cluster, effects),
            None => self.running(pod, cluster.now.after_ms(pod.template.ready_delay_ms), cluster, effects),
        }
    }

    /// A container that was held back is started again.
    fn restart(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let attempts = self.crashes.restarts_by(pod.id);
        (0..attempts).for_each(|_| effects.now(Effect::PodRestarted(pod.id)));
        let broken = self.crashes.is_broken(pod.id);
        if let Some(cause) = broken.or_else(|| (self.needs)(cluster, pod.id).map(CrashCause::Needs)) {
            return self.crashed(pod, cause, attempts, cluster, effects);
        }
        self.crashes.forget(pod.id);
        let start_ms = cluster.declared.profile.latencies.pod_start_ms;
        let at = cluster.now.after_ms(start_ms.saturating_add(pod.template.ready_delay_ms));
        self.running(pod, at, cluster, effects);
    }

    fn crashed(
        &mut self,
        pod: &Pod,
        cause: CrashCause,
        attempts: u32,
        cluster: &Cluster,
        effects: &mut Effects,
    ) {
        if let Some(at) = self.crashes.crashed(pod, cause, attempts, cluster, effects) {
            self.alarm_at(at, pod.id, What::Restart);
        }
    }

    fn running(&mut self, pod: &Pod, ready_at: Timestamp, cluster: &Cluster, effects: &mut Effects) {
        self.finish_later(pod, cluster, effects);
        if ready_at > cluster.now {
            self.alarm_at(ready_at, pod.id, What::Ready);
        } else {
            self.ready(pod, effects);
        }
    }

    fn finish_later(&self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        if let Some(runtime) = runtime_ms(cluster, pod) {
            effects.after(runtime.max(1), Effect::PodStage(pod.id, Stage::Succeeded));
        }
    }

    fn ready(&mut self, pod: &Pod, effects: &mut Effects) {
        self.life(pod.id).phase = Phase::Ready;
        effects.now(Effect::PodStage(pod.id, Stage::Ready));
    }

    /// A pod was asked to go. Without containers, or deleted by force, it goes at once.
    fn stop(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let phase = self.life(pod.id).phase;
        let lost = pod.node.is_some_and(|node| self.nodes.is_lost(node) || cluster.node(node).gone);
        match phase {
            Phase::Stopping => {}
            Phase::Over | Phase::Forced => effects.now(Effect::PodGone(pod.id)),
            Phase::Sandbox if pod.node.is_none() => effects.now(Effect::PodGone(pod.id)),
            _ if lost => {}
            Phase::Sandbox => effects.now(Effect::PodGone(pod.id)),
            Phase::Starting | Phase::Running | Phase::Ready => {
                let stop_ms = STOP_MS.min(pod.template.grace_period_ms.max(0));
                let life = self.life(pod.id);
                life.phase = Phase::Stopping;
                life.plan = life.plan.wrapping_add(1) % u32::MAX;
                if stop_ms == 0 {
                    effects.now(Effect::PodGone(pod.id));
                } else {
                    self.alarm_at(cluster.now.after_ms(stop_ms), pod.id, What::Stopped);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
