//! Why a bound pod has no address.
//!
//! The rules follow what the logs of aws/amazon-vpc-cni-k8s v1.23.1 and cilium v1.18 tell apart: a node that is at
//! its limit, a subnet that refuses, an allocator that does not act, or addresses that are only on their way.

use catalog::InstanceType;
use cluster::capability::Capability;
use cluster::network::{Cni, EniCall, EniOutcome, NodeNetwork, Shortage, Subnet, SubnetId};
use cluster::waiting::AddressShortage;
use cluster::{Cluster, Node};

use crate::capacity::capacity;
use crate::cilium::{Operator, allocate};
use crate::ec2;
use crate::vpc_cni::grow::Step;
use crate::vpc_cni::{Ipamd, subnets};

/// Calls tried on paper at the most: each interface twice, each subnet once.
const MAX_CALLS: usize = 200;

/// Why a pod on `node` has no address. `missing` is what the allocator (ipamd for the VPC CNI, the operator for
/// Cilium) lacks to act at all.
pub fn classify(
    cluster: &Cluster,
    node: &Node,
    instance_type: Option<&InstanceType>,
    missing: Option<Capability>,
) -> AddressShortage {
    let network = &node.network;
    if let Some(capacity) = capacity(node, instance_type, &cluster.declared.cni)
        && network.assigned().saturating_add(capacity.own) >= capacity.addresses
    {
        let (own, assigned) = (capacity.own, network.assigned());
        return AddressShortage::NodeFull { capacity: capacity.addresses, own, assigned };
    }
    if let Some(missing) = missing {
        return AddressShortage::NoAllocator(missing);
    }
    match refusing_subnet(cluster, node, instance_type) {
        None => AddressShortage::Transient,
        Some((subnet, code)) => AddressShortage::SubnetFull {
            subnet: subnet.name.clone(),
            code,
            free: subnet.space.free,
            free_prefixes: subnet.space.free_blocks,
        },
    }
}

/// The subnet that would refuse the node's next step, and its code: the step is tried on a copy. `None` when the step
/// would succeed, or when there is none to take.
pub fn refusing_subnet<'c>(
    cluster: &'c Cluster,
    node: &Node,
    instance_type: Option<&InstanceType>,
) -> Option<(&'c Subnet, Shortage)> {
    let mut network = node.network.clone();
    let mut spaces = cluster.subnets.clone();
    let mut refused = Vec::new();
    let mut first = None;
    while refused.len() < MAX_CALLS {
        let Some(call) = next_call(cluster, node, instance_type, &refused) else { break };
        match ec2::perform(&call, &mut network, &mut spaces, instance_type, cluster.now) {
            EniOutcome::Done => return None,
            EniOutcome::Short(code) => {
                first = first.or_else(|| Some((subnet_of(&call, &node.network)?, code)));
                refused.push((call, EniOutcome::Short(code)));
            }
            outcome => refused.push((call, outcome)),
        }
    }
    let (subnet, code) = first?;
    Some((cluster.subnets.get(subnet.0 as usize)?, code))
}

fn next_call(
    cluster: &Cluster,
    node: &Node,
    instance_type: Option<&InstanceType>,
    refused: &[(EniCall, EniOutcome)],
) -> Option<EniCall> {
    match &cluster.declared.cni {
        Cni::VpcCni(settings) => {
            let ipamd = Ipamd::of(node, instance_type, settings);
            let name = cluster.declared.profile.name.as_str();
            let candidates = subnets::candidates(node, settings, &cluster.subnets, name);
            match ipamd.grow(&node.network, cluster.now, &candidates, refused) {
                Step::Call(call) => Some(call),
                Step::Done { .. } => None,
            }
        }
        Cni::CiliumEni(settings) => {
            let operator = Operator::of(node, instance_type, settings);
            let subnet = allocate::subnet_for_interface(node, &operator, &cluster.subnets);
            operator.allocate(&node.network, &cluster.subnets, 0, subnet, refused)
        }
        Cni::PerNodeRange { .. } | Cni::Unlimited => None,
    }
}

fn subnet_of(call: &EniCall, network: &NodeNetwork) -> Option<SubnetId> {
    match call {
        EniCall::Attach { subnet, .. } => *subnet,
        EniCall::Assign { interface, .. }
        | EniCall::Unassign { interface, .. }
        | EniCall::Detach { interface } => network.interfaces.get(*interface as usize)?.subnet,
    }
}
