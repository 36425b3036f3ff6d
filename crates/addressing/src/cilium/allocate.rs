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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settle::{Facts, settle};
    use crate::testing::{self, cilium, instance_type, limits, network, shape};
    use cluster::Timestamp;
    use cluster::network::{AddressMode, CiliumEniSettings, Cni};

    fn settled(settings: &CiliumEniSettings, facts: Facts, cidr: &str) -> (Node, Vec<Subnet>, usize) {
        let mut node = testing::node(110);
        node.network.own_endpoints = 2;
        let mut subnets = vec![testing::subnet(0, cidr)];
        let cni = Cni::CiliumEni(settings.clone());
        let limits = instance_type(3, 10);
        let served = settle(&mut node, Some(&limits), &mut subnets, &cni, "", facts, Timestamp::ZERO).len();
        (node, subnets, served)
    }

    #[test]
    fn twenty_five_pods_and_no_more() {
        // m7g.large: 27 addresses, router and health take two.
        let facts = Facts { pods: 30, ..Facts::default() };
        let (node, _, served) = settled(&cilium(), facts, "10.0.0.0/24");
        assert_eq!((node.network.allocated(), served), (27, 25));
        assert_eq!(shape(&node.network), [9, 9, 9]);
    }

    #[test]
    fn watermark_of_eight() {
        let facts = Facts { pods: 3, ..Facts::default() };
        let (node, _, served) = settled(&cilium(), facts, "10.0.0.0/24");
        assert_eq!(
            (node.network.allocated(), served),
            (13, 3),
            "router, health, three pods and eight to spare"
        );
    }

    #[test]
    fn prefixes_rescue_fresh_nodes_only() {
        let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
        let facts = Facts { pods: 108, ..Facts::default() };
        let (node, _, served) = settled(&prefixes, facts, "10.0.0.0/20");
        assert_eq!((served, node.network.mode), (108, AddressMode::Prefixes));
        let (mut held, mut subnets, _) = settled(
            &prefixes,
            Facts { pods: 5, mode: Some(AddressMode::SecondaryAddresses), held: None },
            "10.0.0.0/20",
        );
        let limits = instance_type(3, 10);
        let operator = Operator::of(&held, Some(&limits), &prefixes);
        assert_eq!(operator.capacity(&held.network), 27);
        held.network.own_endpoints += 20;
        let call = operator.allocate(&held.network, &subnets, 0, Some(held.network.subnet), &[]).unwrap();
        assert!(matches!(
            call,
            EniCall::Attach { prefixes: false, .. } | EniCall::Assign { prefixes: false, .. }
        ));
        crate::ec2::perform(&call, &mut held.network, &mut subnets, Some(&limits), Timestamp::ZERO);
        assert!(held.network.interfaces.iter().flat_map(|i| &i.slots).all(|slot| !slot.prefix));
    }

    #[test]
    fn a_fragmented_subnet_ends_prefixes_for_good() {
        let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
        let mut node = testing::node(110);
        let mut subnets = vec![testing::subnet(0, "10.0.0.0/24")];
        subnets[0].declared_free_prefixes = Some(0);
        assert!(crate::fragmentation::meet_declared(&mut subnets[0]));
        let cni = Cni::CiliumEni(prefixes.clone());
        let limits = instance_type(3, 10);
        let facts = Facts { pods: 20, ..Facts::default() };
        settle(&mut node, Some(&limits), &mut subnets, &cni, "", facts, Timestamp::ZERO);
        assert_eq!(node.network.mode, AddressMode::SecondaryAddresses);
        assert_eq!(node.network.allocated(), 27);
        let whole = crate::space::from_cidr("10.0.0.0/24".parse().unwrap(), &[]);
        subnets[0].space = whole;
        assert!(!Operator::of(&node, Some(&limits), &prefixes).delegates_prefixes(&node.network));
    }

    #[test]
    fn pods_that_wait_make_the_step_larger() {
        let settings = cilium();
        let operator = Operator { settings: &settings, limits: limits(8, 30) };
        let one = network(false, &[&[1; 4]]);
        let assign = |pending| operator.allocate(&one, &[], pending, None, &[]);
        assert_eq!(assign(0), Some(EniCall::Assign { interface: 0, count: 8, prefixes: false }));
        assert_eq!(assign(20), Some(EniCall::Assign { interface: 0, count: 20, prefixes: false }));
        assert_eq!(assign(50), Some(EniCall::Assign { interface: 0, count: 25, prefixes: false }));
    }

    #[test]
    fn a_refused_pass_ends() {
        let settings = cilium();
        let operator = Operator { settings: &settings, limits: limits(1, 10) };
        let network = network(false, &[&[]]);
        let call = operator.allocate(&network, &[], 0, None, &[]).unwrap();
        let refused = [(call, EniOutcome::Short(Shortage::Addresses))];
        assert_eq!(operator.allocate(&network, &[], 0, None, &refused), None);
    }

    #[test]
    fn excess_is_released_only_when_asked() {
        let idle = network(false, &[&[1, 1, 0, 0], &[0; 14]]);
        let on = CiliumEniSettings { release_excess: true, ..cilium() };
        let release =
            |settings: &CiliumEniSettings| Operator { settings, limits: limits(3, 15) }.release(&idle, false);
        assert_eq!(release(&cilium()), None);
        assert_eq!(release(&on), Some(EniCall::Unassign { interface: 1, count: 8 }));
        let prefixes = network(true, &[&[1, 0, 0, 0]]);
        let operator = Operator { settings: &on, limits: limits(3, 15) };
        assert_eq!(operator.release(&prefixes, false), None);
        assert_eq!(operator.release(&prefixes, true), Some(EniCall::Unassign { interface: 0, count: 3 }));
    }

    #[test]
    fn where_a_new_interface_goes() {
        let mut node = testing::node(29);
        node.network.subnet = Some(SubnetId(0));
        let mut subnets = vec![testing::subnet(0, "10.0.0.0/28"), testing::subnet(1, "10.0.1.0/24")];
        subnets[1].tags.insert("pods".into(), "yes".into());
        let chosen = |settings: &CiliumEniSettings, subnets: &[Subnet], addresses| {
            subnet_for_interface(&node, &Operator { settings, limits: limits(3, addresses) }, subnets)
        };
        assert_eq!(chosen(&cilium(), &subnets, 10), Some(Some(SubnetId(0))));
        assert_eq!(chosen(&cilium(), &subnets, 15), Some(Some(SubnetId(1))), "too few left for an interface");
        let mut tagged = cilium();
        tagged.subnet_tags.insert("pods".into(), "yes".into());
        assert_eq!(chosen(&tagged, &subnets, 10), Some(Some(SubnetId(1))));
        subnets[1].zone = "us-west-2b".into();
        assert_eq!(chosen(&tagged, &subnets, 10), None);
        let named = CiliumEniSettings { subnet_ids: vec!["subnet-0".into()], ..cilium() };
        assert_eq!(chosen(&named, &subnets, 15), Some(Some(SubnetId(0))));
    }
}
