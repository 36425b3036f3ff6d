//! kube-scheduler: decides where pending pods go, preempts for them, and says why they wait.
//!
//! Follows `pkg/scheduler/{schedule_one,eventhandlers}.go` v1.36.3 with one profile, `default-scheduler`. On EKS it
//! runs in the control plane, so it is always there. A scheduling cycle takes no virtual time; pods are still tried
//! one after the other, each seeing the placements of those before it.

mod queue;

use std::collections::BTreeMap;

use cluster::change::DeletionCause;
use cluster::pod::Stage;
use cluster::rejection::{Plugin, Rejection};
use cluster::storage::VolumeClaimId;
use cluster::{Change, Cluster, NodeId, PodId, Timestamp, Waiting};
use scheduling::trace::{Trace, trace};
use scheduling::{
    Attempt, ClaimChoice, DeviceChoice, Event, Placement, Placements, Preemption, TieBreak, attempt,
    volume_usable,
};

use crate::actor::{Actor, Context};
use crate::actors::fargate;
use crate::actors::scheduler::queue::Queue;
use crate::asked::{Answer, Question, note};
use crate::effect::{Effect, Effects, VolumeSource};

/// The only profile of EKS' scheduler.
const PROFILE: &str = "default-scheduler";
/// How often a binding looks whether its claims are bound (`BindPodVolumes`), in milliseconds.
const CLAIM_POLL_MS: i64 = 1_000;

/// kube-scheduler.
#[derive(Debug, Default)]
pub struct Scheduler {
    tie: TieBreak,
    question: Option<Question>,
    answers: Vec<Answer>,
    state: Option<State>,
}

impl Scheduler {
    /// A scheduler that chooses among equals by `tie`. It learns the cluster with the first change or decision.
    pub fn new(tie: TieBreak) -> Scheduler {
        Scheduler { tie, ..Scheduler::default() }
    }

    /// The same, which remembers why the pods in question went where they went.
    pub fn asked(mut self, question: Option<Question>) -> Scheduler {
        self.question = question;
        self
    }

    fn state(&mut self, cluster: &Cluster) -> &mut State {
        self.state.get_or_insert_with(|| State::new(cluster))
    }
}

impl Actor for Scheduler {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        self.state(context.cluster).observe(change, context.cluster);
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let tie = self.tie;
        self.state(context.cluster);
        let Scheduler { question, answers, state: Some(state), .. } = self else { return };
        state.decide(context.cluster, effects, |index, cluster, pod| {
            let asked = question.as_ref().is_some_and(|question| question.is_about(cluster, pod));
            let trace = asked.then(|| trace(index, cluster, pod));
            let outcome = attempt(index, cluster, pod, tie);
            trace.into_iter().for_each(|trace| note(answers, answer(cluster, pod, trace, &outcome)));
            outcome
        });
    }

    fn take_answers(&mut self) -> Vec<Answer> {
        std::mem::take(&mut self.answers)
    }

    fn hops_behind(&self) -> u8 {
        2
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.state.as_ref().and_then(|state| state.queue.wake_at())
    }
}

/// A pod that has been given a node and is not bound yet.
#[derive(Clone, Debug)]
struct Assumed {
    node: NodeId,
    /// Since when.
    since: Timestamp,
    /// What must become of its claims first.
    claims: Vec<ClaimChoice>,
    /// Devices that it was given.
    devices: DeviceChoice,
    /// The binding was asked for, and takes effect at this instant.
    binds_at: Option<Timestamp>,
}

#[derive(Debug)]
struct State {
    index: Placements,
    queue: Queue,
    assumed: BTreeMap<PodId, Assumed>,
    /// Pods that the scheduler does not try, and why.
    notices: Vec<(PodId, Waiting)>,
}

impl State {
    fn new(cluster: &Cluster) -> State {
        let mut state = State {
            index: Placements::new(cluster),
            queue: Queue::new(cluster.declared.profile.kubernetes),
            assumed: BTreeMap::new(),
            notices: Vec::new(),
        };
        for pod in &cluster.pods {
            state.admit(cluster, pod.id);
        }
        state
    }

    /// Queues a pod if it is this scheduler's to place.
    fn admit(&mut self, cluster: &Cluster, id: PodId) {
        let pod = cluster.pod(id);
        let placed =
            pod.node.is_some() || pod.template.node_name.as_ref().is_some_and(|name| !name.is_empty());
        if placed || pod.stage != Stage::Pending || pod.deleted.is_some() {
            return;
        }
        if fargate::profile_of(cluster, pod).is_some() {
            return; // Fargate's own scheduler places it.
        }
        let scheduler = &pod.template.scheduler_name;
        if !scheduler.is_empty() && scheduler != PROFILE {
            self.notices.push((id, Waiting::UnknownScheduler(scheduler.clone())));
        } else if !pod.template.scheduling_gates.is_empty() {
            self.notices.push((id, Waiting::Gated));
        } else if !self.assumed.contains_key(&id) {
            self.queue.add(id, pod.template.priority, cluster.now);
        }
    }

    fn observe(&mut self, change: &Change, cluster: &Cluster) {
        let mut events = self.index.observe(change, cluster);
        match change {
            Change::PodCreated(pod) => self.admit(cluster, *pod),
            Change::PodBound(pod, _) => {
                self.queue.remove(*pod);
                self.settle(*pod);
            }
            Change::PodDeleting { pod, .. } | Change::PodGone(pod) if cluster.pod(*pod).node.is_none() => {
                self.queue.remove(*pod);
                if self.settle(*pod) {
                    self.index.forget(*pod);
                    let class = self.index.class_of(cluster, cluster.pod(*pod));
                    events.push(Event::PodDeleted { pod: *pod, class, nominated_only: false });
                }
            }
            Change::NodeGone(node) => {
                let lost = self.assumed.iter().filter(|(_, assumed)| assumed.node == *node);
                let lost: Vec<PodId> = lost.map(|(pod, _)| *pod).collect();
                for pod in lost {
                    self.give_up(cluster, pod);
                }
            }
            _ => {}
        }
        for event in &events {
            self.queue.hear(event, &self.index, cluster);
        }
    }

    /// Forgets that a pod was assumed; whether it was.
    fn settle(&mut self, pod: PodId) -> bool {
        let assumed = self.assumed.remove(&pod);
        if let Some(assumed) = &assumed {
            self.index.release_claims(&assumed.claims);
            self.index.release_devices(&assumed.devices);
        }
        assumed.is_some()
    }

    /// A binding failed: the pod loses its room and is tried again after a back-off.
    fn give_up(&mut self, cluster: &Cluster, pod: PodId) {
        self.settle(pod);
        self.index.forget(pod);
        self.queue.err(pod, cluster.pod(pod).template.priority, cluster.now);
        let class = self.index.class_of(cluster, cluster.pod(pod));
        let event = Event::PodDeleted { pod, class, nominated_only: false };
        self.queue.hear(&event, &self.index, cluster);
    }

    fn decide(
        &mut self,
        cluster: &Cluster,
        effects: &mut Effects,
        mut attempt: impl FnMut(&mut Placements, &Cluster, PodId) -> Attempt,
    ) {
        for (pod, why) in std::mem::take(&mut self.notices) {
            effects.now(Effect::PodWaits(pod, Box::new(why)));
        }
        self.continue_bindings(cluster, effects);
        while let Some(pod) = self.queue.pop(cluster.now) {
            let outcome = attempt(&mut self.index, cluster, pod);
            self.carry_out(cluster, pod, outcome, effects);
        }
    }

    fn carry_out(&mut self, cluster: &Cluster, pod: PodId, outcome: Attempt, effects: &mut Effects) {
        match outcome {
            Attempt::Bind(placement) => self.bind(cluster, pod, placement, effects),
            Attempt::Preempt(preemption) => self.preempt(cluster, pod, preemption, effects),
            Attempt::Reject { rejection, keeps_nomination, deallocates } => {
                self.refuse(cluster, pod, rejection, effects);
                deallocates.into_iter().for_each(|claim| effects.now(Effect::DeallocateDevices(claim)));
                if !keeps_nomination {
                    self.clear_nomination(cluster, pod, effects);
                }
            }
        }
    }

    fn bind(&mut self, cluster: &Cluster, pod: PodId, placement: Placement, effects: &mut Effects) {
        let Placement { node, claims, devices, .. } = placement;
        self.index.place(cluster, pod, node);
        self.index.set_nominated(cluster, pod, None);
        self.index.reserve_claims(node, &claims);
        if !devices.is_empty() {
            self.index.reserve_devices(&devices);
            effects.now(Effect::AllocateDevices(pod, devices.clone()));
        }
        for choice in &claims {
            match choice {
                ClaimChoice::Provision(claim) if selected(cluster, *claim) == Some(node) => {}
                ClaimChoice::Provision(claim) => effects.now(Effect::SelectVolumeNode(*claim, node)),
                ClaimChoice::Bind(claim, volume) => {
                    effects.now(Effect::BindVolume(*claim, VolumeSource::Existing(*volume)));
                }
            }
        }
        let binds_at = claims.is_empty().then_some(cluster.now);
        if claims.is_empty() {
            effects.now(Effect::BindPod(pod, node));
        }
        self.assumed.insert(pod, Assumed { node, since: cluster.now, claims, devices, binds_at });
    }

    /// Binds pods whose claims have become bound, at the next poll; gives up on bindings that came to nothing.
    fn continue_bindings(&mut self, cluster: &Cluster, effects: &mut Effects) {
        let mut failed = Vec::new();
        for (pod, assumed) in &mut self.assumed {
            if assumed.binds_at.is_some_and(|at| at < cluster.now) {
                failed.push(*pod);
                continue;
            }
            let bound = assumed.claims.iter().all(|choice| volume(cluster, choice).is_some());
            if assumed.binds_at.is_some() || !bound {
                continue;
            }
            let node = cluster.node(assumed.node);
            let usable =
                |choice| volume(cluster, choice).is_some_and(|volume| volume_usable(cluster, volume, node));
            if assumed.claims.iter().all(usable) {
                let waited = cluster.now.since_ms(assumed.since).max(1);
                let poll =
                    assumed.since.after_ms((waited + CLAIM_POLL_MS - 1) / CLAIM_POLL_MS * CLAIM_POLL_MS);
                effects.after(poll.since_ms(cluster.now), Effect::BindPod(*pod, assumed.node));
                assumed.binds_at = Some(poll);
            } else {
                failed.push(*pod);
            }
        }
        for pod in failed {
            self.give_up(cluster, pod);
        }
    }

    fn preempt(&mut self, cluster: &Cluster, pod: PodId, preemption: Preemption, effects: &mut Effects) {
        let Preemption { node, victims, displaced, rejection, deallocates, .. } = preemption;
        self.refuse(cluster, pod, rejection, effects);
        deallocates.into_iter().for_each(|claim| effects.now(Effect::DeallocateDevices(claim)));
        self.index.set_nominated(cluster, pod, Some(node));
        effects.now(Effect::NominatePod(pod, node));
        for other in displaced {
            self.clear_nomination(cluster, other, effects);
        }
        for victim in victims {
            if self.assumed.contains_key(&victim) && cluster.pod(victim).node.is_none() {
                // Not bound yet: its binding is called off, and it queues again.
                self.give_up(cluster, victim);
            } else if cluster.pod(victim).deleted.is_none() {
                self.index.expect_preemption(victim);
                effects.now(Effect::DeletePod(victim, DeletionCause::Preempted { by: pod }));
            }
        }
    }

    fn refuse(&mut self, cluster: &Cluster, pod: PodId, rejection: Rejection, effects: &mut Effects) {
        let mut plugins: Vec<Plugin> = rejection.reasons.iter().map(|reason| reason.plugin).collect();
        plugins.sort();
        plugins.dedup();
        if rejection.nodes == 0 {
            self.queue.strand(pod, cluster.now);
        } else {
            let known = cluster.pod(pod);
            let class = self.index.class_of(cluster, known);
            let alike = known.template.volumes.is_empty() && known.template.device_claims.is_empty();
            let kin = alike.then_some((class, known.for_node));
            self.queue.refuse(pod, plugins, kin, cluster.now);
        }
        effects.now(Effect::PodWaits(pod, Box::new(Waiting::Unschedulable(Box::new(rejection)))));
    }

    /// Gives up the node that was reserved for a pod; others may use it now.
    fn clear_nomination(&mut self, cluster: &Cluster, pod: PodId, effects: &mut Effects) {
        if self.index.nominated_to(pod).is_none() {
            return;
        }
        self.index.set_nominated(cluster, pod, None);
        effects.now(Effect::ClearNomination(pod));
        let class = self.index.class_of(cluster, cluster.pod(pod));
        self.queue.hear(&Event::PodDeleted { pod, class, nominated_only: true }, &self.index, cluster);
    }
}

fn answer(cluster: &Cluster, pod: PodId, trace: Trace, outcome: &Attempt) -> Answer {
    let (chosen, message) = match outcome {
        Attempt::Bind(placement) => (Some(placement.node), None),
        Attempt::Preempt(preemption) => (None, Some(preemption.rejection.message.clone())),
        Attempt::Reject { rejection, .. } => (None, Some(rejection.message.clone())),
    };
    Answer { pod, at: cluster.now, attempts: 1, trace, chosen, message }
}

fn selected(cluster: &Cluster, claim: VolumeClaimId) -> Option<NodeId> {
    cluster.volume_claims.get(claim.0 as usize).and_then(|claim| claim.selected_node)
}

/// The volume that a claim has got.
fn volume(cluster: &Cluster, choice: &ClaimChoice) -> Option<u32> {
    let (ClaimChoice::Provision(claim) | ClaimChoice::Bind(claim, _)) = choice;
    cluster.volume_claims.get(claim.0 as usize).and_then(|claim| claim.volume)
}

#[cfg(test)]
mod tests;
