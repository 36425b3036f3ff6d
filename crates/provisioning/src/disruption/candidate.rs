//! Nodes that may go, with what decides their order.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/types.go` (`NewCandidate`) and
//! `pkg/controllers/state/statenode.go` (`ValidateNodeDisruptable`, `ValidatePodsDisruptable`).

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::ClaimOrNode;
use cluster::requirements::Requirements;
use cluster::{Cluster, Labels, NodeId, NodePool, Pod, PodId, Timestamp};

use super::pdb::PodBudgets;
use super::pods;
use crate::existing::View;
use crate::input::Policy;
use crate::market::{Market, TypeOnOffer};

/// A node that may go.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Which.
    pub node: NodeId,
    /// Its pool; index into `declared.node_pools`.
    pub pool: u32,
    /// Its type, while the pool's node class offers it.
    pub instance_type: Option<&'a TypeOnOffer>,
    /// Its capacity type.
    pub capacity_type: cluster::Name,
    /// Its zone.
    pub zone: cluster::Name,
    /// Its price; 0 when nobody knows.
    pub price_micro_usd: i64,
    /// The lowest price of what its labels say it was bought as; 0 when nobody knows.
    pub label_price_micro_usd: i64,
    /// Pods that need a place elsewhere.
    pub pods: Vec<PodId>,
    /// What moving them costs, in [`pods::COST_ONE`]ths; one for the node itself.
    pub cost: i64,
}

impl Candidate<'_> {
    /// No pod on it minds.
    pub fn is_empty(&self) -> bool {
        self.cost <= pods::COST_ONE
    }
}

/// What keeps nodes from being candidates besides what the cluster says.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// Nodes that a command is about.
    pub going: &'a BTreeSet<NodeId>,
    /// Nodes that pods were planned for, and until when they are protected.
    pub nominated: &'a BTreeMap<NodeId, Timestamp>,
    /// Nodes, and claims on their way, that the last plan had pods of CapacityBuffers on: they are not empty.
    pub buffered: &'a BTreeSet<ClaimOrNode>,
    /// Whose decisions: where pods of nodes that go are tried.
    pub policy: Policy<'a>,
}

impl Held<'_> {
    /// Whether the last plan had pods of CapacityBuffers on this node.
    pub fn is_buffered(&self, cluster: &Cluster, node: NodeId) -> bool {
        let of_claim =
            || cluster.node(node).claim.is_some_and(|id| self.buffered.contains(&ClaimOrNode::Claim(id)));
        self.buffered.contains(&ClaimOrNode::Node(node)) || of_claim()
    }
}

/// How long a disruption can wait for pods that must not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For ever: consolidation.
    Graceful,
    /// Until the node's `terminationGracePeriod`, where it has one: drift.
    Eventual,
}

/// Every node that may go.
pub fn candidates<'a>(
    cluster: &'a Cluster,
    market: &'a Market,
    held: Held<'_>,
    class: Class,
) -> Vec<Candidate<'a>> {
    let budgets = PodBudgets::of(cluster);
    let mut on_node: Vec<Vec<&Pod>> = vec![Vec::new(); cluster.nodes.len()];
    for pod in cluster.pods.iter().filter(|pod| pod.holds_node()) {
        if let Some(pods) = pod.node.and_then(|node| on_node.get_mut(node.0 as usize)) {
            pods.push(pod);
        }
    }
    let views = cluster.live_nodes().map(|node| View::of_node(cluster, node));
    views
        .filter_map(|view| {
            let node = view.node?;
            candidate(cluster, market, held, class, &budgets, &view, &on_node[node.id.0 as usize])
        })
        .collect()
}

fn candidate<'a>(
    cluster: &'a Cluster,
    market: &'a Market,
    held: Held<'_>,
    class: Class,
    budgets: &PodBudgets<'_>,
    view: &View<'a>,
    on_node: &[&Pod],
) -> Option<Candidate<'a>> {
    let (node, claim, now) = (view.node?, view.claim?, cluster.now);
    let nominated = held.nominated.get(&node.id).is_some_and(|until| *until > now);
    let protected = node.annotations.get(pods::DO_NOT_DISRUPT).is_some_and(|value| value == "true");
    if !view.is_initialized() || view.is_leaving() || held.going.contains(&node.id) || nominated || protected
    {
        return None;
    }
    let stays =
        |pod: &&&Pod| pods::is_active(pod) && pods::do_not_disrupt(pod, now) || budgets.blocks(pod, now);
    let ends = claim.termination_grace_period_ms.is_some();
    if !(ends && class == Class::Eventual) && on_node.iter().any(|pod| stays(&pod)) {
        return None;
    }
    let pool = claim.pool?;
    let types = &market.pools.get(pool as usize)?.types;
    let instance_type = types.iter().find(|offered| offered.name == node.instance_type);
    let label = |key: &str| node.labels.get(key).cloned();
    let launched = claim.launched.as_ref().map(|launched| &launched.option);
    let zone = label(crate::market::ZONE).or_else(|| launched.map(|option| option.zone.clone()));
    let capacity_type =
        label(crate::market::CAPACITY_TYPE).or_else(|| launched.map(|option| option.capacity_type.clone()));
    let (zone, capacity_type) = (zone.unwrap_or_default(), capacity_type.unwrap_or_default());
    let reschedulable = on_node.iter().filter(|pod| pods::is_reschedulable(cluster, pod));
    let (mut moved, mut cost) = (Vec::new(), pods::COST_ONE);
    for pod in reschedulable {
        moved.push(pod.id);
        cost = cost.saturating_add(pods::eviction_cost(pod).max(0));
    }
    Some(Candidate {
        node: node.id,
        pool,
        price_micro_usd: instance_type.map_or(0, |offered| price(offered, &zone, &capacity_type)),
        label_price_micro_usd: instance_type.map_or(0, |offered| label_price(offered, &node.labels)),
        instance_type,
        capacity_type,
        zone,
        pods: moved,
        cost,
    })
}

fn price(offered: &TypeOnOffer, zone: &str, capacity_type: &str) -> i64 {
    let own = offered.offerings.iter().find(|o| o.zone == zone && o.capacity_type == capacity_type);
    own.map_or(0, |offering| offering.price_micro_usd).min(i64::from(u32::MAX))
}

fn label_price(offered: &TypeOnOffer, labels: &Labels) -> i64 {
    let labels = Requirements::of_labels(labels);
    let own = offered.offerings.iter().filter(|offering| offering.is_what_a_node_is(&labels));
    own.map(|offering| offering.price_micro_usd).min().unwrap_or(0).min(i64::from(u32::MAX))
}

/// Dearest per unit of disruption first; equal ones by id.
pub fn sort(candidates: &mut [Candidate<'_>]) {
    candidates.sort_by(|a, b| {
        let left = i128::from(a.price_micro_usd) * i128::from(b.cost);
        let right = i128::from(b.price_micro_usd) * i128::from(a.cost);
        right.cmp(&left).then(a.node.cmp(&b.node))
    });
}

/// When a node leaves `consolidateAfter`, measured from the last pod that came or left, or from the start of the
/// run if nothing has happened since; `None`: never, or not initialized.
pub fn consolidatable_at(cluster: &Cluster, view: &View<'_>) -> Option<Timestamp> {
    let claim = view.claim?;
    let after_ms = pool_of(cluster, claim.pool?)?.consolidate_after_ms?;
    view.is_initialized().then(|| claim.last_pod_event.max(Timestamp::ZERO).after_ms(after_ms))
}

/// Nodes inside their pool's `consolidateAfter`.
pub fn settling(cluster: &Cluster) -> BTreeSet<NodeId> {
    let views = cluster.live_nodes().map(|node| View::of_node(cluster, node));
    views
        .filter(|view| consolidatable_at(cluster, view).is_some_and(|at| cluster.now < at))
        .filter_map(|view| view.node.map(|node| node.id))
        .collect()
}

/// The pool with this index.
pub fn pool_of(cluster: &Cluster, pool: u32) -> Option<&NodePool> {
    cluster.declared.node_pools.get(pool as usize)
}
