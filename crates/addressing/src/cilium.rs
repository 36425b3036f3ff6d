//! Cilium in ENI mode: what the operator allocates for a node, and what its agent needs before it starts.
//!
//! Followed: cilium/cilium v1.18 `pkg/ipam/node.go` (`calculateNeededIPs`, `calculateExcessIPs`,
//! `determineMaintenanceAction`, `maintainIPPool`), `pkg/aws/eni/node.go` (`PrepareIPAllocation`, `AllocateIPs`,
//! `CreateInterface`, `IsPrefixDelegated`, `GetMaximumAllocatableIPv4`), `pkg/ipam/crd.go`
//! (`hasMinimumIPsInPool`); the 1.20 rule for excess from `pkg/ipam/node.go` of that version. Addresses already
//! on prefixes keep counting when a node falls back to single addresses.
//!
//! `use-primary-address` and route tables are not modelled. Pure; pacing is the caller's.

pub mod allocate;

use catalog::InstanceType;
use cluster::Node;
use cluster::network::{CiliumEniSettings, NodeNetwork, PREFIX_ADDRESSES};

use crate::limits::Limits;

/// `pre-allocate` when nothing is set.
pub const DEFAULT_PRE_ALLOCATE: u32 = 8;
/// How long after a change the operator's node trigger fires: at most one pass a second.
pub const OPERATOR_STEP_MS: i64 = 1_000;
/// How often the operator looks at every node if nothing changes.
pub const RESYNC_MS: i64 = 60_000;
/// How long an excess address waits before it is released.
pub const RELEASE_DELAY_MS: i64 = 180_000;
/// How often an agent that waits for its pool looks again.
pub const AGENT_POLL_MS: i64 = 5_000;
/// The taint that keeps pods off until the agent runs.
pub const NOT_READY_TAINT: &str = "node.cilium.io/agent-not-ready";

/// What the operator goes by for one node.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a> {
    /// cilium-config.
    pub settings: &'a CiliumEniSettings,
    /// What the instance's interfaces can hold.
    pub limits: Limits,
}

impl<'a> Operator<'a> {
    /// The operator's view of a node.
    pub fn of(
        node: &Node,
        instance_type: Option<&InstanceType>,
        settings: &'a CiliumEniSettings,
    ) -> Operator<'a> {
        Operator { settings, limits: Limits::of_node(node, instance_type) }
    }

    /// Interfaces that serve pods: those from `first-interface-index` on.
    pub fn interfaces(&self) -> u32 {
        self.limits.interfaces.saturating_sub(self.settings.first_interface_index)
    }

    /// Whether the node gets /28 prefixes: the flag is on, the instance can, and no interface holds a plain
    /// secondary address. One such address, and the node never gets a prefix again.
    pub fn delegates_prefixes(&self, network: &NodeNetwork) -> bool {
        let plain =
            || network.interfaces.iter().flat_map(|interface| &interface.slots).any(|slot| !slot.prefix);
        self.settings.prefix_delegation && self.limits.prefixes && !plain()
    }

    /// Addresses that the node's interfaces can hold at the most, what they hold now included.
    pub fn capacity(&self, network: &NodeNetwork) -> u32 {
        let slot_size = if self.delegates_prefixes(network) { PREFIX_ADDRESSES } else { 1 };
        let total = self.interfaces().saturating_mul(self.limits.slots);
        let slots_used = network.interfaces.iter().map(|interface| interface.slots.len()).sum::<usize>();
        let left = total.saturating_sub(u32::try_from(slots_used).unwrap_or(u32::MAX));
        network.allocated().saturating_add(left.saturating_mul(slot_size))
    }

    /// `pre-allocate`, where it is not set what the instance allows of the default. Prefixes do not count in it.
    pub fn pre_allocate(&self) -> u32 {
        let possible = self.interfaces().saturating_mul(self.limits.slots);
        self.settings.pre_allocate.unwrap_or(DEFAULT_PRE_ALLOCATE.min(possible))
    }

    /// `max-allocate`, within what the instance allows.
    pub fn max_allocate(&self, network: &NodeNetwork) -> u32 {
        match self.settings.max_allocate {
            0 => self.capacity(network),
            max => max.min(self.capacity(network)),
        }
    }

    /// Addresses that the node is short of.
    pub fn needed(&self, network: &NodeNetwork) -> u32 {
        let max = self.max_allocate(network);
        if max == 0 {
            return 0;
        }
        let (available, used) = (network.allocated(), used(network));
        needed(available, used, self.pre_allocate(), self.settings.min_allocate, max)
    }

    /// Addresses that the agent waits for before it starts: `min-allocate`, else `pre-allocate`, else its own.
    pub fn agent_minimum(&self) -> u32 {
        [self.settings.min_allocate, self.pre_allocate(), self.settings.own_endpoints]
            .into_iter()
            .find(|minimum| *minimum > 0)
            .unwrap_or(1)
    }
}

/// Addresses in use: pods' and the agent's own.
pub fn used(network: &NodeNetwork) -> u32 {
    network.assigned().saturating_add(network.own_endpoints)
}

/// Addresses short of the watermarks; `max` 0 is no limit.
pub fn needed(available: u32, used: u32, pre_allocate: u32, min_allocate: u32, max_allocate: u32) -> u32 {
    let wanted = i64::from(pre_allocate) - (i64::from(available) - i64::from(used));
    let mut needed = wanted.max(i64::from(min_allocate) - i64::from(available));
    if max_allocate > 0 {
        needed = needed.min(i64::from(max_allocate) - i64::from(available));
    }
    u32::try_from(needed.max(0)).unwrap_or(u32::MAX)
}

/// Addresses beyond the watermarks that could be released, up to v1.19.
pub fn excess(available: u32, used: u32, pre_allocate: u32, min_allocate: u32, above_watermark: u32) -> u32 {
    let bound = min_allocate.saturating_add(above_watermark);
    if used <= bound && available <= bound {
        return 0;
    }
    available.saturating_sub(used).saturating_sub(pre_allocate).saturating_sub(above_watermark)
}

/// Addresses beyond the watermarks that could be released, from v1.20 on.
pub fn excess_multi_pool(
    available: u32,
    used: u32,
    pre_allocate: u32,
    min_allocate: u32,
    above_watermark: u32,
) -> u32 {
    let bound = min_allocate.saturating_add(above_watermark);
    if available <= bound {
        0
    } else if used <= bound && used.saturating_add(pre_allocate) <= bound {
        available - bound
    } else {
        available.saturating_sub(used).saturating_sub(bound)
    }
}

/// Addresses of the slots that hold a pod's: what cannot be released when whole prefixes are.
pub fn used_with_prefixes(network: &NodeNetwork) -> u32 {
    let slots = network.interfaces.iter().flat_map(|interface| &interface.slots);
    slots.filter(|slot| slot.assigned > 0).map(cluster::network::Slot::size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, cilium, limits, network};

    fn operator(settings: &CiliumEniSettings, interfaces: u32, addresses: u32) -> Operator<'_> {
        Operator { settings, limits: limits(interfaces, addresses) }
    }

    #[test]
    fn needed_addresses() {
        assert_eq!(needed(0, 0, 0, 16, 0), 16);
        assert_eq!(needed(0, 0, 8, 16, 0), 16);
        assert_eq!(needed(0, 0, 16, 8, 0), 16);
        assert_eq!(needed(8, 0, 0, 16, 0), 8);
        assert_eq!(needed(8, 4, 8, 0, 0), 4);
        assert_eq!(needed(8, 4, 8, 8, 6), 0);
        assert_eq!(needed(4, 4, 8, 0, 8), 4);
    }

    #[test]
    fn excess_addresses() {
        assert_eq!(excess(15, 0, 8, 16, 8), 0);
        assert_eq!(excess(17, 0, 8, 16, 0), 9);
        assert_eq!(excess(20, 0, 8, 16, 4), 0);
        assert_eq!(excess(21, 0, 8, 0, 4), 9);
        assert_eq!(excess(16, 1, 8, 16, 8), 0);
        assert_eq!(excess(20, 4, 8, 0, 0), 8);
        assert_eq!(excess(20, 4, 8, 0, 8), 0);
        assert_eq!(excess_multi_pool(24, 0, 8, 16, 8), 0);
        assert_eq!(excess_multi_pool(40, 2, 8, 16, 8), 16);
        assert_eq!(excess_multi_pool(60, 30, 8, 16, 8), 6);
    }

    #[test]
    fn capacity_by_first_interface() {
        let empty = network(true, &[&[]]);
        let at = |first_interface_index| {
            let settings = CiliumEniSettings { first_interface_index, ..cilium() };
            let operator = operator(&settings, 3, 10);
            (operator.capacity(&empty), operator.pre_allocate())
        };
        assert_eq!(at(0), (27, 8));
        assert_eq!(at(1), (18, 8));
        assert_eq!(at(4), (0, 0));
        let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
        assert_eq!(operator(&prefixes, 3, 10).capacity(&empty), 432);
        let unknown = Operator {
            settings: &prefixes,
            limits: crate::limits::Limits { interfaces: 0, slots: 0, prefixes: false },
        };
        assert_eq!((unknown.capacity(&empty), unknown.needed(&empty)), (0, 0));
    }

    #[test]
    fn a_whole_prefix_counts_as_used() {
        let mut two = network(true, &[&[1, 1]]);
        assert_eq!(used_with_prefixes(&two), 32);
        two.interfaces[0].slots[1].assigned = 0;
        assert_eq!(used_with_prefixes(&two), 16);
    }

    #[test]
    fn prefixes_need_nitro_and_no_plain_address() {
        let settings = CiliumEniSettings { prefix_delegation: true, ..cilium() };
        let mut xen = testing::instance_type(2, 10);
        xen.hypervisor = "xen".into();
        let mut metal = testing::instance_type(15, 50);
        (metal.hypervisor, metal.bare_metal) = ("".into(), true);
        let delegates = |instance_type, network: &NodeNetwork| {
            let limits = Limits::of_type(&instance_type);
            Operator { settings: &settings, limits }.delegates_prefixes(network)
        };
        let empty = network(true, &[&[]]);
        assert!(!delegates(xen, &empty));
        assert!(delegates(metal, &empty));
        assert!(delegates(testing::instance_type(3, 10), &empty));
        assert!(!delegates(testing::instance_type(3, 10), &network(false, &[&[0]])));
        let kept = Operator { settings: &settings, limits: limits(3, 10) };
        assert_eq!(
            kept.capacity(&network(false, &[&[0; 9]])),
            27,
            "prefixes do not rescue a node that holds addresses"
        );
    }

    #[test]
    fn the_agent_waits_for_its_minimum() {
        assert_eq!(operator(&cilium(), 3, 10).agent_minimum(), 8);
        assert_eq!(operator(&cilium(), 2, 2).agent_minimum(), 2, "t4g.micro: router and health, no pod");
        let minimum = CiliumEniSettings { min_allocate: 5, ..cilium() };
        assert_eq!(operator(&minimum, 3, 10).agent_minimum(), 5);
        let own = CiliumEniSettings { pre_allocate: Some(0), ..cilium() };
        assert_eq!(operator(&own, 3, 10).agent_minimum(), 2);
    }
}
