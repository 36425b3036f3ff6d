//! How many addresses a node can ever have for pods, with the numbers behind it.
//!
//! No upstream publishes this as a schedulable resource; it is what [`crate::vpc_cni`] and [`crate::cilium`] would
//! reach with endless subnets. What a node holds already counts in the mode in which it holds it: a slot with a
//! plain secondary address never becomes a prefix.

use catalog::InstanceType;
use catalog::branch_interfaces::is_trunking_compatible;
use cluster::Node;
use cluster::network::{Cni, NodeNetwork, PREFIX_ADDRESSES};

use crate::cilium::Operator;
use crate::limits::Limits;
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
        Cni::VpcCni(settings) => {
            let ipamd = Ipamd::of(node, Some(instance_type?), settings);
            Some(of_vpc_cni(&node.network, &ipamd))
        }
        Cni::CiliumEni(settings) => {
            let operator = Operator::of(node, Some(instance_type?), settings);
            Some(of_cilium(&node.network, &operator))
        }
    }
}

/// What a fresh node of a type can have at the most; `None` when nothing limits it.
pub fn capacity_of_type(instance_type: &InstanceType, cni: &Cni) -> Option<Capacity> {
    let (fresh, limits) = (NodeNetwork::default(), Limits::of_type(instance_type));
    match cni {
        Cni::Unlimited => None,
        Cni::PerNodeRange { addresses_per_node, .. } => Some(Capacity::of(*addresses_per_node, 0)),
        Cni::VpcCni(settings) => {
            let reserved_interfaces = u32::from(settings.pod_eni && is_trunking_compatible(instance_type));
            let ipamd = Ipamd { settings, limits, max_pods: u32::MAX, reserved_interfaces };
            Some(of_vpc_cni(&fresh, &ipamd))
        }
        Cni::CiliumEni(settings) => Some(of_cilium(&fresh, &Operator { settings, limits })),
    }
}

fn of_cilium(network: &NodeNetwork, operator: &Operator<'_>) -> Capacity {
    Capacity {
        interfaces: operator.interfaces(),
        slots_per_interface: operator.limits.slots,
        slot_addresses: if operator.delegates_prefixes(network) { PREFIX_ADDRESSES } else { 1 },
        ..Capacity::of(operator.max_allocate(network), operator.settings.own_endpoints)
    }
}

fn of_vpc_cni(network: &NodeNetwork, ipamd: &Ipamd<'_>) -> Capacity {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, cilium, delegated, network, vpc_cni};
    use catalog::Catalog;
    use cluster::network::{CiliumEniSettings, VpcCniSettings};

    fn of(name: &str, cni: &Cni) -> (u32, u32) {
        let it = Catalog::embedded().instance_type(name).unwrap();
        let fresh = capacity_of_type(it, cni).unwrap();
        let mut node = testing::node(29);
        node.instance_type = name.into();
        assert_eq!(capacity(&node, Some(it), cni), Some(fresh), "a fresh node is like its type");
        (fresh.addresses, fresh.for_pods)
    }

    #[test]
    fn vpc_cni_by_setting() {
        let with = |settings| Cni::VpcCni(settings);
        assert_eq!(of("m7g.large", &with(vpc_cni())).1, 27);
        assert_eq!(of("m7g.large", &with(delegated(vpc_cni()))).1, 432);
        assert_eq!(of("m7g.large", &with(VpcCniSettings { custom_networking: true, ..vpc_cni() })).1, 18);
        assert_eq!(of("m7g.large", &with(VpcCniSettings { pod_eni: true, ..vpc_cni() })).1, 18);
        assert_eq!(
            of("t3.large", &with(VpcCniSettings { pod_eni: true, ..vpc_cni() })).1,
            33,
            "no trunk on t3"
        );
        assert_eq!(of("m7g.large", &with(VpcCniSettings { max_eni: Some(1), ..vpc_cni() })).1, 9);
        assert_eq!(of("m7g.large", &with(VpcCniSettings { max_eni: Some(0), ..vpc_cni() })).1, 27);
        assert_eq!(of("m4.large", &with(delegated(vpc_cni()))).1, 18, "no prefixes on xen");
        let unusable =
            VpcCniSettings { pod_eni: true, custom_networking: true, max_eni: Some(2), ..vpc_cni() };
        assert_eq!(of("m7g.large", &with(unusable)).1, 0);
    }

    #[test]
    fn cilium_by_setting() {
        assert_eq!(of("m7g.large", &Cni::CiliumEni(cilium())), (27, 25));
        assert_eq!(of("t4g.micro", &Cni::CiliumEni(cilium())), (2, 0));
        let capped = CiliumEniSettings { max_allocate: 20, ..cilium() };
        assert_eq!(of("m7g.large", &Cni::CiliumEni(capped)), (20, 18));
        let second = CiliumEniSettings { first_interface_index: 1, ..cilium() };
        assert_eq!(of("m5.large", &Cni::CiliumEni(second)), (18, 16));
    }

    #[test]
    fn what_is_held_counts_in_its_mode() {
        let mut node = testing::node(110);
        node.network = network(false, &[&[1; 9], &[0; 4]]);
        let it = Catalog::embedded().instance_type("m7g.large").unwrap();
        let vpc = capacity(&node, Some(it), &Cni::VpcCni(delegated(vpc_cni()))).unwrap();
        assert_eq!(vpc.addresses, 13 + 14 * 16, "the other slots may still become prefixes");
        let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
        let stuck = capacity(&node, Some(it), &Cni::CiliumEni(prefixes)).unwrap();
        assert_eq!((stuck.addresses, stuck.slot_addresses), (27, 1));
    }

    #[test]
    fn nothing_known_limits_nothing() {
        assert_eq!(capacity(&testing::node(29), None, &Cni::VpcCni(vpc_cni())), None);
        assert_eq!(capacity(&testing::node(29), None, &Cni::Unlimited), None);
        let range = Cni::PerNodeRange { addresses_per_node: 64, max_nodes: None };
        assert_eq!(capacity(&testing::node(29), None, &range).map(|capacity| capacity.for_pods), Some(64));
    }
}
