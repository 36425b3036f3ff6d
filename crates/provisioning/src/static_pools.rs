//! Static pools (`spec.replicas`): how many claims one lacks, which of its claims are too many, and what a claim that
//! is made for no pod asks for. Their drift is in [`crate::disruption::static_drift`].
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/static/{provisioning,deprovisioning}/controller.go` and
//! `pkg/controllers/state/statenodepool.go`. Both controllers run only with the feature gate `StaticCapacity`
//! (`declared.karpenter.static_capacity`): that is the caller's to ask. Of equal nodes Karpenter takes any; here it
//! is the one whose claim is older.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use cluster::node_claim::ClaimStage;
use cluster::{ClaimId, Cluster, Kind, NodeClaim, NodeId, NodePool, ObjectKey, Pod, Resources};

use crate::bits::Bits;
use crate::class::of_daemon_set;
use crate::disruption::pods;
use crate::existing::View;
use crate::market::Market;
use crate::plan::{INSTANCE_TYPES_MAX, PlannedClaim, cheapest_first};
use crate::pool::{requirements_of, unmet_min_values};

/// A static pool's claims, by what becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that stay, launched or not.
    pub active: u32,
    /// Those whose node is going.
    pub going: u32,
}

impl Census {
    /// How many claims may be added under `limits.nodes`: what goes counts until it is gone.
    pub fn room(self, pool: &NodePool) -> u32 {
        let Some(limit) = pool.limit("nodes") else { return u32::MAX };
        let left = limit.saturating_sub(i64::from(self.active) + i64::from(self.going)).max(0);
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

/// Counts a pool's claims. `going` are nodes that a disruption command has marked. A claim that was asked to go
/// before it was launched stays active until it is gone.
pub fn census(cluster: &Cluster, pool: u32, going: &BTreeSet<NodeId>) -> Census {
    let mut census = Census::default();
    for claim in of_pool(cluster, pool) {
        match claim.launched.is_some() && is_going(cluster, claim, going) {
            true => census.going = census.going.saturating_add(1),
            false => census.active = census.active.saturating_add(1),
        }
    }
    census
}

/// The static pools that are in the API: index and replicas.
pub fn all(cluster: &Cluster) -> impl Iterator<Item = (u32, u32)> {
    let arrived = |pool: &NodePool| {
        cluster.arrived_objects.contains(&ObjectKey::new(Kind::NodePool, "", pool.name.clone()))
    };
    let pools = (0u32..).zip(&cluster.declared.node_pools);
    pools.filter(move |(_, pool)| arrived(pool)).filter_map(|(index, pool)| Some((index, pool.replicas?)))
}

/// How many claims a static pool lacks and may create now. Whether it is ready is [`claim`]'s to say.
pub fn lacking(cluster: &Cluster, pool: u32, going: &BTreeSet<NodeId>) -> u32 {
    let Some(declared) = cluster.declared.node_pools.get(pool as usize) else { return 0 };
    let census = census(cluster, pool, going);
    let wanted = declared.replicas.unwrap_or(0).saturating_sub(census.active);
    wanted.min(census.room(declared))
}

/// The claims that a static pool has too many, in the order in which they are chosen: those that are not launched,
/// nodes without pods of note, then those that are cheapest to disrupt, with pods that must not be disrupted last.
pub fn surplus(cluster: &Cluster, pool: u32, going: &BTreeSet<NodeId>) -> Vec<ClaimId> {
    let replicas = cluster.declared.node_pools.get(pool as usize).and_then(|pool| pool.replicas);
    let Some(replicas) = replicas else { return Vec::new() };
    let too_many = census(cluster, pool, going).active.saturating_sub(replicas) as usize;
    if too_many == 0 {
        return Vec::new();
    }
    let unlaunched =
        of_pool(cluster, pool).filter(|claim| claim.launched.is_none() && claim.deleted.is_none());
    let mut chosen: Vec<ClaimId> = unlaunched.map(|claim| claim.id).take(too_many).collect();
    let nodes = of_pool(cluster, pool)
        .filter(|claim| claim.launched.is_some() && !is_going(cluster, claim, going))
        .map(|claim| Burden::of(cluster, claim));
    let mut nodes: Vec<Burden> = nodes.collect();
    nodes.sort_by(Burden::compare);
    chosen.extend(nodes.iter().map(|node| node.claim).take(too_many - chosen.len()));
    chosen
}

/// A claim of a static pool: the pool's own requirements, no pods and no instance types of its own. Its options are
/// what the provider would find for them; none while nothing is on offer. `None`: the pool cannot be used.
pub fn claim(cluster: &Cluster, market: &Market, pool: u32) -> Option<PlannedClaim> {
    let declared = cluster.declared.node_pools.get(pool as usize)?;
    let offered = market.pools.get(pool as usize).filter(|offered| offered.not_ready.is_none())?;
    let requirements = requirements_of(declared);
    let types = offered.types.clone();
    let alive: Bits = types.agreement(&requirements).offered.clone();
    let unmet = !unmet_min_values(&types, &alive, &requirements).is_empty();
    let mut options = cheapest_first(&types, alive.iter(), &requirements);
    options.truncate(if unmet { 0 } else { INSTANCE_TYPES_MAX });
    let (requests, subnet) = (Resources::ZERO, None);
    Some(PlannedClaim { pool, pods: Vec::new(), requirements, types, options, requests, subnet })
}

fn of_pool(cluster: &Cluster, pool: u32) -> impl Iterator<Item = &NodeClaim> {
    cluster.claims.iter().filter(move |claim| claim.pool == Some(pool) && claim.stage != ClaimStage::Gone)
}

fn is_going(cluster: &Cluster, claim: &NodeClaim, going: &BTreeSet<NodeId>) -> bool {
    claim.node.is_some_and(|node| going.contains(&node)) || view(cluster, claim).is_leaving()
}

fn view<'a>(cluster: &'a Cluster, claim: &'a NodeClaim) -> View<'a> {
    let node = claim.node.and_then(|node| cluster.nodes.get(node.0 as usize));
    View { node: node.filter(|node| node.exists()), claim: Some(claim) }
}

/// What taking a launched claim away would cost.
#[derive(Clone, Copy, Debug)]
struct Burden {
    claim: ClaimId,
    /// No pods, or only those of DaemonSets that may be disrupted.
    empty: bool,
    /// A pod must not be disrupted.
    protected: bool,
    /// Sum of its pods' eviction costs, in [`pods::COST_ONE`]ths; may be negative.
    cost: i128,
    /// What is left of its life, as a fraction: numerator and denominator, in milliseconds.
    life: (i128, i128),
}

impl Burden {
    fn of(cluster: &Cluster, claim: &NodeClaim) -> Burden {
        let node = view(cluster, claim).node.map(|node| node.id);
        let there =
            |pod: &&Pod| pod.node.is_some() && pod.node == node && pod.stage != cluster::pod::Stage::Gone;
        let on_node = || cluster.pods.iter().filter(there);
        let protected = on_node().any(|pod| pods::do_not_disrupt(pod, cluster.now));
        let life = claim.expire_after_ms.map_or((1, 1), |after| {
            let after = i128::from(after.max(1));
            ((after - i128::from(cluster.now.since_ms(claim.created))).clamp(0, after), after)
        });
        Burden {
            claim: claim.id,
            empty: on_node().all(|pod| of_daemon_set(cluster, pod)) && !protected,
            protected,
            cost: on_node().map(|pod| i128::from(pods::eviction_cost(pod))).sum(),
            life,
        }
    }

    fn compare(&self, other: &Burden) -> Ordering {
        let empty_first = other.empty.cmp(&self.empty);
        if self.empty || empty_first != Ordering::Equal {
            return empty_first;
        }
        let scaled =
            |own: &Burden, other: &Burden| own.cost.saturating_mul(own.life.0).saturating_mul(other.life.1);
        self.protected.cmp(&other.protected).then_with(|| scaled(self, other).cmp(&scaled(other, self)))
    }
}

#[cfg(test)]
mod tests;
