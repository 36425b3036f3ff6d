//! Stock Karpenter's controller: adds nodes for pending pods, looks after its claims, takes nodes away.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers` and aws/karpenter-provider-aws v1.14.1. It acts only
//! while one of its pods is Ready (the leader); what it had in memory is lost with the leader. What it decides is in
//! `provisioning`; here is when it decides and in which order it acts: [`batch`], [`provision`], [`launch`],
//! [`lifecycle`], [`drain`], [`disruption`], [`static_pools`], with what it remembers about capacity in
//! [`capacity_errors`].
//!
//! Polls are events here: after a change that could matter it looks again at the next instant at which its own
//! requeue would have come. A run in which nothing changes leaves it nothing to do.

mod batch;
mod capacity_errors;
mod disruption;
mod drain;
mod launch;
mod lifecycle;
mod provision;
mod static_pools;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::ClaimOrNode;
use cluster::pod::Stage;
use cluster::role::Program;
use cluster::{Change, Cluster, NodeId, PodId, Timestamp, Waiting, WorkloadId};
use provisioning::Market;
use provisioning::class::is_provisionable;
use provisioning::market::Shelf;

use self::batch::Batch;
use self::capacity_errors::CapacityErrors;
use self::disruption::Disruption;
use self::drain::Drains;
use self::launch::Launches;
use self::lifecycle::Claims;
use self::provision::Planned;
use self::static_pools::StaticPools;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};
use crate::needs;
use crate::provisioner::Provisioner;

/// The controller.
#[derive(Debug, Default)]
pub struct Karpenter {
    seed: u64,
    provisioner: Provisioner,
    leader: Option<(WorkloadId, PodId)>,
    /// It cannot reach EC2: what it lacks was noted.
    blocked: bool,
    market: Option<Market>,
    shelf: Shelf,
    capacity_errors: CapacityErrors,
    batch: Batch,
    launches: Launches,
    drains: Drains,
    disruption: Disruption,
    planned: Planned,
    static_pools: StaticPools,
    /// Where each pending pod is expected to go.
    expected: BTreeMap<PodId, ClaimOrNode>,
    /// Nodes that pods were planned for, and until when they are protected.
    nominated: BTreeMap<NodeId, Timestamp>,
    claims: Claims,
    /// Pods that may be provisionable: a superset of those that are.
    pending: BTreeSet<PodId>,
    /// Pods that the last plan had no place for.
    refused: BTreeSet<PodId>,
    retry_provisioning: Option<Timestamp>,
    /// What has happened since the last look.
    news: News,
}

/// What has happened since the last look, as far as something expensive depends on it.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    anything: bool,
    /// A Karpenter pod started, stopped or goes.
    leader: bool,
    /// Name resolution or an AWS service may have come or gone.
    needs: bool,
}

impl Karpenter {
    /// `seed` decides what EC2 leaves to chance; `shelf` has what pools can buy as far as it is known already.
    pub fn new(seed: u64, shelf: Shelf, provisioner: Provisioner) -> Karpenter {
        Karpenter { seed, shelf, provisioner, ..Karpenter::default() }
    }
}

impl Actor for Karpenter {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        match change {
            Change::ClaimCreated(claim) => self.planned.created(*claim),
            Change::ClaimFailed(claim, why) => {
                self.launches.failed(cluster, *claim, why, &mut self.capacity_errors)
            }
            Change::ObjectArrived(_) | Change::ObjectDeleted(_) => self.market = None,
            Change::PodWaits(pod, waiting)
                if matches!(**waiting, Waiting::Unschedulable(_))
                    && is_provisionable(cluster, cluster.pod(*pod)) =>
            {
                self.pending.insert(*pod);
                self.batch.trigger(*pod, cluster.now);
                self.news.anything = true;
            }
            Change::PodBound(pod, _) | Change::PodGone(pod) => {
                self.expected.remove(pod);
                self.pending.remove(pod);
            }
            Change::NodeDeleting(node) => self.drains.begin(cluster, *node),
            _ => {}
        }
        self.claims.observe(change, cluster);
        self.hear(change, cluster);
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let overlays =
            context.cluster.declared.karpenter.node_overlay && self.launches.next_answer().is_some();
        if overlays {
            self.refresh_market(context);
        }
        let market = self.market.as_ref().filter(|_| overlays);
        self.launches.answer(context, &mut self.capacity_errors, market, self.seed, effects);
        let woken = [self.wake_at(), self.background_wake_at()];
        let due = woken.into_iter().flatten().any(|at| at <= context.cluster.now);
        let news = std::mem::take(&mut self.news);
        if !news.anything && !due {
            return;
        }
        if news.leader || self.leader.is_none() && news.needs {
            self.find_leader(context.cluster);
        }
        let Some((workload, pod)) = self.leader else { return };
        if news.leader || news.needs {
            self.check_needs(context.cluster, workload, pod, effects);
        }
        let reaches_ec2 = !self.blocked;
        self.look_after_claims(context.cluster, reaches_ec2, effects);
        self.drains.decide(context.cluster, reaches_ec2, effects);
        self.keep_replicas(context, effects);
        self.provision(context, effects);
        self.disrupt(context, effects);
    }

    fn wake_at(&self) -> Option<Timestamp> {
        let answers = self.launches.next_answer();
        if self.leader.is_none() {
            return answers;
        }
        let always = [self.claims.next_deadline(), self.launches.next_retry(), self.drains.wake_at()];
        // Before every claim is launched nothing is planned; the answer that is missing is waited for.
        let planning = [self.batch.due(), self.retry_provisioning, self.disruption.wake_at()];
        let planning = planning.into_iter().filter(|_| self.claims.are_launched());
        always.into_iter().chain(planning).flatten().chain(answers).min()
    }

    fn background_wake_at(&self) -> Option<Timestamp> {
        self.leader?;
        let own = [self.claims.next_expiry(), self.disruption.next_budget_change()];
        own.into_iter().chain([self.static_pools.next_retry()]).flatten().min()
    }
}

impl Karpenter {
    fn hear(&mut self, change: &Change, cluster: &Cluster) {
        if !matters(change) {
            return;
        }
        self.news.anything = true;
        self.batch.changed = true;
        self.disruption.changed = true;
        self.drains.changed = true;
        match change {
            Change::PodStage(pod, _) | Change::PodGone(pod) | Change::PodDeleting { pod, .. } => {
                let template = &cluster.pod(*pod).template;
                self.news.leader |= template.role.program == Program::Karpenter;
                let resolves = template.role.program == Program::ClusterDns
                    || template.containers.iter().any(|container| container.image.contains("dns"));
                self.news.needs |= resolves;
            }
            Change::Fault(..) => self.news.needs = true,
            _ => {}
        }
    }

    /// The first Ready pod leads. A new leader knows nothing of what the old one had in mind, and looks at all
    /// pods that are pending.
    fn find_leader(&mut self, cluster: &Cluster) {
        let leads = |pod: &cluster::Pod| {
            pod.template.role.program == Program::Karpenter
                && pod.stage == Stage::Ready
                && pod.deleted.is_none()
        };
        if self.leader.is_some_and(|(_, pod)| leads(cluster.pod(pod))) {
            return;
        }
        let next = cluster.pods.iter().find(|pod| leads(pod));
        self.leader = next.and_then(|pod| Some((pod.workload?, pod.id)));
        if self.leader.is_none() {
            return;
        }
        self.batch = Batch::default();
        self.disruption = Disruption::default();
        self.nominated.clear();
        self.capacity_errors = CapacityErrors::default();
        self.market = None;
        self.claims.take_over(cluster);
        self.drains.take_over(cluster);
        self.launches.take_over(cluster);
        for pod in cluster.pods.iter().filter(|pod| is_provisionable(cluster, pod)) {
            self.pending.insert(pod.id);
            self.batch.trigger(pod.id, cluster.now);
        }
    }

    /// Notes what keeps the controller from calling EC2, if anything does.
    fn check_needs(&mut self, cluster: &Cluster, workload: WorkloadId, pod: PodId, effects: &mut Effects) {
        let missing = needs::missing_need(cluster, pod);
        let reaches_ec2 = missing.is_none();
        if missing.is_some() && cluster.blocked.get(&workload).map(|(_, needs)| needs) != missing.as_ref() {
            effects.now(Effect::Block(workload, missing));
        } else if reaches_ec2 && (self.blocked || cluster.blocked.contains_key(&workload)) {
            effects.now(Effect::Block(workload, None));
        }
        self.blocked = !reaches_ec2;
    }

    /// What pools can buy, as the controller knows it.
    fn refresh_market(&mut self, context: Context<'_>) {
        let expired = self.capacity_errors.expire(context.cluster.now);
        if self.capacity_errors.take_changed() || expired || self.market.is_none() {
            let out = self.capacity_errors.known(context.cluster);
            self.market = Some(Market::of(context.cluster, context.catalog, &out, &self.shelf));
        }
    }
}

/// Whether a change can make a difference to a plan.
fn matters(change: &Change) -> bool {
    !matches!(
        change,
        Change::PodWaits(..)
            | Change::PodAddressed(_)
            | Change::PodRestarted(_)
            | Change::PodExpected(..)
            | Change::PodRefusedByPools(..)
            | Change::PodRefused { .. }
            | Change::EniCalled { .. }
            | Change::Blocked { .. }
            | Change::CniReady(..)
    )
}
