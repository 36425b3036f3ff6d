//! Devices that are shared by capacity: what a request takes, and whether that is left.
//!
//! Follows `consumable_capacity.go`.

use std::collections::BTreeMap;

use cluster::device::{Device, DeviceCapacity, RequestPolicy};
use cluster::{Name, Quantity};

use super::Amounts;

/// Whether a device has what is requested, beside what is taken already and what is being taken.
pub(super) fn suffices(device: &Device, requested: &Amounts, taken: &Amounts, taking: &Amounts) -> bool {
    requested.keys().all(|name| device.capacity.contains_key(name))
        && device.capacity.iter().all(|(name, capacity)| {
            let amount = consumed(requested.get(name), capacity);
            let of = |amounts: &Amounts| amounts.get(name).copied().unwrap_or_default();
            !capacity.policy.as_ref().is_some_and(|policy| violates(amount, policy))
                && amount.plus(of(taken)).plus(of(taking)) <= capacity.value
        })
}

/// What a request takes of each capacity of a device.
pub(super) fn consumption(device: &Device, requested: &Amounts) -> BTreeMap<Name, Quantity> {
    let capacities = device.capacity.iter();
    capacities.map(|(name, capacity)| (name.clone(), consumed(requested.get(name), capacity))).collect()
}

/// `calculateConsumedCapacity`.
fn consumed(requested: Option<&Quantity>, capacity: &DeviceCapacity) -> Quantity {
    let policy = capacity.policy.as_ref();
    let Some(requested) = requested else {
        return policy.and_then(|policy| policy.default).unwrap_or(capacity.value);
    };
    match policy {
        Some(RequestPolicy { range: Some((least, _, step)), .. }) => round_up(*requested, *least, *step),
        Some(RequestPolicy { values: Some(values), .. }) => {
            values.iter().copied().find(|value| requested <= value).unwrap_or(*requested)
        }
        _ => *requested,
    }
}

/// `roundUpRange`: in whole units, as upstream computes.
fn round_up(requested: Quantity, least: Quantity, step: Option<Quantity>) -> Quantity {
    if requested < least {
        return least;
    }
    let Some(step) = step.map(Quantity::units).filter(|step| *step != 0) else { return requested };
    let (from, added) = (least.units(), requested.units().saturating_sub(least.units()));
    let steps = (added / step).saturating_add(i64::from(added % step != 0));
    Quantity::from_units(from.saturating_add(step.saturating_mul(steps)))
}

/// `violatesPolicy`.
fn violates(amount: Quantity, policy: &RequestPolicy) -> bool {
    if policy.default == Some(amount) {
        return false;
    }
    match (&policy.range, &policy.values) {
        (Some((least, most, step)), _) => {
            let step = step.map(Quantity::units).filter(|step| *step != 0);
            let added = amount.units().saturating_sub(least.units());
            most.is_some_and(|most| amount > most) || step.is_some_and(|step| added % step != 0)
        }
        (None, Some(values)) if !values.is_empty() => !values.contains(&amount),
        _ => false,
    }
}
