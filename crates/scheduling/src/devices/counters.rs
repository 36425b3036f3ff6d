//! Counters that devices of a pool share: partitions of one device cannot all be given away.
//!
//! Follows `checkAvailableCounters`, which knows pools by their name alone.

use std::collections::BTreeMap;

use cluster::device::{Device, DeviceName};
use cluster::{Name, Quantity};

use super::DeviceIndex;
use super::pools::Pool;

/// By pool, set and counter.
type Book = BTreeMap<Name, BTreeMap<(Name, Name), Quantity>>;

/// What is left of counters, and what the devices take that are being chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    available: Book,
    consumed: Book,
}

impl Counters {
    /// Whether a device's counters suffice, and are taken.
    pub fn take(&mut self, index: &DeviceIndex, pool: &Pool<'_>, device: &Device) -> bool {
        let available = self.available.entry(pool.name.clone()).or_insert_with(|| available(index, pool));
        let consumed = self.consumed.entry(pool.name.clone()).or_default();
        for (counter, amount) in amounts(device) {
            let sum = consumed.entry(counter).or_default();
            *sum = sum.plus(amount);
        }
        let suffice = available
            .iter()
            .all(|(counter, there)| consumed.get(counter).copied().unwrap_or_default() <= *there);
        if !suffice {
            self.give_back(pool, device);
        }
        suffice
    }

    /// Gives back what a device took.
    pub fn give_back(&mut self, pool: &Pool<'_>, device: &Device) {
        let Some(consumed) = self.consumed.get_mut(pool.name) else { return };
        for (counter, amount) in amounts(device) {
            let sum = consumed.entry(counter).or_default();
            *sum = sum.minus(amount);
        }
    }
}

fn amounts(device: &Device) -> impl Iterator<Item = ((Name, Name), Quantity)> {
    device.consumes.iter().flat_map(|(set, counters)| {
        counters.iter().map(|(counter, amount)| ((set.clone(), counter.clone()), *amount))
    })
}

/// What devices that are given away have left.
fn available(index: &DeviceIndex, pool: &Pool<'_>) -> BTreeMap<(Name, Name), Quantity> {
    let mut left = BTreeMap::new();
    for (name, set) in &pool.counters {
        left.extend(set.counters.iter().map(|(counter, there)| (((*name).clone(), counter.clone()), *there)));
    }
    for slice in pool.slices.iter().chain(&pool.others) {
        for device in &slice.devices {
            let name = DeviceName {
                driver: slice.driver.clone(),
                pool: slice.pool.clone(),
                device: device.name.clone(),
            };
            if !index.given.contains_key(&name) && index.shares.of(&name).is_none() {
                continue;
            }
            for (counter, amount) in amounts(device) {
                left.entry(counter).and_modify(|there: &mut Quantity| *there = there.minus(amount));
            }
        }
    }
    left
}
