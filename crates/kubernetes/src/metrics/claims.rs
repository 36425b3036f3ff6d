//! NodeClaims and nodes that come and go: counted when it has happened.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/metrics/metrics.go`, `pkg/controllers/nodeclaim/lifecycle/metrics.go`,
//! `pkg/controllers/node/termination/metrics.go` and the places where they are counted.

use std::collections::{BTreeMap, BTreeSet};

use autoscaler::{Autoscaler, Effect};
use cluster::node::POOL;
use cluster::node_claim::{ClaimStage, LaunchFailure};
use cluster::node_pool::DisruptionReason;
use cluster::{Change, ClaimId, Cluster, Labels, Name, NodeClaim, NodeId, Timestamp};
use provisioning::market::{CAPACITY_TYPE, ZONE};

use super::family::{DOUBLED_TO_1024_S, DOUBLED_TO_2048_S, Family, LIVES_MS};
use super::registry::Registry;

pub(super) static CREATED: Family = Family::counter(
    "karpenter_nodeclaims_created_total",
    &["reason", "nodepool", "min_values_relaxed"],
    "Claims created, by why: provisioned, or what the claim that it replaces was disrupted for.",
);
pub(super) static TERMINATED: Family = Family::counter(
    "karpenter_nodeclaims_terminated_total",
    &["nodepool", "capacity_type", "zone"],
    "Claims that are gone.",
);
pub(super) static DISRUPTED: Family = Family::counter(
    "karpenter_nodeclaims_disrupted_total",
    &["reason", "nodepool", "capacity_type"],
    "Claims that were asked to go, by why.",
);
pub(super) static TERMINATION: Family = Family::histogram(
    "karpenter_nodeclaims_termination_duration_seconds",
    DOUBLED_TO_2048_S,
    &["nodepool"],
    "From a claim's deletion to its end.",
);
pub(super) static INSTANCE_TERMINATION: Family = Family::histogram(
    "karpenter_nodeclaims_instance_termination_duration_seconds",
    DOUBLED_TO_1024_S,
    &["nodepool"],
    "From the first call that ends an instance until there is none.",
);
pub(super) static NODES_CREATED: Family = Family::counter(
    "karpenter_nodes_created_total",
    &["nodepool", "zone"],
    "Nodes that have joined for a claim and are registered.",
);
pub(super) static NODES_TERMINATED: Family = Family::counter(
    "karpenter_nodes_terminated_total",
    &["nodepool", "zone"],
    "Nodes of claims that are gone.",
);
pub(super) static NODES_DRAINED: Family = Family::counter(
    "karpenter_nodes_drained_total",
    &["nodepool"],
    "Nodes whose pods have gone, before they ended.",
);
pub(super) static NODE_TERMINATION: Family = Family::summary(
    "karpenter_nodes_termination_duration_seconds",
    &["nodepool"],
    "From a node's deletion to its end.",
);
pub(super) static NODE_LIFETIME: Family = Family::histogram(
    "karpenter_nodes_lifetime_duration_seconds",
    LIVES_MS,
    &["nodepool"],
    "How long nodes that are gone had been there.",
);

pub(super) static ALL: &[&Family] = &[
    &CREATED,
    &TERMINATED,
    &DISRUPTED,
    &TERMINATION,
    &INSTANCE_TERMINATION,
    &NODES_CREATED,
    &NODES_TERMINATED,
    &NODES_DRAINED,
    &NODE_TERMINATION,
    &NODE_LIFETIME,
];

/// What is remembered of claims from one event to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What claims that are still asked for are to be counted as.
    asked: BTreeMap<Name, &'static str>,
    /// Why claims were disrupted.
    why: BTreeMap<ClaimId, &'static str>,
    /// When the first call went out that ends an instance.
    ending: BTreeMap<ClaimId, Timestamp>,
    drained: BTreeSet<NodeId>,
}

/// A reason as upstream's label has it.
pub(super) fn label(reason: DisruptionReason) -> &'static str {
    match reason {
        DisruptionReason::Empty => "empty",
        DisruptionReason::Underutilized => "underutilized",
        DisruptionReason::Drifted => "drifted",
        DisruptionReason::Expired => "expired",
        DisruptionReason::Unhealthy => "unhealthy",
    }
}

/// One of a claim's labels, or nothing.
pub(super) fn of<'l>(labels: &'l Labels, key: &str) -> &'l str {
    labels.get(key).map_or("", Name::as_str)
}

impl Known {
    /// Something was decided.
    pub(super) fn decided(&mut self, cluster: &Cluster, mind: &Autoscaler, effect: &Effect) {
        match effect {
            Effect::CreateClaim(new) => {
                let why = mind.replaces(&new.name).map_or("provisioned", label);
                self.asked.insert(new.name.clone(), why);
            }
            Effect::Terminate(claim) => {
                self.ending.entry(*claim).or_insert(cluster.now);
            }
            _ => {}
        }
    }

    /// An effect was performed.
    pub(super) fn done(&mut self, cluster: &Cluster, effect: &Effect, counted: &mut Registry) {
        match effect {
            Effect::CreateClaim(new) => {
                let why = self.asked.remove(&new.name).unwrap_or("provisioned");
                let pool = of(&new.labels, POOL);
                counted.count(&CREATED, &[why, pool, "false"]);
            }
            Effect::Register(node) => {
                let Some(claim) = cluster.node(*node).claim.map(|claim| cluster.claim(claim)) else { return };
                counted.count(&NODES_CREATED, &[of(&claim.labels, POOL), of(&claim.labels, ZONE)]);
            }
            Effect::DeleteClaim(claim, why) => self.disrupted(cluster.claim(*claim), *why, cluster, counted),
            Effect::Terminate(claim) => {
                let node = cluster.claim(*claim).node;
                if let Some(node) = node.filter(|node| self.drained.insert(*node)) {
                    counted.count(&NODES_DRAINED, &[of(&cluster.node(node).labels, POOL)]);
                }
            }
            _ => {}
        }
    }

    /// What a claim went for: the reason that it was given, or why it never became a node.
    fn disrupted(
        &mut self,
        claim: &NodeClaim,
        why: Option<DisruptionReason>,
        cluster: &Cluster,
        counted: &mut Registry,
    ) {
        let pool = claim.pool.and_then(|pool| cluster.declared.node_pools.get(pool as usize));
        let is_static = pool.is_some_and(|pool| pool.replicas.is_some());
        let known = self.why.get(&claim.id).copied();
        let reason = why.map(label).or(known).or(match claim.stage {
            _ if is_static => None,
            ClaimStage::Created => Some("launch_timeout"),
            ClaimStage::Launched => Some("registration_timeout"),
            _ => None,
        });
        let Some(reason) = reason else { return };
        self.why.insert(claim.id, reason);
        counted.count(&DISRUPTED, &[reason, of(&claim.labels, POOL), of(&claim.labels, CAPACITY_TYPE)]);
    }

    /// Why pods of a node are evicted, as upstream's label has it: the claim's condition `DisruptionReason`.
    pub(super) fn why_evicted(&self, cluster: &Cluster, node: Option<NodeId>) -> &'static str {
        let claim = node.and_then(|node| cluster.node(node).claim);
        match claim.and_then(|claim| self.why.get(&claim).copied()) {
            Some("empty") => "Empty",
            Some("underutilized") => "Underutilized",
            Some("drifted") => "Drifted",
            _ => "Forceful Termination",
        }
    }

    /// Something became true.
    pub(super) fn learn(&mut self, cluster: &Cluster, change: &Change, counted: &mut Registry) {
        let now = cluster.now;
        match change {
            Change::ClaimFailed(claim, why) => {
                let why = match why {
                    LaunchFailure::InsufficientCapacity => "insufficient_capacity",
                    LaunchFailure::NodeClassNotReady(_) => "nodeclass_not_ready",
                    _ => return,
                };
                self.why.insert(*claim, why);
            }
            Change::ClaimLaunched(claim, _) => {
                self.why.remove(claim);
            }
            Change::InstanceTerminated(id) => {
                let claim = cluster.claim(*id);
                if let Some(since) = self.ending.remove(id) {
                    let ms = now.since_ms(since);
                    counted.observe(&INSTANCE_TERMINATION, &[of(&claim.labels, POOL)], now, ms);
                }
            }
            Change::ClaimGone(id) => {
                let claim = cluster.claim(*id);
                self.why.remove(id);
                self.ending.remove(id);
                let pool = of(&claim.labels, POOL);
                let of = |key| of(&claim.labels, key);
                counted.count(&TERMINATED, &[pool, of(CAPACITY_TYPE), of(ZONE)]);
                if let Some((since, _)) = claim.deleted {
                    counted.observe(&TERMINATION, &[pool], now, now.since_ms(since));
                }
            }
            Change::NodeGone(id) => self.node_gone(cluster, *id, counted),
            _ => {}
        }
    }

    fn node_gone(&mut self, cluster: &Cluster, id: NodeId, counted: &mut Registry) {
        let (node, now) = (cluster.node(id), cluster.now);
        self.drained.remove(&id);
        let Some(pool) = node.node_pool().filter(|_| node.claim.is_some()) else { return };
        counted.count(&NODES_TERMINATED, &[pool, of(&node.labels, ZONE)]);
        counted.observe(&NODE_LIFETIME, &[pool], now, now.since_ms(node.created));
        if let Some(since) = node.deleted {
            counted.observe(&NODE_TERMINATION, &[pool], now, now.since_ms(since));
        }
    }
}
