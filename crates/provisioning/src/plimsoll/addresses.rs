//! What feeds a node's pods: how many addresses a node of each type can have, what nodes that are there have left,
//! and what they draw from their subnets as they fill.
//!
//! The arithmetic is that of `addressing`; this is the part of it that a plan asks for again and again.

use std::collections::BTreeMap;

use addressing::capacity::{capacity, capacity_of_type};
use addressing::cilium::Operator;
use addressing::limits::Limits;
use addressing::vpc_cni::Ipamd;
use addressing::vpc_cni::plan::settled;
use catalog::branch_interfaces::is_trunking_compatible;
use catalog::{Catalog, InstanceType};
use cluster::change::ClaimOrNode;
use cluster::network::{AddressMode, Cni, NodeNetwork, PREFIX_ADDRESSES, SubnetId};
use cluster::{Cluster, Name, NodeId, PodTemplate};

use super::growth::{Feeder, feeders};
use super::room::{Draw, SubnetRoom};

/// An address for a pod, as a resource: nodes have so many, pods on the pod network ask for one.
pub const ADDRESSES: &str = "plimsoll.dev/addresses";

/// What nothing limits.
pub const UNLIMITED: i64 = 1 << 40;

/// The facts about addresses that a plan needs.
#[derive(Clone, Debug)]
pub struct Addresses {
    cni: Cni,
    /// By instance type.
    types: BTreeMap<Name, Shape>,
    /// By node: addresses that are left for pods.
    left: Vec<i64>,
    /// By subnet: what is free and nobody grows into.
    rooms: Vec<SubnetRoom>,
    /// Nodes that are there and claims on their way, in the order of their ids.
    feeders: Vec<Feeder>,
    /// Under custom networking, by zone: the subnet of the pods.
    pod_subnets: BTreeMap<Name, SubnetId>,
}

/// What decides about the addresses of a fresh node of a type.
#[derive(Clone, Copy, Debug)]
struct Shape {
    limits: Limits,
    for_pods: i64,
    reserved_interfaces: u32,
}

impl Addresses {
    /// Reads them off a cluster.
    pub fn of(cluster: &Cluster, catalog: &Catalog) -> Addresses {
        let cni = cluster.declared.cni.clone();
        let types = catalog.instance_types().iter().map(|it| (it.name.clone(), Shape::of(it, &cni)));
        let by_name = |name: &Name| cluster.subnets.iter().find(|subnet| subnet.name == *name);
        let pod_subnets = match &cni {
            Cni::VpcCni(settings) if settings.custom_networking => settings
                .eni_configs
                .iter()
                .filter_map(|(_, subnet)| by_name(subnet).map(|subnet| (subnet.zone.clone(), subnet.id)))
                .collect(),
            _ => BTreeMap::new(),
        };
        let mut addresses = Addresses {
            types: types.collect(),
            left: vec![UNLIMITED; cluster.nodes.len()],
            rooms: cluster.subnets.iter().map(SubnetRoom::of).collect(),
            feeders: Vec::new(),
            pod_subnets,
            cni,
        };
        addresses.feeders = feeders(cluster, addresses.has_pod_subnets());
        let granted: Vec<i64> =
            (0..addresses.feeders.len()).map(|index| addresses.keep_growth(index)).collect();
        for (feeder, granted) in addresses.feeders.clone().iter().zip(granted) {
            if let ClaimOrNode::Node(id) = feeder.id {
                addresses.left[id.0 as usize] = addresses.left_on(cluster, catalog, feeder, granted);
            }
        }
        addresses
    }

    /// Whether pods have subnets of their own.
    fn has_pod_subnets(&self) -> bool {
        matches!(&self.cni, Cni::VpcCni(settings) if settings.custom_networking)
    }

    /// Keeps what a feeder's pool will grow by for the pods that it has; how many addresses for pods that is.
    fn keep_growth(&mut self, index: usize) -> i64 {
        let growth = self.growth(&self.feeders[index], 0);
        let (subnet, zone) = (self.feeders[index].subnet, self.feeders[index].zone.clone());
        let fed_by = if self.has_pod_subnets() { growth.pods } else { growth.node };
        let free = self.free_for_pods(subnet, &zone).saturating_sub(i64::from(fed_by.interfaces)).max(0);
        self.take(subnet, &zone, growth);
        free.min(i64::from(fed_by.for_pods()))
    }

    /// Free addresses of the subnet that feeds the pods of a node.
    fn free_for_pods(&self, subnet: Option<SubnetId>, zone: &str) -> i64 {
        let subnet = self.pod_subnet(zone).or(subnet);
        subnet.map_or(0, |subnet| i64::from(self.rooms[subnet.0 as usize].free))
    }

    /// Takes a draw from the subnets of a node.
    pub(super) fn take(&mut self, subnet: Option<SubnetId>, zone: &str, draw: Draw) {
        if let Some(subnet) = subnet {
            self.rooms[subnet.0 as usize].take(draw.node);
        }
        if let Some(subnet) = self.pod_subnet(zone) {
            self.rooms[subnet.0 as usize].take(draw.pods);
        }
    }

    fn left_on(&self, cluster: &Cluster, catalog: &Catalog, feeder: &Feeder, granted: i64) -> i64 {
        let ClaimOrNode::Node(id) = feeder.id else { return UNLIMITED };
        let node = cluster.node(id);
        let Some(capacity) = capacity(node, catalog.instance_type(&node.instance_type), &self.cni) else {
            return UNLIMITED;
        };
        // What the interfaces have room for, and what the subnet can still put there.
        let feeding = self.pod_subnet(&feeder.zone).or(feeder.subnet);
        let refill = feeding.map_or(UNLIMITED, |subnet| self.rooms[subnet.0 as usize].most(&node.network));
        let allocated = i64::from(node.network.allocated()).saturating_add(granted);
        let fed = allocated.saturating_add(refill).min(i64::from(capacity.addresses));
        fed.saturating_sub(i64::from(capacity.own)).saturating_sub(i64::from(feeder.pods)).max(0)
    }

    /// Nodes that are there and claims on their way.
    pub(super) fn feeders(&self) -> &[Feeder] {
        &self.feeders
    }

    /// Fewer addresses for more pods than was thought.
    pub(super) fn cap(&mut self, id: ClaimOrNode, left: i64) {
        let known = match id {
            ClaimOrNode::Node(node) => self.left.get_mut(node.0 as usize),
            ClaimOrNode::Claim(_) => None,
        };
        if let Some(known) = known {
            *known = left.min(*known);
        }
    }

    /// Addresses for pods that a fresh node of a type can have at the most.
    pub fn of_type(&self, instance_type: &str) -> i64 {
        self.types.get(instance_type).map_or(UNLIMITED, |shape| shape.for_pods)
    }

    /// Addresses that a node has left for more pods.
    pub fn left(&self, node: NodeId) -> i64 {
        self.left.get(node.0 as usize).copied().unwrap_or(UNLIMITED)
    }

    /// What is free, by subnet.
    pub fn rooms(&self) -> &[SubnetRoom] {
        &self.rooms
    }

    /// The subnet of the pods in a zone, where it is not the node's.
    pub fn pod_subnet(&self, zone: &str) -> Option<SubnetId> {
        self.pod_subnets.get(zone).copied()
    }

    /// What a fresh node draws from its subnets once so many of its pods have an address; `max_pods` is its
    /// kubelet's limit.
    pub fn draw(&self, instance_type: &str, pods: u32, max_pods: u32) -> Draw {
        let Some(shape) = self.types.get(instance_type) else { return Draw::primary() };
        match &self.cni {
            Cni::VpcCni(settings) => {
                let Shape { limits, reserved_interfaces, .. } = *shape;
                let ipamd = Ipamd { settings, limits, max_pods, reserved_interfaces };
                let footprint = settled(&ipamd, pods);
                let draw = Draw::of(ipamd.prefixes(), footprint.slots, footprint.interfaces);
                if settings.custom_networking { draw.beside_primary() } else { draw.at_home() }
            }
            Cni::CiliumEni(settings) => {
                let operator = Operator { settings, limits: shape.limits };
                let fresh = NodeNetwork::default();
                let used = pods.saturating_add(settings.own_endpoints);
                let wanted = used.saturating_add(operator.pre_allocate()).max(settings.min_allocate);
                let addresses = wanted.min(operator.max_allocate(&fresh));
                let prefixes = operator.delegates_prefixes(&fresh);
                let slots = if prefixes { addresses.div_ceil(PREFIX_ADDRESSES) } else { addresses };
                let serving = slots.div_ceil(shape.limits.slots.max(1)).max(1);
                Draw::of(prefixes, slots, serving.saturating_add(settings.first_interface_index)).at_home()
            }
            Cni::PerNodeRange { .. } | Cni::Unlimited => Draw::primary(),
        }
    }
}

impl Shape {
    fn of(it: &InstanceType, cni: &Cni) -> Shape {
        let trunk = matches!(cni, Cni::VpcCni(settings) if settings.pod_eni) && is_trunking_compatible(it);
        Shape {
            limits: Limits::of_type(it),
            for_pods: capacity_of_type(it, cni).map_or(UNLIMITED, |capacity| i64::from(capacity.for_pods)),
            reserved_interfaces: u32::from(trunk),
        }
    }
}

/// Whether pods of a template take an address of their node's pool.
pub fn wants_address(template: &PodTemplate) -> bool {
    !template.host_network && !addressing::pod_eni::wants_branch(template)
}

/// Whether a network takes whole prefixes.
pub(super) fn takes_prefixes(network: &NodeNetwork) -> bool {
    network.mode == AddressMode::Prefixes
}
