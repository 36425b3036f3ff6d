//! Builders for tests.

use catalog::{Catalog, InstanceType};
use cluster::network::{
    AddressSpace, CiliumEniSettings, Interface, NodeNetwork, Slot, Subnet, SubnetId, VpcCniSettings,
};
use cluster::{Kind, Labels, Location, Node, ObjectKey, Resources, Timestamp};

use crate::limits::Limits;
use crate::space;
use crate::vpc_cni::Ipamd;

pub(crate) fn location() -> Location {
    Location::object(ObjectKey::new(Kind::Cluster, "", "test"))
}

/// ipamd's defaults as its manifest sets them.
pub(crate) fn vpc_cni() -> VpcCniSettings {
    VpcCniSettings {
        location: location(),
        warm_eni_target: 1,
        warm_ip_target: None,
        minimum_ip_target: None,
        warm_prefix_target: 1,
        max_eni: None,
        prefix_delegation: false,
        custom_networking: false,
        eni_configs: Vec::new(),
        eni_config_label: "topology.kubernetes.io/zone".into(),
        pod_eni: false,
        subnet_discovery: true,
        cooldown_ms: 30_000,
    }
}

pub(crate) fn warm_addresses(warm: u32, minimum: u32) -> VpcCniSettings {
    VpcCniSettings { warm_ip_target: Some(warm), minimum_ip_target: Some(minimum), ..vpc_cni() }
}

pub(crate) fn delegated(settings: VpcCniSettings) -> VpcCniSettings {
    VpcCniSettings { prefix_delegation: true, ..settings }
}

pub(crate) fn cilium() -> CiliumEniSettings {
    CiliumEniSettings {
        location: location(),
        prefix_delegation: false,
        pre_allocate: None,
        min_allocate: 0,
        max_allocate: 0,
        max_above_watermark: 0,
        first_interface_index: 0,
        use_primary_address: false,
        release_excess: false,
        subnet_tags: Labels::new(),
        subnet_ids: Vec::new(),
        own_endpoints: 2,
        replaces_kube_proxy: false,
    }
}

pub(crate) fn limits(interfaces: u32, addresses: u32) -> Limits {
    Limits { interfaces, slots: addresses - 1, prefixes: true }
}

pub(crate) fn ipamd(settings: &VpcCniSettings, interfaces: u32, addresses: u32) -> Ipamd<'_> {
    let limits = limits(interfaces, addresses);
    Ipamd { settings, limits, max_pods: interfaces * (addresses - 1) + 2, reserved_interfaces: 0 }
}

/// A nitro type with this many interfaces and addresses an interface.
pub(crate) fn instance_type(interfaces: u32, addresses: u32) -> InstanceType {
    let mut it = Catalog::embedded().instance_type("m7g.large").unwrap().clone();
    (it.name, it.hypervisor, it.bare_metal) = ("test.large".into(), "nitro".into(), false);
    (it.max_interfaces, it.default_card_interfaces, it.ipv4_per_interface) =
        (interfaces, interfaces, addresses);
    it
}

pub(crate) fn subnet(index: u32, cidr: &str) -> Subnet {
    space::filled(&Subnet {
        id: SubnetId(index),
        name: format!("subnet-{index}").into(),
        location: location(),
        zone: "us-west-2a".into(),
        cidr: cidr.parse().unwrap(),
        tags: Labels::new(),
        declared_free: None,
        declared_free_prefixes: None,
        reservations: Vec::new(),
        space: AddressSpace::default(),
    })
}

/// A node in subnet 0 without interfaces.
pub(crate) fn node(max_pods: u32) -> Node {
    Node {
        name: "node-0".into(),
        instance_type: "test.large".into(),
        zone: "us-west-2a".into(),
        capacity: Resources { pods: i64::from(max_pods), ..Resources::ZERO },
        allocatable: Resources { pods: i64::from(max_pods), ..Resources::ZERO },
        network: NodeNetwork { subnet: Some(SubnetId(0)), ..NodeNetwork::default() },
        ..Node::ready(location())
    }
}

pub(crate) fn slots(prefix: bool, assigned: &[u32]) -> Vec<Slot> {
    assigned
        .iter()
        .map(|assigned| Slot { prefix, offset: None, assigned: *assigned, cooling: Vec::new() })
        .collect()
}

/// A network of unknown subnet: one interface a list of slots, each by what is assigned of it.
pub(crate) fn network(prefix: bool, interfaces: &[&[u32]]) -> NodeNetwork {
    let interface = |(index, assigned): (usize, &&[u32])| Interface {
        subnet: None,
        primary: None,
        is_primary: index == 0,
        is_trunk: false,
        slots: slots(prefix, assigned),
        attached: Timestamp::ZERO,
    };
    NodeNetwork {
        interfaces: interfaces.iter().enumerate().map(interface).collect(),
        ..NodeNetwork::default()
    }
}

/// Slots per interface.
pub(crate) fn shape(network: &NodeNetwork) -> Vec<usize> {
    network.interfaces.iter().map(|interface| interface.slots.len()).collect()
}
