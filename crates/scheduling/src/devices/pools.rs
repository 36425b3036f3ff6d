//! The pools of devices that a node can reach, with what makes them unusable.
//!
//! Follows `pools_incubating.go`: out-dated slices are ignored, pools with too few slices are incomplete, pools that
//! contradict themselves invalid.

use std::collections::{BTreeMap, BTreeSet};

use cluster::device::{CounterSet, Device, DeviceReach, ResourceSlice, SliceReach};
use cluster::{Cluster, Name, Node};

use super::DeviceIndex;
use crate::plugins::node_affinity;

/// A pool as a node sees it.
#[derive(Debug)]
pub(super) struct Pool<'c> {
    pub driver: &'c Name,
    pub name: &'c Name,
    pub state: PoolState,
    /// Slices with devices that the node can reach, in name order.
    pub slices: Vec<&'c ResourceSlice>,
    /// Slices that the node cannot reach: their devices consume counters all the same.
    pub others: Vec<&'c ResourceSlice>,
    pub counters: BTreeMap<&'c Name, &'c CounterSet>,
}

/// Whether devices of a pool can be given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoolState {
    Usable,
    /// Slices are missing: the driver is updating it.
    Incomplete,
    /// Device or counter names contradict each other.
    Invalid,
}

/// The node that alone can reach a slice; `None` for slices with counters, which all of a pool need.
pub(super) fn only_node(slice: &ResourceSlice) -> Option<&Name> {
    match &slice.reach {
        SliceReach::Common(DeviceReach::Node(node)) if slice.counters.is_empty() => Some(node),
        _ => None,
    }
}

/// `NodeMatches`.
pub(super) fn reaches(reach: &DeviceReach, node: &Node) -> bool {
    match reach {
        DeviceReach::Node(name) => *name == node.name,
        DeviceReach::All => true,
        DeviceReach::Selector(terms) => node_affinity::any_term(terms, node),
        DeviceReach::Nowhere => false,
    }
}

fn is_relevant(slice: &ResourceSlice, node: &Node) -> bool {
    !slice.counters.is_empty()
        || match &slice.reach {
            SliceReach::Common(reach) => reaches(reach, node),
            SliceReach::PerDevice => slice.devices.iter().any(|device| reaches(&device.reach, node)),
            SliceReach::Unsaid => false,
        }
}

/// `GatherPools`: by driver and name, those with binding conditions last.
pub(super) fn gather<'c>(index: &DeviceIndex, cluster: &'c Cluster, node: &Node) -> Vec<Pool<'c>> {
    let all = &cluster.declared.devices.slices;
    let own = index.of_node.get(&node.name).map(Vec::as_slice).unwrap_or_default();
    let near = own.iter().chain(&index.common).filter_map(|place| all.get(*place));
    let mut found: BTreeMap<(&Name, &Name), Vec<&ResourceSlice>> = BTreeMap::new();
    for slice in near.filter(|slice| is_relevant(slice, node)) {
        let slices = found.entry((&slice.driver, &slice.pool)).or_default();
        let newest = slices.first().map_or(slice.generation, |first| first.generation);
        if slice.generation > newest {
            slices.clear();
        }
        if slice.generation >= newest {
            slices.push(slice);
        }
    }
    let mut pools: Vec<Pool<'c>> =
        found.into_iter().filter_map(|(id, slices)| pool(id, slices, all)).collect();
    pools.sort_by_key(has_conditions);
    pools
}

fn has_conditions(pool: &Pool<'_>) -> bool {
    pool.slices.iter().flat_map(|slice| &slice.devices).any(|device| device.has_conditions)
}

/// `None` for a pool that is being replaced.
fn pool<'c>(
    (driver, name): (&'c Name, &'c Name),
    slices: Vec<&'c ResourceSlice>,
    all: &'c [ResourceSlice],
) -> Option<Pool<'c>> {
    let first = slices.first()?;
    let (wanted, generation) = (first.slices_in_pool, first.generation);
    let is_complete = |slices: &[&ResourceSlice]| i64::try_from(slices.len()) == Ok(wanted);
    let unusable =
        |state| Pool { driver, name, state, slices: vec![], others: vec![], counters: BTreeMap::new() };
    if is_complete(&slices) {
        return Some(
            build((driver, name), slices, Vec::new()).unwrap_or_else(|| unusable(PoolState::Invalid)),
        );
    }
    let of_pool = || all.iter().filter(|slice| slice.driver == *driver && slice.pool == *name);
    if of_pool().any(|slice| slice.generation > generation) {
        return None;
    }
    let current: Vec<&ResourceSlice> = of_pool().filter(|slice| slice.generation == generation).collect();
    if !is_complete(&current) {
        return Some(unusable(PoolState::Incomplete));
    }
    let others =
        current.into_iter().filter(|slice| !slices.iter().any(|near| near.name == slice.name)).collect();
    Some(build((driver, name), slices, others).unwrap_or_else(|| unusable(PoolState::Invalid)))
}

/// `None` where the pool contradicts itself.
fn build<'c>(
    (driver, name): (&'c Name, &'c Name),
    mut slices: Vec<&'c ResourceSlice>,
    others: Vec<&'c ResourceSlice>,
) -> Option<Pool<'c>> {
    slices.sort_by(|a, b| a.name.cmp(&b.name));
    let mut counters = BTreeMap::new();
    let mut names = BTreeSet::new();
    let (of_counters, of_devices): (Vec<&ResourceSlice>, Vec<&ResourceSlice>) =
        slices.iter().partition(|slice| !slice.counters.is_empty());
    if !of_devices.iter().flat_map(|slice| &slice.devices).all(|device| names.insert(&device.name)) {
        return None;
    }
    for set in of_counters.iter().flat_map(|slice| &slice.counters) {
        if counters.insert(&set.name, set).is_some() {
            return None;
        }
    }
    let mut devices = slices.iter().chain(&others).flat_map(|slice| &slice.devices);
    let exist = devices.all(|device| consumes_what_exists(device, &counters));
    let state = PoolState::Usable;
    exist.then_some(Pool { driver, name, state, slices: of_devices, others, counters })
}

fn consumes_what_exists(device: &Device, counters: &BTreeMap<&Name, &CounterSet>) -> bool {
    device.consumes.iter().all(|(set, amounts)| {
        counters.get(set).is_some_and(|set| amounts.keys().all(|counter| set.counters.contains_key(counter)))
    })
}
