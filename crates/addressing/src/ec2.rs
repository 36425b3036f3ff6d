//! What EC2 answers to a CNI's call, and what it then gives or takes.
//!
//! `AssignPrivateIpAddresses` and `CreateNetworkInterface` are all-or-nothing. Error codes: a lack of single
//! addresses is `InsufficientFreeAddressesInSubnet`; a lack of whole /28 blocks is `InsufficientCidrBlocks` on an
//! existing interface, and `InvalidParameterValue: There aren't sufficient free Ipv4 addresses or prefixes` when an
//! interface is created (aws/amazon-vpc-cni-k8s#3105, cilium/cilium#31016). Which code AWS chooses where is
//! observed, not documented.
//!
//! Nothing here decides what to ask for; see [`crate::vpc_cni`] and [`crate::cilium`].

use catalog::InstanceType;
use cluster::Timestamp;
use cluster::network::{EniCall, EniOutcome, Interface, NodeNetwork, Shortage, Slot, Subnet, SubnetId};

use crate::limits::Limits;
use crate::{assignment, space};

/// Performs one call. `limits` is the node's instance type; an unknown one has no limits.
pub fn perform(
    call: &EniCall,
    network: &mut NodeNetwork,
    subnets: &mut [Subnet],
    limits: Option<&InstanceType>,
    now: Timestamp,
) -> EniOutcome {
    if network.interfaces.is_empty() && !launch(network, subnets, now) {
        return EniOutcome::Short(Shortage::Addresses);
    }
    let limits = limits.map(Limits::of_type);
    match *call {
        EniCall::Attach { subnet, count, prefixes, trunk } => {
            let room = limits.is_none_or(|limits| {
                network.interfaces.len() < limits.interfaces as usize && fits(limits, 0, count, prefixes)
            });
            if !room {
                return EniOutcome::LimitExceeded;
            }
            attach(network, subnets, subnet, count, prefixes, trunk, now)
        }
        EniCall::Assign { interface, count, prefixes } => {
            let Some(target) = network.interfaces.get_mut(interface as usize) else {
                return EniOutcome::LimitExceeded;
            };
            let have = u32::try_from(target.slots.len()).unwrap_or(u32::MAX);
            // A trunk's slots are its branch interfaces; their limit is the scheduler's business (pod-eni).
            if !target.is_trunk && limits.is_some_and(|limits| !fits(limits, have, count, prefixes)) {
                return EniOutcome::LimitExceeded;
            }
            match take_slots(subnets, target.subnet, count, prefixes) {
                Some(slots) => target.slots.extend(slots),
                None if prefixes => return EniOutcome::Short(Shortage::Prefixes),
                None => return EniOutcome::Short(Shortage::Addresses),
            }
            EniOutcome::Done
        }
        EniCall::Unassign { interface, count } => unassign(network, subnets, interface, count, now),
        EniCall::Detach { interface } => detach(network, subnets, interface),
    }
}

fn fits(limits: Limits, have: u32, count: u32, prefixes: bool) -> bool {
    have.saturating_add(count) <= limits.slots && (limits.prefixes || !prefixes)
}

fn attach(
    network: &mut NodeNetwork,
    subnets: &mut [Subnet],
    subnet: Option<SubnetId>,
    count: u32,
    prefixes: bool,
    trunk: bool,
    now: Timestamp,
) -> EniOutcome {
    let short = EniOutcome::Short(if prefixes { Shortage::AddressesOrPrefixes } else { Shortage::Addresses });
    let Some(primary) = take_primary(subnets, subnet) else { return short };
    let Some(slots) = take_slots(subnets, subnet, count, prefixes) else {
        if let (Some(space), Some(offset)) = (space_of(subnets, subnet), primary) {
            space::release_address(space, offset);
        }
        return short;
    };
    network.interfaces.push(Interface {
        subnet,
        primary,
        is_primary: false,
        is_trunk: trunk,
        slots,
        attached: now,
    });
    EniOutcome::Done
}

/// Gives a node its primary interface in [`NodeNetwork::subnet`]: what RunInstances does. False when the subnet has
/// no address left.
pub fn launch(network: &mut NodeNetwork, subnets: &mut [Subnet], now: Timestamp) -> bool {
    let subnet = network.subnet;
    let Some(primary) = take_primary(subnets, subnet) else { return false };
    let interface =
        Interface { subnet, primary, is_primary: true, is_trunk: false, slots: Vec::new(), attached: now };
    network.interfaces.insert(0, interface);
    true
}

/// Gives everything back that a node holds: its instance is gone.
pub fn release_node(network: &mut NodeNetwork, subnets: &mut [Subnet]) {
    for interface in network.interfaces.drain(..) {
        release_interface(subnets, &interface);
    }
    network.own_endpoints = 0;
    network.cni_ready = false;
}

fn release_interface(subnets: &mut [Subnet], interface: &Interface) {
    let Some(space) = space_of(subnets, interface.subnet) else { return };
    if let Some(offset) = interface.primary {
        space::release_address(space, offset);
    }
    interface.slots.iter().for_each(|slot| release_slot(space, slot));
}

fn release_slot(space: &mut cluster::network::AddressSpace, slot: &Slot) {
    match slot.offset {
        Some(offset) if slot.prefix => space::release_prefix(space, offset),
        Some(offset) => space::release_address(space, offset),
        None => {}
    }
}

fn unassign(
    network: &mut NodeNetwork,
    subnets: &mut [Subnet],
    interface: u32,
    count: u32,
    now: Timestamp,
) -> EniOutcome {
    let own = network.own_endpoints;
    let mut spare = assignment::free_addresses(network, now).saturating_sub(own);
    let Some(target) = network.interfaces.get_mut(interface as usize) else {
        return EniOutcome::LimitExceeded;
    };
    let mut left = count;
    for index in (0..target.slots.len()).rev() {
        let slot = &target.slots[index];
        let unused = slot.assigned == 0 && slot.cooling.iter().all(|until| *until <= now);
        if left == 0 || !unused || !target.is_trunk && slot.size() > spare {
            continue;
        }
        let slot = target.slots.remove(index);
        spare = spare.saturating_sub(slot.size());
        left -= 1;
        if let Some(space) = space_of(subnets, target.subnet) {
            release_slot(space, &slot);
        }
    }
    EniOutcome::Done
}

fn detach(network: &mut NodeNetwork, subnets: &mut [Subnet], interface: u32) -> EniOutcome {
    let index = interface as usize;
    let Some(target) = network.interfaces.get(index) else { return EniOutcome::LimitExceeded };
    if target.is_primary || target.slots.iter().any(|slot| slot.assigned > 0) {
        return EniOutcome::LimitExceeded;
    }
    let removed = network.interfaces.remove(index);
    release_interface(subnets, &removed);
    EniOutcome::Done
}

fn space_of(subnets: &mut [Subnet], subnet: Option<SubnetId>) -> Option<&mut cluster::network::AddressSpace> {
    subnets.get_mut(subnet?.0 as usize).map(|subnet| &mut subnet.space)
}

/// An address for an interface itself: `None` when there is none, `Some(None)` when the subnet is not known.
#[allow(clippy::option_option, reason = "the outer one refuses, the inner one does not know")]
fn take_primary(subnets: &mut [Subnet], subnet: Option<SubnetId>) -> Option<Option<u32>> {
    match space_of(subnets, subnet) {
        None => Some(None),
        Some(space) => space::take_address(space).map(Some),
    }
}

fn take_slots(
    subnets: &mut [Subnet],
    subnet: Option<SubnetId>,
    count: u32,
    prefix: bool,
) -> Option<Vec<Slot>> {
    let offsets: Vec<Option<u32>> = match space_of(subnets, subnet) {
        None => vec![None; count as usize],
        Some(space) => {
            let taken =
                if prefix { space::take_prefixes(space, count) } else { space::take_addresses(space, count) };
            taken?.into_iter().map(Some).collect()
        }
    };
    Some(
        offsets.into_iter().map(|offset| Slot { prefix, offset, assigned: 0, cooling: Vec::new() }).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instance_type, subnet};
    use proptest::prelude::*;

    fn launched(cidr: &str) -> (NodeNetwork, Vec<Subnet>) {
        let mut subnets = vec![subnet(0, cidr)];
        let mut network = NodeNetwork { subnet: Some(SubnetId(0)), ..NodeNetwork::default() };
        assert!(launch(&mut network, &mut subnets, Timestamp::ZERO));
        (network, subnets)
    }

    fn attach(count: u32, prefixes: bool) -> EniCall {
        EniCall::Attach { subnet: Some(SubnetId(0)), count, prefixes, trunk: false }
    }

    #[test]
    fn limits_hold() {
        let (mut network, mut subnets) = launched("10.0.0.0/24");
        let mut limits = instance_type(2, 10);
        let mut call = |call| perform(&call, &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
        assert_eq!(call(attach(10, false)), EniOutcome::LimitExceeded);
        assert_eq!(call(attach(9, false)), EniOutcome::Done);
        assert_eq!(call(attach(1, false)), EniOutcome::LimitExceeded);
        assert_eq!(
            call(EniCall::Assign { interface: 1, count: 1, prefixes: false }),
            EniOutcome::LimitExceeded
        );
        assert_eq!(
            call(EniCall::Assign { interface: 7, count: 1, prefixes: false }),
            EniOutcome::LimitExceeded
        );
        assert_eq!(call(EniCall::Detach { interface: 0 }), EniOutcome::LimitExceeded);
        limits.hypervisor = "xen".into();
        let prefix = EniCall::Assign { interface: 0, count: 1, prefixes: true };
        let outcome = perform(&prefix, &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
        assert_eq!(outcome, EniOutcome::LimitExceeded);
    }

    #[test]
    fn a_refused_interface_takes_nothing() {
        let (mut network, mut subnets) = launched("10.0.0.0/28");
        let limits = instance_type(4, 15);
        let mut call = |call| perform(&call, &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
        assert_eq!(call(attach(10, false)), EniOutcome::Short(Shortage::Addresses));
        assert_eq!(call(attach(1, true)), EniOutcome::Short(Shortage::AddressesOrPrefixes));
        let prefix = EniCall::Assign { interface: 0, count: 1, prefixes: true };
        assert_eq!(call(prefix), EniOutcome::Short(Shortage::Prefixes));
        assert_eq!(subnets[0].space.free, 10);
    }

    #[test]
    fn addresses_of_pods_stay() {
        let (mut network, mut subnets) = launched("10.0.0.0/24");
        let limits = instance_type(3, 10);
        perform(&attach(4, false), &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
        network.interfaces[1].slots[3].assigned = 1;
        network.interfaces[1].slots[2].cooling.push(Timestamp(10));
        network.own_endpoints = 1;
        let unassign = EniCall::Unassign { interface: 1, count: 9 };
        perform(&unassign, &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
        assert_eq!(network.interfaces[1].slots.len(), 3, "a pod's, one that cools, one for the CNI itself");
        assert_eq!(
            perform(
                &EniCall::Detach { interface: 1 },
                &mut network,
                &mut subnets,
                Some(&limits),
                Timestamp::ZERO
            ),
            EniOutcome::LimitExceeded
        );
    }

    fn any_call() -> impl Strategy<Value = EniCall> {
        prop_oneof![
            (0u32..12, any::<bool>(), any::<bool>()).prop_map(|(count, prefixes, trunk)| EniCall::Attach {
                subnet: Some(SubnetId(0)),
                count,
                prefixes,
                trunk
            }),
            (0u32..5, 0u32..12, any::<bool>()).prop_map(|(interface, count, prefixes)| EniCall::Assign {
                interface,
                count,
                prefixes
            }),
            (0u32..5, 0u32..12).prop_map(|(interface, count)| EniCall::Unassign { interface, count }),
            (0u32..5).prop_map(|interface| EniCall::Detach { interface }),
        ]
    }

    proptest! {
        #[test]
        fn every_address_is_accounted_for(calls in prop::collection::vec(any_call(), 0..40), length in 24u8..=28) {
            let mut subnets = vec![subnet(0, &format!("10.0.0.0/{length}"))];
            let whole = subnets.clone();
            let mut network = NodeNetwork { subnet: Some(SubnetId(0)), ..NodeNetwork::default() };
            let limits = instance_type(4, 10);
            for call in calls {
                let before = subnets[0].space.free;
                let held = network.held();
                let outcome = perform(&call, &mut network, &mut subnets, Some(&limits), Timestamp::ZERO);
                let launched = u32::from(held == 0);
                prop_assert_eq!(subnets[0].space.free + network.held(), whole[0].space.free);
                if outcome != EniOutcome::Done {
                    prop_assert_eq!(subnets[0].space.free + launched, before);
                }
            }
            release_node(&mut network, &mut subnets);
            prop_assert_eq!(subnets, whole);
        }
    }
}
