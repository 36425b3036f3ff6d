//! A NodePool as the scheduler tries it: its requirements, the types that remain, their room for pods.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/{nodeclaimtemplate,scheduler}.go`
//! and `pkg/utils/nodepool` (`OrderByWeight`).

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::requirements::{Requirement, Requirements};
use cluster::{Cluster, Kind, Name, NodePool, ObjectKey, Resources, Taint};

use crate::bits::Bits;
use crate::daemons::{self, Daemon, DaemonGroup};
use crate::existing::View;
use crate::input::{Input, Policy};
use crate::market::{Offers, TypeOnOffer};
use crate::plimsoll::addresses::ADDRESSES;
use crate::room::Rooms;

/// A pool that claims can be made from.
#[derive(Clone, Debug)]
pub struct PoolTemplate {
    /// Index into `declared.node_pools`.
    pub pool: u32,
    /// Requirements and labels of the pool, as requirements.
    pub requirements: Requirements,
    /// `spec.template.spec.taints`.
    pub taints: Vec<Taint>,
    /// Every type of its node class.
    pub types: Arc<Offers>,
    /// Types that the pool's own requirements leave.
    pub usable: Bits,
    /// The DaemonSets' share.
    pub groups: Vec<DaemonGroup>,
    /// By type: allocatable less the daemons; types whose daemons do not fit are not in `holds_daemons`.
    pub room: Vec<Resources>,
    /// The same, all types at once.
    pub rooms: Rooms,
    /// Types that have room for their daemons.
    pub holds_daemons: Bits,
}

/// Why a pool is not tried at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It or its node class is not ready.
    NotReady(Name),
    /// Its requirements leave no instance type.
    NoInstanceType,
    /// Types remain, but none is offered where and how the pool allows it.
    NoOffering,
    /// Its own `minValues` cannot be met.
    MinValues(Name),
}

/// The pools that are in the API, in the order in which they are tried: heaviest first, then by name, the last
/// name first. Static pools are not tried.
pub fn in_order(input: &Input<'_>) -> Vec<u32> {
    let pools = &input.cluster.declared.node_pools;
    let arrived = |pool: &NodePool| {
        let key = ObjectKey::new(Kind::NodePool, "", pool.name.clone());
        input.cluster.arrived_objects.contains(&key)
    };
    let mut order: Vec<u32> = (0u32..)
        .zip(pools)
        .filter(|(_, pool)| arrived(pool) && pool.replicas.is_none())
        .map(|(index, _)| index)
        .collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&pools[a as usize], &pools[b as usize]);
        b.weight.cmp(&a.weight).then_with(|| b.name.cmp(&a.name))
    });
    order
}

/// What a pool's nodes have, and how many there are; those that go count until they are gone.
pub fn used(cluster: &Cluster, pool: u32) -> Resources {
    let mut used = Resources::ZERO;
    for view in View::all(cluster).filter(|view| view.claim.is_some_and(|claim| claim.pool == Some(pool))) {
        used.add(&view.capacity());
        used.set("nodes", used.get("nodes").saturating_add(1));
    }
    used
}

/// The limit that a pool's nodes have passed: then no claim is created from it (`pkg/apis/v1/nodepool.go`
/// `Limits.ExceededBy`).
pub fn limit_passed(cluster: &Cluster, pool: u32) -> Option<(Name, i64)> {
    let declared = cluster.declared.node_pools.get(pool as usize)?;
    declared.exceeded_limit(&used(cluster, pool)).map(|(name, limit)| (name.clone(), limit))
}

/// What a pool's nodes are, before any pod asks for more.
pub fn requirements_of(pool: &NodePool) -> Requirements {
    let mut requirements = Requirements::of_selectors(&pool.requirements);
    requirements.add_all(&Requirements::of_labels(&pool.labels));
    requirements.add(Requirement::equal_to("karpenter.sh/nodepool", &pool.name));
    requirements.add(Requirement::equal_to("karpenter.k8s.aws/ec2nodeclass", &pool.node_class));
    // For DaemonSets that ask for them; the claim does not get them.
    requirements.add(Requirement::equal_to("karpenter.sh/registered", "true"));
    requirements.add(Requirement::equal_to("karpenter.sh/initialized", "true"));
    requirements
}

impl PoolTemplate {
    /// Prepares a pool.
    pub fn prepare(
        input: &Input<'_>,
        pool: u32,
        daemons: &mut [Daemon<'_>],
    ) -> Result<PoolTemplate, Unusable> {
        let declared = &input.cluster.declared.node_pools[pool as usize];
        let market = input.market.pools.get(pool as usize);
        let market = market.ok_or_else(|| Unusable::NotReady("its instance types are not known".into()))?;
        if let Some(why) = &market.not_ready {
            return Err(Unusable::NotReady(why.clone()));
        }
        let requirements = requirements_of(declared);
        let types = Arc::clone(&market.types);
        let usable = usable_types(&types, &requirements)?;
        let unmet = unmet_min_values(&types, &usable, &requirements).into_iter().next();
        if let Some((key, _)) = unmet.filter(|_| !input.cluster.declared.karpenter.min_values_best_effort) {
            return Err(Unusable::MinValues(key));
        }
        let groups = daemons::groups(&requirements, &declared.taints, &types, &usable, daemons);
        let mut template = PoolTemplate {
            pool,
            requirements,
            taints: declared.taints.clone(),
            room: types.iter().map(|offered| room_of(offered, input.policy)).collect(),
            types,
            usable,
            groups,
            rooms: Rooms::default(),
            holds_daemons: Bits::default(),
        };
        template.subtract_daemons();
        template.rooms = Rooms::of(&template.room);
        Ok(template)
    }

    fn subtract_daemons(&mut self) {
        for group in &self.groups {
            for index in group.types.iter() {
                let room = &mut self.room[index];
                let holds =
                    group.overhead.exceeds(room).is_none() && room.iter().all(|(_, amount)| amount > 0);
                room.subtract(&group.overhead);
                if holds {
                    self.holds_daemons.insert(index);
                }
            }
        }
    }

    /// Types that agree with `requirements` and are offered where they allow it.
    pub fn compatible(&self, requirements: &Requirements) -> Bits {
        self.usable.and(&self.types.agreement(requirements).offered)
    }
}

/// A type's room as the policy counts it.
fn room_of(offered: &TypeOnOffer, policy: Policy<'_>) -> Resources {
    let mut room = offered.allocatable.clone();
    if let Policy::Plimsoll(addresses) = policy {
        room.set(ADDRESSES, addresses.of_type(&offered.name));
    }
    room
}

fn usable_types(types: &Offers, requirements: &Requirements) -> Result<Bits, Unusable> {
    let agreement = types.agreement(requirements);
    if agreement.agreeing.is_empty() {
        return Err(Unusable::NoInstanceType);
    }
    if agreement.offered.is_empty() { Err(Unusable::NoOffering) } else { Ok(agreement.offered.clone()) }
}

/// Keys whose `minValues` the types do not reach, with the number that they reach.
pub fn unmet_min_values(types: &[TypeOnOffer], alive: &Bits, wanted: &Requirements) -> Vec<(Name, u32)> {
    let asking = wanted.iter().filter_map(|requirement| Some((requirement, requirement.min_values?)));
    asking
        .filter_map(|(requirement, least)| {
            let key = &requirement.key;
            let offered = alive.iter().filter_map(|index| types[index].requirements.get(key));
            let values: BTreeSet<&Name> = offered.flat_map(|offered| &offered.values).collect();
            let found = u32::try_from(values.len()).unwrap_or(u32::MAX);
            (found < least).then(|| (key.clone(), found))
        })
        .collect()
}
