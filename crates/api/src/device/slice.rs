//! ResourceSlices: the devices of a driver's pool.

use std::collections::BTreeMap;

use cluster::device::{
    Attribute, CounterSet, Device, DeviceCapacity, DeviceReach, DeviceTaint, RequestPolicy, ResourceSlice,
    SliceReach,
};
use cluster::{FieldPath, Name};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::resource::v1 as wire;

use super::{Reader, beta};

/// A ResourceSlice.
pub(super) fn slice(reader: &mut Reader<'_, '_>) -> Option<ResourceSlice> {
    let wire: wire::ResourceSlice = beta::decode_any(reader)?;
    let spec = wire.spec;
    let at = FieldPath::of("/spec");
    let common = reach(reader, (spec.node_name.as_deref(), spec.all_nodes, spec.node_selector.as_ref()), &at);
    let per_device = spec.per_device_node_selection.unwrap_or(false);
    let reach = match common {
        DeviceReach::Nowhere if per_device => SliceReach::PerDevice,
        DeviceReach::Nowhere => SliceReach::Unsaid,
        common => SliceReach::Common(common),
    };
    let mut devices = Vec::new();
    for (index, device) in spec.devices.iter().flatten().enumerate() {
        devices.push(self::device(reader, device, &at.child("devices").child(index)));
    }
    let mut counters = Vec::new();
    for (index, set) in spec.shared_counters.iter().flatten().enumerate() {
        let path = at.child("sharedCounters").child(index).child("counters");
        counters.push(CounterSet {
            name: set.name.as_str().into(),
            counters: self::counters(reader, &set.counters, &path),
        });
    }
    (!reader.reporter.refused).then(|| ResourceSlice {
        name: reader.object.key.name.clone(),
        location: reader.object.place.at(""),
        driver: spec.driver.as_str().into(),
        pool: spec.pool.name.as_str().into(),
        generation: spec.pool.generation,
        slices_in_pool: spec.pool.resource_slice_count,
        reach,
        devices,
        counters,
    })
}

fn reach(
    reader: &mut Reader<'_, '_>,
    (node, all, selector): (Option<&str>, Option<bool>, Option<&core::NodeSelector>),
    at: &FieldPath,
) -> DeviceReach {
    match (node.filter(|node| !node.is_empty()), all.unwrap_or(false), selector) {
        (Some(node), _, _) => DeviceReach::Node(node.into()),
        (None, true, _) => DeviceReach::All,
        (None, false, Some(selector)) => {
            DeviceReach::Selector(reader.node_terms(selector, &at.child("nodeSelector")))
        }
        (None, false, None) => DeviceReach::Nowhere,
    }
}

fn device(reader: &mut Reader<'_, '_>, wire: &wire::Device, at: &FieldPath) -> Device {
    let reach = reach(reader, (wire.node_name.as_deref(), wire.all_nodes, wire.node_selector.as_ref()), at);
    let attributes = wire.attributes.iter().flatten();
    let attributes = attributes.map(|(name, value)| (Name::from(name.as_str()), attribute(value))).collect();
    let mut capacity = BTreeMap::new();
    for (name, wire) in wire.capacity.iter().flatten() {
        let path = at.child("capacity").child(name);
        let Some(value) = reader.quantity(&wire.value, &path.child("value")) else { continue };
        let policy = wire.request_policy.as_ref();
        let policy = policy.map(|policy| self::policy(reader, policy, &path.child("requestPolicy")));
        capacity.insert(Name::from(name.as_str()), DeviceCapacity { value, policy });
    }
    let mut consumes = Vec::new();
    for (index, consumed) in wire.consumes_counters.iter().flatten().enumerate() {
        let path = at.child("consumesCounters").child(index).child("counters");
        consumes.push((consumed.counter_set.as_str().into(), counters(reader, &consumed.counters, &path)));
    }
    let taint = |taint: &wire::DeviceTaint| DeviceTaint {
        key: taint.key.as_str().into(),
        value: taint.value.as_deref().unwrap_or_default().into(),
        effect: taint.effect.as_str().into(),
    };
    Device {
        name: wire.name.as_str().into(),
        attributes,
        capacity,
        taints: wire.taints.iter().flatten().map(taint).collect(),
        shared: wire.allow_multiple_allocations.unwrap_or(false),
        consumes,
        reach,
        binds_to_node: wire.binds_to_node.unwrap_or(false),
        has_conditions: wire.binding_conditions.as_ref().is_some_and(|conditions| !conditions.is_empty()),
    }
}

/// Lists of values are behind the gate `DRAListTypeAttributes`, which is off.
fn attribute(wire: &wire::DeviceAttribute) -> Attribute {
    match wire {
        wire::DeviceAttribute { int: Some(value), .. } => Attribute::Int(*value),
        wire::DeviceAttribute { bool: Some(value), .. } => Attribute::Bool(*value),
        wire::DeviceAttribute { string: Some(value), .. } => Attribute::String(value.as_str().into()),
        wire::DeviceAttribute { version: Some(value), .. } => Attribute::Version(value.as_str().into()),
        _ => Attribute::Unsupported,
    }
}

fn counters(
    reader: &mut Reader<'_, '_>,
    wire: &BTreeMap<String, wire::Counter>,
    at: &FieldPath,
) -> BTreeMap<Name, cluster::Quantity> {
    let mut counters = BTreeMap::new();
    for (name, counter) in wire {
        let value = reader.quantity(&counter.value, &at.child(name).child("value"));
        counters.extend(value.map(|value| (Name::from(name.as_str()), value)));
    }
    counters
}

fn policy(reader: &mut Reader<'_, '_>, wire: &wire::CapacityRequestPolicy, at: &FieldPath) -> RequestPolicy {
    let default = wire.default.as_ref().and_then(|value| reader.quantity(value, &at.child("default")));
    let range = wire.valid_range.as_ref().and_then(|range| {
        let at = at.child("validRange");
        let min = reader.quantity(&range.min, &at.child("min"))?;
        let max = range.max.as_ref().and_then(|max| reader.quantity(max, &at.child("max")));
        let step = range.step.as_ref().and_then(|step| reader.quantity(step, &at.child("step")));
        Some((min, max, step))
    });
    let values = wire.valid_values.as_ref().map(|values| {
        let at = at.child("validValues");
        values
            .iter()
            .enumerate()
            .filter_map(|(index, value)| reader.quantity(value, &at.child(index)))
            .collect()
    });
    RequestPolicy { default, range, values }
}
