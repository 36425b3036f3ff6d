//! What a node holds when nothing has changed for a while: the state at t=0.
//!
//! The same steps as in a run, taken until there is none left. Used when a profile says in which mode a node group's
//! interfaces were filled, or what they hold, and for planning on paper.

use catalog::InstanceType;
use cluster::network::{AddressMode, Cni, EniCall, EniOutcome, NodeNetwork, Subnet};
use cluster::profile::Held;
use cluster::{Node, Timestamp};

use crate::assignment::{Assignment, assign};
use crate::cilium::{Operator, allocate};
use crate::ec2;
use crate::space;
use crate::vpc_cni::grow::Step;
use crate::vpc_cni::{Ipamd, subnets as vpc_subnets};

/// Steps at the most; the largest instance needs one an interface and a few a pod.
const MAX_STEPS: u32 = 100_000;

/// What is known about a node at t=0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Pods on the node that have an address of it.
    pub pods: u32,
    /// How its slots were filled; `None`: as the CNI is set now.
    pub mode: Option<AddressMode>,
    /// What it holds; `None`: settled for its pods.
    pub held: Option<Held>,
}

/// Makes the node's network from nothing: what it held is given back first. Returns an address for each of the pods,
/// fewer when the node or its subnet has not enough. The CNI's own endpoints and readiness stay as they are.
pub fn settle(
    node: &mut Node,
    instance_type: Option<&InstanceType>,
    subnets: &mut [Subnet],
    cni: &Cni,
    cluster_name: &str,
    facts: Facts,
    now: Timestamp,
) -> Vec<Assignment> {
    let (own, ready) = (node.network.own_endpoints, node.network.cni_ready);
    ec2::release_node(&mut node.network, subnets);
    (node.network.own_endpoints, node.network.cni_ready) = (own, ready);
    node.network.last_shortage = None;
    if !ec2::launch(&mut node.network, subnets, now) {
        return Vec::new();
    }
    let cni = in_mode(cni, facts.mode);
    let mut assignments = Vec::new();
    let mut assign_all = |network: &mut NodeNetwork| {
        while assignments.len() < facts.pods as usize {
            match assign(network, now, &cni) {
                Some(assignment) => assignments.push(assignment),
                None => break,
            }
        }
    };
    if let Some(held) = facts.held {
        hold(&mut node.network, instance_type, subnets, held, now);
        assign_all(&mut node.network);
    } else {
        for _ in 0..MAX_STEPS {
            assign_all(&mut node.network);
            if !step(node, instance_type, subnets, &cni, cluster_name, facts.pods, now) {
                break;
            }
        }
    }
    node.network.mode = mode_of(node, instance_type, &cni);
    assignments
}

/// Keeps the interfaces that the input gives a node, and takes their addresses from the subnets. `known` pods of the
/// input are on it and will take an address each; what else is assigned belongs to pods that the input does not have.
pub fn adopt(node: &mut Node, subnets: &mut [Subnet], known: u32, now: Timestamp) {
    for interface in &mut node.network.interfaces {
        interface.attached = now;
        let subnet = interface.subnet.and_then(|id| subnets.get_mut(id.0 as usize));
        let Some(space) = subnet.map(|subnet| &mut subnet.space) else { continue };
        let slots = interface.slots.iter().filter_map(|slot| Some((slot.offset?, slot.size())));
        for (offset, size) in interface.primary.map(|offset| (offset, 1)).into_iter().chain(slots) {
            (offset..offset.saturating_add(size)).for_each(|each| space::take_at(space, each));
        }
    }
    let mut known = known;
    for slot in node.network.interfaces.iter_mut().flat_map(|interface| &mut interface.slots) {
        let freed = slot.assigned.min(known);
        slot.assigned -= freed;
        known -= freed;
    }
}

/// The CNI as it was set when the node's slots were filled.
fn in_mode(cni: &Cni, mode: Option<AddressMode>) -> Cni {
    let mut cni = cni.clone();
    if let Some(mode) = mode {
        let prefixes = mode == AddressMode::Prefixes;
        match &mut cni {
            Cni::VpcCni(settings) => settings.prefix_delegation = prefixes,
            Cni::CiliumEni(settings) => settings.prefix_delegation = prefixes,
            Cni::PerNodeRange { .. } | Cni::Unlimited => {}
        }
    }
    cni
}

/// How new addresses would come onto the node.
pub fn mode_of(node: &Node, instance_type: Option<&InstanceType>, cni: &Cni) -> AddressMode {
    let prefixes = match cni {
        Cni::VpcCni(settings) => Ipamd::of(node, instance_type, settings).prefixes(),
        Cni::CiliumEni(settings) => {
            Operator::of(node, instance_type, settings).delegates_prefixes(&node.network)
        }
        Cni::PerNodeRange { .. } | Cni::Unlimited => false,
    };
    if prefixes { AddressMode::Prefixes } else { AddressMode::SecondaryAddresses }
}

/// Fills interfaces as declared: slots go onto the first interfaces first.
fn hold(
    network: &mut NodeNetwork,
    instance_type: Option<&InstanceType>,
    subnets: &mut [Subnet],
    held: Held,
    now: Timestamp,
) {
    let per_interface = instance_type.map_or(u32::MAX, |it| it.ipv4_per_interface.saturating_sub(1));
    let subnet = network.subnet;
    for _ in 1..held.interfaces.min(64) {
        let attach = EniCall::Attach { subnet, count: 0, prefixes: false, trunk: false };
        ec2::perform(&attach, network, subnets, instance_type, now);
    }
    for (mut left, prefixes) in [(held.prefixes, true), (held.addresses, false)] {
        for interface in 0..u32::try_from(network.interfaces.len()).unwrap_or(0) {
            let have = u32::try_from(network.interfaces[interface as usize].slots.len()).unwrap_or(u32::MAX);
            let count = left.min(per_interface.saturating_sub(have));
            let call = EniCall::Assign { interface, count, prefixes };
            if count > 0 && ec2::perform(&call, network, subnets, instance_type, now) == EniOutcome::Done {
                left -= count;
            }
        }
    }
}

/// One step of the CNI; false when it has nothing to do, or everything was refused.
fn step(
    node: &mut Node,
    instance_type: Option<&InstanceType>,
    subnets: &mut [Subnet],
    cni: &Cni,
    cluster_name: &str,
    pods: u32,
    now: Timestamp,
) -> bool {
    let mut refused = Vec::new();
    for _ in 0..MAX_STEPS {
        let Some(call) = next_call(node, instance_type, subnets, cni, cluster_name, pods, now, &refused)
        else {
            return false;
        };
        match ec2::perform(&call, &mut node.network, subnets, instance_type, now) {
            EniOutcome::Done => return true,
            outcome => {
                if let EniOutcome::Short(code) = outcome {
                    node.network.last_shortage = Some((now, code));
                }
                refused.push((call, outcome));
            }
        }
    }
    false
}

#[allow(clippy::too_many_arguments, reason = "what a step depends on, once")]
fn next_call(
    node: &Node,
    instance_type: Option<&InstanceType>,
    subnets: &[Subnet],
    cni: &Cni,
    cluster_name: &str,
    pods: u32,
    now: Timestamp,
    refused: &[(EniCall, EniOutcome)],
) -> Option<EniCall> {
    match cni {
        Cni::VpcCni(settings) => {
            let ipamd = Ipamd::of(node, instance_type, settings);
            let candidates = vpc_subnets::candidates(node, settings, subnets, cluster_name);
            match ipamd.grow(&node.network, now, &candidates, refused) {
                Step::Call(call) => Some(call),
                Step::Done { .. } => None,
            }
        }
        Cni::CiliumEni(settings) => {
            let operator = Operator::of(node, instance_type, settings);
            let subnet = allocate::subnet_for_interface(node, &operator, subnets);
            let pending = pods.saturating_sub(node.network.assigned());
            operator.allocate(&node.network, subnets, pending, subnet, refused)
        }
        Cni::PerNodeRange { .. } | Cni::Unlimited => None,
    }
}
