//! Which of a node's addresses a pod gets, and when a freed one can be used again.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/datastore/data_store.go` `AssignPodIPv4Address` and
//! `UnassignPodIPAddress`. ipamd walks Go maps, so the real choice of interface and prefix is random and pods
//! spread; here the lowest free address is taken (packed): the best case for giving interfaces back.
//! Cilium's agents and per-node ranges have no cooldown.

use cluster::Timestamp;
use cluster::network::{Cni, Interface, NodeNetwork, PREFIX_ADDRESSES, Slot, SubnetId};

/// The address that a pod has. Stays valid while interfaces come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Out of this slot.
    Slot {
        /// The slot's subnet; `None` when it is not known.
        subnet: Option<SubnetId>,
        /// The slot's (first) address in it.
        offset: Option<u32>,
    },
    /// A branch interface of the node's trunk, by its address.
    Branch(Option<u32>),
    /// Nothing is known about this node's addresses: nothing is counted.
    Uncounted,
}

/// Gives a pod an address; `None` when none can be handed out at `now`.
///
/// A node without interfaces, and any node when no CNI is known, has an address for every pod.
pub fn assign(network: &mut NodeNetwork, now: Timestamp, cni: &Cni) -> Option<Assignment> {
    match cni {
        Cni::Unlimited => return Some(Assignment::Uncounted),
        Cni::PerNodeRange { addresses_per_node, .. } => ensure_range(network, *addresses_per_node),
        Cni::VpcCni(_) | Cni::CiliumEni(_) if network.interfaces.is_empty() => {
            return Some(Assignment::Uncounted);
        }
        Cni::VpcCni(_) | Cni::CiliumEni(_) => {}
    }
    if assignable(network, now) == 0 {
        return None;
    }
    for interface in network.interfaces.iter_mut().filter(|interface| !interface.is_trunk) {
        let subnet = interface.subnet;
        if let Some(slot) = interface.slots.iter_mut().find(|slot| free_in_slot(slot, now) > 0) {
            slot.cooling.retain(|until| *until > now);
            slot.assigned += 1;
            return Some(Assignment::Slot { subnet, offset: slot.offset });
        }
    }
    None
}

/// Gives a pod a branch interface that has been created for it.
pub fn assign_branch(network: &mut NodeNetwork) -> Option<Assignment> {
    let trunk = network.interfaces.iter_mut().find(|interface| interface.is_trunk)?;
    let slot = trunk.slots.iter_mut().find(|slot| slot.assigned == 0 && slot.cooling.is_empty())?;
    slot.assigned = 1;
    Some(Assignment::Branch(slot.offset))
}

/// Takes a pod's address back; under the VPC CNI it cools down before it can be used again, and a branch interface
/// is never used again.
pub fn unassign(network: &mut NodeNetwork, assignment: &Assignment, now: Timestamp, cni: &Cni) {
    let cooldown_ms = match cni {
        _ if matches!(assignment, Assignment::Branch(_)) => crate::pod_eni::BRANCH_COOLDOWN_MS,
        Cni::VpcCni(settings) => settings.cooldown_ms.max(0),
        Cni::CiliumEni(_) | Cni::PerNodeRange { .. } | Cni::Unlimited => 0,
    };
    let Some(slot) = slot_of(network, assignment) else { return };
    slot.assigned -= 1;
    if cooldown_ms > 0 {
        slot.cooling.push(now.after_ms(cooldown_ms));
    }
}

fn slot_of<'n>(network: &'n mut NodeNetwork, assignment: &Assignment) -> Option<&'n mut Slot> {
    let (trunk, subnet, offset) = match *assignment {
        Assignment::Uncounted => return None,
        Assignment::Branch(offset) => (true, None, offset),
        Assignment::Slot { subnet, offset } => (false, subnet, offset),
    };
    // Slots without a known offset cannot be told apart: the last one in use gives.
    network
        .interfaces
        .iter_mut()
        .filter(|interface| interface.is_trunk == trunk && (trunk || interface.subnet == subnet))
        .rev()
        .flat_map(|interface| interface.slots.iter_mut().rev())
        .find(|slot| slot.assigned > 0 && slot.offset == offset)
}

/// Addresses that could be handed out at `now`, the CNI's own endpoints not among them.
pub fn assignable(network: &NodeNetwork, now: Timestamp) -> u32 {
    free_addresses(network, now).saturating_sub(network.own_endpoints)
}

/// When the next freed address has cooled down, if any is cooling at `now`.
pub fn next_cooled(network: &NodeNetwork, now: Timestamp) -> Option<Timestamp> {
    serving(network).flat_map(|slot| &slot.cooling).copied().filter(|until| *until > now).min()
}

/// Addresses neither assigned nor cooling down.
pub(crate) fn free_addresses(network: &NodeNetwork, now: Timestamp) -> u32 {
    serving(network).map(|slot| free_in_slot(slot, now)).sum()
}

/// Addresses of one slot that could be handed out at `now`.
pub fn free_in_slot(slot: &Slot, now: Timestamp) -> u32 {
    let cooling = slot.cooling.iter().filter(|until| **until > now).count();
    slot.size().saturating_sub(slot.assigned).saturating_sub(u32::try_from(cooling).unwrap_or(u32::MAX))
}

/// Slots that serve ordinary pods.
pub(crate) fn serving(network: &NodeNetwork) -> impl Iterator<Item = &Slot> {
    network.interfaces.iter().filter(|interface| !interface.is_trunk).flat_map(|interface| &interface.slots)
}

/// A range fixed per node is kept as one interface outside any subnet, made when the first pod asks.
fn ensure_range(network: &mut NodeNetwork, addresses: u32) {
    let is_range = |interface: &Interface| !interface.is_primary && interface.subnet.is_none();
    if network.interfaces.iter().any(is_range) {
        return;
    }
    let slot = |prefix| Slot { prefix, offset: None, assigned: 0, cooling: Vec::new() };
    let (prefixes, singles) = (addresses / PREFIX_ADDRESSES, addresses % PREFIX_ADDRESSES);
    let slots = (0..prefixes).map(|_| slot(true)).chain((0..singles).map(|_| slot(false))).collect();
    network.interfaces.push(Interface {
        subnet: None,
        primary: None,
        is_primary: false,
        is_trunk: false,
        slots,
        attached: Timestamp::ZERO,
    });
}
