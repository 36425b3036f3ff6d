//! How many addresses a node can ever have for pods, with the numbers behind it.
//!
//! No upstream publishes this as a schedulable resource; it is what [`crate::vpc_cni`] and [`crate::cilium`] would
//! reach with endless subnets. What a node holds already counts in the mode in which it holds it: a slot with a
//! plain secondary address never becomes a prefix.

use catalog::InstanceType;
use cluster::Node;
use cluster::network::{Cni, PREFIX_ADDRESSES};

use crate::cilium::Operator;
use crate::vpc_cni::Ipamd;

/// What a node can have at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Addresses that its slots can hold in its mode.
    pub addresses: u32,
    /// Of these, taken by the CNI itself: Cilium's router and health endpoints.
    pub own: u32,
    /// The rest.
    pub for_pods: u32,
    /// Interfaces that serve pods; 0 for a range fixed per node.
    pub interfaces: u32,
    /// Slots of an interface: its addresses without the primary one.
    pub slots_per_interface: u32,
    /// Addresses of a new slot: 1, or 16 for a prefix.
    pub slot_addresses: u32,
}

impl Capacity {
    fn of(addresses: u32, own: u32) -> Capacity {
        Capacity {
            addresses,
            own,
            for_pods: addresses.saturating_sub(own),
            interfaces: 0,
            slots_per_interface: 0,
            slot_addresses: 1,
        }
    }
}

/// What a node can have at the most; `None` when nothing limits it, or nothing is known.
pub fn capacity(node: &Node, instance_type: Option<&InstanceType>, cni: &Cni) -> Option<Capacity> {
    match cni {
        Cni::Unlimited => None,
        Cni::PerNodeRange { addresses_per_node, .. } => {
            Some(Capacity::of(*addresses_per_node, node.network.own_endpoints))
        }
        Cni::VpcCni(_) | Cni::CiliumEni(_) if instance_type.is_none() => None,
        Cni::VpcCni(settings) => Some(of_vpc_cni(node, &Ipamd::of(node, instance_type, settings))),
        Cni::CiliumEni(settings) => {
            let operator = Operator::of(node, instance_type, settings);
            let prefixes = operator.delegates_prefixes(&node.network);
            Some(Capacity {
                interfaces: operator.interfaces(),
                slots_per_interface: operator.limits.slots,
                slot_addresses: if prefixes { PREFIX_ADDRESSES } else { 1 },
                ..Capacity::of(operator.max_allocate(&node.network), settings.own_endpoints)
            })
        }
    }
}

fn of_vpc_cni(node: &Node, ipamd: &Ipamd<'_>) -> Capacity {
    let network = &node.network;
    let slot_addresses = if ipamd.prefixes() { PREFIX_ADDRESSES } else { 1 };
    let trunks = network.interfaces.iter().filter(|interface| interface.is_trunk).count();
    let reserved = ipamd.reserved_interfaces + u32::try_from(trunks).unwrap_or(u32::MAX);
    let usable = ipamd.max_interfaces().saturating_sub(reserved);
    let interfaces = usable.saturating_sub(u32::from(ipamd.settings.custom_networking));
    let serving = network.interfaces.iter().filter(|interface| ipamd.serves_pods(interface));
    let (mut allocated, mut slots_used) = (0u32, 0u32);
    for slot in serving.flat_map(|interface| &interface.slots) {
        allocated = allocated.saturating_add(slot.size());
        slots_used = slots_used.saturating_add(1);
    }
    let slots = interfaces.saturating_mul(ipamd.limits.slots).saturating_sub(slots_used);
    Capacity {
        interfaces,
        slots_per_interface: ipamd.limits.slots,
        slot_addresses,
        ..Capacity::of(allocated.saturating_add(slots.saturating_mul(slot_addresses)), 0)
    }
}
