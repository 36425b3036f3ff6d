//! One pass of the operator over one node: which call it makes, and where a new interface goes.
//!
//! Followed: cilium/cilium v1.18 `pkg/aws/eni/node.go` `PrepareIPAllocation`, `AllocateIPs`, `CreateInterface`,
//! `findSuitableSubnet`, `PrepareIPRelease`. One interface a pass. When a subnet has no free /28 the call is repeated
//! for single addresses, and those end prefixes on the node for good.

use cluster::Node;
use cluster::network::{EniCall, EniOutcome, NodeNetwork, PREFIX_ADDRESSES, Shortage, Subnet, SubnetId};

use crate::cilium::{self, Operator};

impl Operator<'_> {
    /// The call that a pass makes after those that were `refused` in it; `None` when there is nothing (more) to do.
    /// `pending` are the pods on the node without an address; `subnet` is where a new interface would go
    /// (see [`subnet_for_interface`]): `None` when no subnet matches.
    pub fn allocate(
        &self,
        network: &NodeNetwork,
        subnets: &[Subnet],
        pending: u32,
        subnet: Option<Option<SubnetId>>,
        refused: &[(EniCall, EniOutcome)],
    ) -> Option<EniCall> {
        let needed = self.needed(network);
        if needed == 0 {
            return None;
        }
        let surge = pending.saturating_sub(needed);
        let wanted = needed.saturating_add(self.settings.max_above_watermark).saturating_add(surge);
        let call =
            self.plain_or_prefixes(self.call_for(network, subnets, wanted, subnet)?, wanted, refused)?;
        refused.iter().all(|(known, _)| *known != call).then_some(call)
    }

    /// The call in the node's own mode.
    fn call_for(
        &self,
        network: &NodeNetwork,
        subnets: &[Subnet],
        wanted: u32,
        subnet: Option<Option<SubnetId>>,
    ) -> Option<EniCall> {
        let prefixes = self.delegates_prefixes(network);
        let slots_for =
            |addresses: u32| if prefixes { addresses.div_ceil(PREFIX_ADDRESSES) } else { addresses };
        let slot_size = if prefixes { PREFIX_ADDRESSES } else { 1 };
        for (index, interface) in
            (0u32..).zip(&network.interfaces).skip(self.settings.first_interface_index as usize)
        {
            let have = u32::try_from(interface.slots.len()).unwrap_or(u32::MAX);
            let room = self.limits.slots.saturating_sub(have).saturating_mul(slot_size);
            let free = free_in(subnets, interface.subnet);
            if room > 0 && free > 0 {
                let count = slots_for(wanted.min(room).min(free));
                return Some(EniCall::Assign { interface: index, count, prefixes });
            }
        }
        let attached = u32::try_from(network.interfaces.len()).unwrap_or(u32::MAX);
        let count = slots_for(wanted.min(self.limits.slots));
        (attached < self.limits.interfaces).then_some(EniCall::Attach {
            subnet: subnet?,
            count,
            prefixes,
            trunk: false,
        })
    }

    /// The same call for single addresses, once its prefixes were refused for want of a whole block.
    fn plain_or_prefixes(
        &self,
        call: EniCall,
        wanted: u32,
        refused: &[(EniCall, EniOutcome)],
    ) -> Option<EniCall> {
        let outcome = refused.iter().find(|(known, _)| *known == call).map(|(_, outcome)| *outcome);
        let Some(outcome) = outcome else { return Some(call) };
        let no_block =
            matches!(outcome, EniOutcome::Short(Shortage::Prefixes | Shortage::AddressesOrPrefixes));
        let plain = wanted.min(self.limits.slots);
        match call {
            EniCall::Assign { interface, prefixes: true, .. } if no_block => {
                Some(EniCall::Assign { interface, count: plain, prefixes: false })
            }
            EniCall::Attach { subnet, prefixes: true, trunk, .. } if no_block => {
                Some(EniCall::Attach { subnet, count: plain, prefixes: false, trunk })
            }
            _ => None,
        }
    }

    /// The release that a pass makes when `aws-release-excess-ips` is on: from the interface with the most free
    /// addresses. Up to v1.19 prefixes are never released.
    pub fn release(&self, network: &NodeNetwork, multi_pool: bool) -> Option<EniCall> {
        if !self.settings.release_excess {
            return None;
        }
        let (pre, min) = (self.pre_allocate(), self.settings.min_allocate);
        let above = self.settings.max_above_watermark;
        let (available, used) = (network.allocated(), cilium::used(network));
        let excess = if multi_pool {
            cilium::excess_multi_pool(available, used, pre, min, above)
        } else {
            cilium::excess(available, used, pre, min, above)
        };
        let releasable = |slot: &&cluster::network::Slot| slot.assigned == 0 && (multi_pool || !slot.prefix);
        let (index, interface) = network
            .interfaces
            .iter()
            .enumerate()
            .skip(self.settings.first_interface_index as usize)
            .filter(|(_, interface)| multi_pool || interface.slots.iter().all(|slot| !slot.prefix))
            .max_by_key(|(index, interface)| {
                (interface.slots.iter().filter(releasable).count(), std::cmp::Reverse(*index))
            })?;
        let mut left = excess;
        let mut count = 0;
        for slot in interface.slots.iter().rev().filter(releasable) {
            if slot.size() <= left {
                left -= slot.size();
                count += 1;
            }
        }
        (count > 0).then_some(EniCall::Unassign { interface: u32::try_from(index).ok()?, count })
    }
}

fn free_in(subnets: &[Subnet], subnet: Option<SubnetId>) -> u32 {
    subnet.and_then(|id| subnets.get(id.0 as usize)).map_or(u32::MAX, |subnet| subnet.space.free)
}

/// Where a node's new interface goes: among the subnets named by id, else by tags, in the node's zone, the one with
/// the most free addresses; without such a filter the node's own subnet while it has an interface's worth of
/// addresses, else the zone's freest. `None` when no subnet matches ("No matching subnet available").
#[allow(
    clippy::option_option,
    reason = "the outer one says that there is none, the inner one that it is unknown"
)]
pub fn subnet_for_interface(
    node: &Node,
    operator: &Operator<'_>,
    subnets: &[Subnet],
) -> Option<Option<SubnetId>> {
    let Some(own) = node.network.subnet.and_then(|id| subnets.get(id.0 as usize)) else { return Some(None) };
    let settings = operator.settings;
    let freest = |wanted: &dyn Fn(&Subnet) -> bool| {
        let fitting = subnets.iter().filter(|subnet| subnet.zone == own.zone && wanted(subnet));
        fitting
            .max_by_key(|subnet| (subnet.space.free, std::cmp::Reverse(subnet.id)))
            .map(|subnet| Some(subnet.id))
    };
    if !settings.subnet_ids.is_empty() {
        return freest(&|subnet| settings.subnet_ids.contains(&subnet.name));
    }
    if !settings.subnet_tags.is_empty() {
        return freest(&|subnet| {
            settings.subnet_tags.iter().all(|(key, value)| subnet.tags.get(key) == Some(value))
        });
    }
    if own.space.free > operator.limits.slots {
        return Some(Some(own.id));
    }
    freest(&|_| true)
}
