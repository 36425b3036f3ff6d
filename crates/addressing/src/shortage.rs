//! Why a bound pod has no address.
//!
//! The rules follow what the logs of aws/amazon-vpc-cni-k8s v1.23.1 and cilium v1.18 tell apart: a node that is at
//! its limit, a subnet that refuses, an allocator that does not act, or addresses that are only on their way.

use catalog::InstanceType;
use cluster::capability::Capability;
use cluster::network::{Cni, NodeNetwork, Subnet, SubnetId};
use cluster::waiting::AddressShortage;
use cluster::{Cluster, Node};

use crate::capacity::capacity;
use crate::cilium::{Operator, allocate};
use crate::vpc_cni::{Ipamd, subnets};

/// Why a pod on `node` has no address. `missing` is what the allocator (EC2 for the VPC CNI, the operator for
/// Cilium) lacks to act at all.
pub fn classify(
    cluster: &Cluster,
    node: &Node,
    instance_type: Option<&InstanceType>,
    missing: Option<Capability>,
) -> AddressShortage {
    let network = &node.network;
    let cni = &cluster.declared.cni;
    if let Some(capacity) = capacity(node, instance_type, cni)
        && network.assigned().saturating_add(capacity.own) >= capacity.addresses
    {
        let (own, assigned) = (capacity.own, network.assigned());
        return AddressShortage::NodeFull { capacity: capacity.addresses, own, assigned };
    }
    if let Some(missing) = missing {
        return AddressShortage::NoAllocator(missing);
    }
    refusing_subnet(cluster, node, instance_type).unwrap_or(AddressShortage::Transient)
}

/// The subnet that refused the node and still has nothing for it.
fn refusing_subnet(
    cluster: &Cluster,
    node: &Node,
    instance_type: Option<&InstanceType>,
) -> Option<AddressShortage> {
    let (_, code) = node.network.last_shortage?;
    let cni = &cluster.declared.cni;
    let subnet = asked_subnet(node, instance_type, cni, &cluster.subnets, &cluster.declared.profile.name)?;
    let subnet = cluster.subnets.get(subnet.0 as usize)?;
    Some(AddressShortage::SubnetFull {
        subnet: subnet.name.clone(),
        code,
        free: subnet.space.free,
        free_prefixes: subnet.space.free_blocks,
    })
}

/// The subnet that the node's next address would come from: that of its last interface with room, else of a new one.
fn asked_subnet(
    node: &Node,
    instance_type: Option<&InstanceType>,
    cni: &Cni,
    all: &[Subnet],
    cluster_name: &str,
) -> Option<SubnetId> {
    let with_room = |slots: u32, first: usize, network: &NodeNetwork| {
        let mut serving = network.interfaces.iter().skip(first).filter(|interface| !interface.is_trunk);
        serving
            .find(|interface| interface.slots.len() < slots as usize)
            .and_then(|interface| interface.subnet)
    };
    match cni {
        Cni::VpcCni(settings) => {
            let ipamd = Ipamd::of(node, instance_type, settings);
            let first = usize::from(settings.custom_networking);
            with_room(ipamd.limits.slots, first, &node.network)
                .or_else(|| subnets::candidates(node, settings, all, cluster_name).first().copied().flatten())
        }
        Cni::CiliumEni(settings) => {
            let operator = Operator::of(node, instance_type, settings);
            with_room(operator.limits.slots, settings.first_interface_index as usize, &node.network)
                .or_else(|| allocate::subnet_for_interface(node, &operator, all).flatten())
        }
        Cni::PerNodeRange { .. } | Cni::Unlimited => None,
    }
}
