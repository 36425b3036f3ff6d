//! The controller: what it learns, and in which order it acts.
//!
//! [`crate::batch`], [`crate::provision`], [`crate::static_pools`], [`crate::launches`], [`crate::lifecycle`],
//! [`crate::drain`], [`crate::disruption`], [`crate::repair`] and [`crate::upkeep`] each hold one of its loops. Polls are events here: after a change that could matter it looks
//! again at the next instant at which its own requeue would have come. Where nothing changes it has nothing to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::Catalog;
use cluster::change::ClaimOrNode;
use cluster::node_claim::ClaimStage;
use cluster::{Change, Cluster, Kind, Name, NodeClaim, PodId, Timestamp, Waiting};
use provisioning::Market;
use provisioning::class::is_provisionable;
use provisioning::market::{Offers, Shelf};

use crate::batch::Batch;
use crate::buffers::Buffers;
use crate::capacity_errors::CapacityErrors;
use crate::disruption::Disruption;
use crate::drain::Drains;
use crate::effect::Effect;
use crate::launches::Launches;
use crate::lifecycle::Claims;
use crate::nominations::Nominations;
use crate::orphans::Orphans;
use crate::policy::Provisioner;
use crate::provision::Planned;
use crate::repair::Repair;
use crate::static_pools::StaticPools;
use crate::upkeep::Upkeep;

/// What whoever decides may look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The cluster at this instant; `cluster.now` is the time.
    pub cluster: &'a Cluster,
    /// What can be bought.
    pub catalog: &'a Catalog,
}

/// Where nodes are bought.
#[derive(Clone, Debug)]
pub enum Shop {
    /// EC2: the catalog says what there is. The shelf has what pools can buy as far as it is known already.
    Ec2(Shelf),
    /// A provider that has one list for every node class of this kind.
    Listed(Kind, Arc<Offers>),
}

impl Default for Shop {
    fn default() -> Shop {
        Shop::Ec2(Shelf::default())
    }
}

/// The controller's mind. One that begins to lead, or leads again, is told so by [`Autoscaler::lead`].
#[derive(Debug, Default)]
pub struct Autoscaler {
    pub(crate) provisioner: Provisioner,
    pub(crate) reaches_cloud: bool,
    pub(crate) market: Option<Market>,
    pub(crate) shop: Shop,
    pub(crate) capacity_errors: CapacityErrors,
    pub(crate) batch: Batch,
    pub(crate) launches: Launches,
    pub(crate) drains: Drains,
    pub(crate) disruption: Disruption,
    pub(crate) planned: Planned,
    pub(crate) static_pools: StaticPools,
    pub(crate) buffers: Buffers,
    /// Where each pending pod is expected to go.
    pub(crate) expected: BTreeMap<PodId, ClaimOrNode>,
    /// Nodes that pods were planned for, and until when they are protected.
    pub(crate) nominated: Nominations,
    pub(crate) claims: Claims,
    pub(crate) repair: Repair,
    pub(crate) orphans: Orphans,
    pub(crate) upkeep: Upkeep,
    /// Pods that may be provisionable: a superset of those that are.
    pub(crate) pending: BTreeSet<PodId>,
    /// Pods that the last plan had no place for.
    pub(crate) refused: BTreeSet<PodId>,
    pub(crate) retry_provisioning: Option<Timestamp>,
    /// Something was observed since the last decision.
    news: bool,
}

impl Autoscaler {
    /// `run` tells the claims that this value creates from those of others under the same pool, and may be empty
    /// where there are no others.
    pub fn new(shop: Shop, provisioner: Provisioner, run: Name) -> Autoscaler {
        Autoscaler {
            shop,
            provisioner,
            planned: Planned::of_run(run),
            reaches_cloud: true,
            ..Autoscaler::default()
        }
    }

    /// Keeps statuses and hashes in the API true as well, from now on: there is none in a simulation.
    pub fn keeping_up(mut self) -> Autoscaler {
        self.upkeep.begin();
        self
    }

    /// Begins to lead: knows nothing of what another had in mind, and looks at everything.
    pub fn lead(&mut self, cluster: &Cluster) {
        self.batch = Batch::default();
        // Whatever can go may have been able to for long.
        self.disruption = Disruption::default();
        self.disruption.changed = true;
        self.buffers = Buffers::default();
        self.nominated = Nominations::default();
        self.capacity_errors = CapacityErrors::default();
        self.market = None;
        self.claims.take_over(cluster);
        self.drains.take_over(cluster);
        if self.has_orphans() {
            self.orphans.take_over(cluster);
        }
        self.launches.take_over(cluster, matches!(self.shop, Shop::Listed(..)));
        self.upkeep.take_over(cluster);
        for pod in cluster.pods.iter().filter(|pod| is_provisionable(cluster, pod)) {
            self.pending.insert(pod.id);
            self.batch.trigger(pod.id, cluster.now);
        }
        self.news = true;
    }

    /// Whether calls to the cloud can succeed, as far as is known: while they cannot, none is submitted.
    pub fn reach_cloud(&mut self, reaches: bool) {
        self.news |= self.reaches_cloud != reaches;
        self.reaches_cloud = reaches;
    }

    /// Learns one change. The cluster already contains it.
    pub fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        match change {
            Change::ClaimCreated(claim) => self.meet(cluster.claim(*claim)),
            Change::ClaimNotCreated(name) => self.planned.not_created(name),
            Change::ClaimFailed(claim, why) => {
                self.launches.failed(cluster, *claim, why, &mut self.capacity_errors);
            }
            Change::OfferingsRefused(refused) => {
                refused.iter().for_each(|offering| self.capacity_errors.note(offering, cluster.now));
            }
            Change::InstanceTerminated(claim) => self.drains.terminated(*claim),
            Change::ObjectArrived(key) => {
                self.market = None;
                // Upstream comes back to a pod that waits ten seconds after it last looked.
                let hopes = key.kind == Kind::NodePool && !self.pending.is_empty();
                if hopes && self.provisioner == Provisioner::Plimsoll {
                    self.batch.open(cluster.now);
                }
            }
            Change::ObjectDeleted(_) => self.market = None,
            Change::PodWaits(pod, waiting)
                if matches!(**waiting, Waiting::Unschedulable(_))
                    && is_provisionable(cluster, cluster.pod(*pod)) =>
            {
                self.pending.insert(*pod);
                self.batch.trigger(*pod, cluster.now);
                self.news = true;
            }
            Change::PodBound(pod, _) | Change::PodGone(pod) => {
                self.expected.remove(pod);
                self.pending.remove(pod);
                self.refused.remove(pod);
            }
            Change::NodeDeleting(node) => self.drains.begin(cluster, *node),
            _ => {}
        }
        self.claims.observe(change, cluster);
        self.buffers.observe(change, cluster);
        self.repair.observe(change, cluster, self.tolerated_ms());
        if self.has_orphans() {
            self.orphans.observe(change, cluster);
        }
        self.upkeep.observe(change, cluster);
        self.hear(change);
    }

    /// The API has a claim. One that somebody else made wants an instance as well.
    fn meet(&mut self, claim: &NodeClaim) {
        if !self.planned.created(claim) && claim.stage == ClaimStage::Created {
            self.launches.submit(claim.id, None);
        }
    }

    /// Whether there is something to decide now.
    pub fn has_news(&self, now: Timestamp) -> bool {
        let woken = [self.wake_at(), self.background_wake_at()];
        self.news || woken.into_iter().flatten().any(|at| at <= now)
    }

    /// Acts on what was observed; what it wants is in `effects`, in order.
    pub fn decide(&mut self, context: Context<'_>, effects: &mut Vec<Effect>) {
        self.news = false;
        self.look_after_claims(context.cluster, effects);
        self.repair(context.cluster, effects);
        self.end_orphans(context.cluster, effects);
        self.drains.decide(context.cluster, self.reaches_cloud, effects);
        self.keep_replicas(context, effects);
        self.look_at_buffers(context.cluster, effects);
        self.provision(context, effects);
        self.disrupt(context, effects);
        self.keep_up(context.cluster, effects);
    }

    /// When to be asked again if nothing happens before.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let always = [
            self.claims.next_deadline(),
            self.launches.next_retry(),
            self.drains.wake_at(),
            self.buffers.wake_at(),
            self.orphans.wake_at(),
        ];
        // Before every claim is launched nothing is planned; the answer that is missing is waited for.
        let planning = [self.batch.due(), self.retry_provisioning, self.disruption.wake_at()];
        let planning = planning.into_iter().filter(|_| self.is_settled());
        always.into_iter().chain(planning).flatten().min()
    }

    /// Like [`Autoscaler::wake_at`], for what goes on for ever in a settled cluster: expiry and budgets' schedules.
    pub fn background_wake_at(&self) -> Option<Timestamp> {
        let own = [self.claims.next_expiry(), self.disruption.next_budget_change()];
        let others = [self.static_pools.next_retry(), self.upkeep.next_due(), self.repair.wake_at()];
        own.into_iter().chain(others).flatten().min()
    }

    /// Whether every claim that was asked for is there, and launched or gone.
    pub(crate) fn is_settled(&self) -> bool {
        self.claims.are_launched() && self.planned.is_settled()
    }

    fn hear(&mut self, change: &Change) {
        match change {
            Change::OfferingsRefused(_) => {}
            Change::BufferStatus(..) => self.news = true,
            Change::InstanceTerminated(_) => {
                self.news = true;
                self.drains.changed = true;
            }
            change if matters(change) => {
                self.news = true;
                self.batch.changed = true;
                self.disruption.changed = true;
                self.drains.changed = true;
            }
            _ => {}
        }
    }

    /// What pools can buy, as the controller knows it now.
    pub fn market(&mut self, context: Context<'_>) -> Option<&Market> {
        self.refresh_market(context);
        self.market.as_ref()
    }

    /// Brings what pools can buy up to date.
    pub(crate) fn refresh_market(&mut self, context: Context<'_>) {
        let expired = self.capacity_errors.expire(context.cluster.now);
        if self.capacity_errors.take_changed() || expired || self.market.is_none() {
            let out = self.capacity_errors.known(context.cluster);
            self.market = Some(match &self.shop {
                Shop::Ec2(shelf) => Market::of(context.cluster, context.catalog, &out, shelf),
                Shop::Listed(kind, offers) => Market::listed(context.cluster, kind, offers, &out),
            });
        }
    }
}

/// Whether a change can make a difference to a plan.
pub fn matters(change: &Change) -> bool {
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
