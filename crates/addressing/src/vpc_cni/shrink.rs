//! One step down: slots given back, and whole interfaces deleted.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` `tryUnassignCidrsFromAll`,
//! `shouldRemoveExtraENIs`, and `pkg/ipamd/datastore/data_store.go` `getDeletableENI` with its `isRequiredFor…`
//! rules. The interface attached last goes first (upstream: Go map order).
//!
//! One deviation: nothing goes whose loss would make the pool too low at once. Upstream, with a warm target of zero
//! and no address to spare, deletes and attaches the same interface every minute for ever; here it stays.

use cluster::Timestamp;
use cluster::network::{EniCall, Interface, NodeNetwork, PREFIX_ADDRESSES, Slot};

use crate::assignment::free_in_slot;
use crate::vpc_cni::{Ipamd, MIN_ENI_AGE_MS, Pool, Target};

impl Ipamd<'_> {
    /// Calls that give back what is over the target: one an interface, the newest first. Empty when nothing is over.
    pub fn give_back(&self, network: &NodeNetwork, now: Timestamp) -> Vec<EniCall> {
        let pool = Pool::of(network, now);
        if self.too_low(pool) {
            return Vec::new();
        }
        let mut over = self.over(pool);
        let size = if self.prefixes() { PREFIX_ADDRESSES } else { 1 };
        while over > 0 && self.too_low(without(pool, over.saturating_mul(size))) {
            over -= 1;
        }
        let mut calls = Vec::new();
        for (index, interface) in network.interfaces.iter().enumerate().rev() {
            let Ok(index) = u32::try_from(index) else { continue };
            let unused = interface.slots.iter().filter(|slot| is_unused(slot, now)).count();
            let count = over.min(u32::try_from(unused).unwrap_or(u32::MAX));
            if count > 0 && !interface.is_trunk {
                calls.push(EniCall::Unassign { interface: index, count });
                over -= count;
            }
        }
        calls
    }

    /// The interface that one tick would delete.
    pub fn drop_interface(&self, network: &NodeNetwork, now: Timestamp) -> Option<EniCall> {
        if !self.looks_for_extra(network, now) {
            return None;
        }
        let index = (0..network.interfaces.len()).rev().find(|index| self.deletable(network, *index, now))?;
        Some(EniCall::Detach { interface: u32::try_from(index).ok()? })
    }

    /// When an interface that is only too young becomes deletable.
    pub fn next_droppable(&self, network: &NodeNetwork, now: Timestamp) -> Option<Timestamp> {
        let young = network.interfaces.iter().filter(|interface| !interface.is_primary);
        let grown = young.map(|interface| interface.attached.after_ms(MIN_ENI_AGE_MS)).filter(|at| *at > now);
        grown.min().filter(|at| self.drop_interface(network, *at).is_some())
    }

    fn looks_for_extra(&self, network: &NodeNetwork, now: Timestamp) -> bool {
        let pool = Pool::of(network, now);
        let beyond = |warm: u32, per_interface: u32| {
            pool.available() >= warm.saturating_add(1).saturating_mul(per_interface)
        };
        match self.target() {
            Target::Addresses { .. } => true,
            Target::Interfaces(warm) => beyond(warm, self.limits.slots),
            Target::Prefixes(warm) => {
                let empty = |interface: &Interface| !interface.is_primary && interface.slots.is_empty();
                beyond(warm, self.limits.slots.saturating_mul(PREFIX_ADDRESSES))
                    || network.interfaces.iter().any(empty)
            }
        }
    }

    fn deletable(&self, network: &NodeNetwork, index: usize, now: Timestamp) -> bool {
        let interface = &network.interfaces[index];
        let idle = interface.slots.iter().all(|slot| is_unused(slot, now));
        let old = now.since_ms(interface.attached) >= MIN_ENI_AGE_MS;
        if interface.is_primary || interface.is_trunk || !idle || !old {
            return false;
        }
        let size = interface.slots.iter().map(Slot::size).sum();
        if size > 0 && self.too_low(without(Pool::of(network, now), size)) {
            return false;
        }
        let others = Others::of(network, index, now);
        let blocks = |addresses: u32| {
            if self.prefixes() { addresses.div_ceil(PREFIX_ADDRESSES) * PREFIX_ADDRESSES } else { addresses }
        };
        match self.target() {
            Target::Addresses { warm, minimum } => {
                (warm == 0 || others.available >= blocks(warm))
                    && (minimum == 0 || others.total >= blocks(minimum))
            }
            Target::Prefixes(warm) => others.free_prefixes >= warm,
            Target::Interfaces(_) => true,
        }
    }
}

/// The pool with so many unassigned addresses less.
fn without(pool: Pool, addresses: u32) -> Pool {
    Pool { total: pool.total.saturating_sub(addresses), ..pool }
}

/// What the other interfaces of a node have.
#[derive(Default)]
struct Others {
    total: u32,
    available: u32,
    free_prefixes: u32,
}

impl Others {
    fn of(network: &NodeNetwork, index: usize, now: Timestamp) -> Others {
        let mut others = Others::default();
        for (position, interface) in network.interfaces.iter().enumerate() {
            if position == index || interface.is_trunk {
                continue;
            }
            for slot in &interface.slots {
                others.total += slot.size();
                others.available += slot.size().saturating_sub(slot.assigned);
                others.free_prefixes += u32::from(slot.prefix && is_unused(slot, now));
            }
        }
        others
    }
}

fn is_unused(slot: &Slot, now: Timestamp) -> bool {
    free_in_slot(slot, now) == slot.size()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{delegated, ipamd, network, vpc_cni, warm_addresses};
    use cluster::network::VpcCniSettings;

    const OLD: Timestamp = Timestamp(MIN_ENI_AGE_MS);

    /// The interfaces of upstream's test: two of two used, two free, one free.
    fn three() -> NodeNetwork {
        network(false, &[&[1, 1], &[0, 0], &[0]])
    }

    fn dropped(settings: &VpcCniSettings, network: &NodeNetwork) -> Option<u32> {
        match ipamd(settings, 4, 4).drop_interface(network, OLD)? {
            EniCall::Detach { interface } => Some(interface),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn interfaces_that_the_targets_need_stay() {
        let mut network = three();
        assert_eq!(dropped(&warm_addresses(3, 1), &network), None);
        assert_eq!(dropped(&warm_addresses(1, 5), &network), None);
        assert_eq!(dropped(&warm_addresses(2, 4), &network), Some(2));
        network.interfaces.pop();
        assert_eq!(dropped(&warm_addresses(0, 3), &network), None);
        assert_eq!(dropped(&warm_addresses(0, 2), &network), Some(1));
    }

    #[test]
    fn an_empty_extra_interface_goes_and_a_trunk_never() {
        let mut network = network(true, &[&[1, 0], &[]]);
        let settings = delegated(vpc_cni());
        assert_eq!(dropped(&settings, &network), Some(1));
        network.interfaces[1].is_trunk = true;
        assert_eq!(dropped(&settings, &network), None);
    }

    #[test]
    fn young_interfaces_and_those_with_pods_stay() {
        let mut network = network(false, &[&[0, 0, 0], &[0, 0, 0]]);
        let settings = vpc_cni();
        assert_eq!(dropped(&settings, &network), Some(1));
        network.interfaces[1].attached = Timestamp(1);
        assert_eq!(dropped(&settings, &network), None);
        assert_eq!(ipamd(&settings, 4, 4).next_droppable(&network, OLD), Some(Timestamp(MIN_ENI_AGE_MS + 1)));
        network.interfaces[1].slots[0].cooling.push(Timestamp(MIN_ENI_AGE_MS + 50));
        assert_eq!(dropped(&settings, &network), None);
        network.interfaces[1].slots[0].assigned = 1;
        assert_eq!(ipamd(&settings, 4, 4).next_droppable(&network, OLD), None);
    }

    #[test]
    fn what_is_over_is_given_back_once() {
        let settings = warm_addresses(1, 0);
        let mut network = network(false, &[&[1, 1, 0, 0]]);
        let ipamd = ipamd(&settings, 3, 10);
        let pool = |network: &NodeNetwork| Pool::of(network, OLD);
        assert_eq!(ipamd.over(pool(&network)), 1);
        let calls = ipamd.give_back(&network, OLD);
        assert_eq!(calls, [EniCall::Unassign { interface: 0, count: 1 }]);
        crate::ec2::perform(&calls[0], &mut network, &mut [], None, OLD);
        assert_eq!(ipamd.over(pool(&network)), 0);
        assert_eq!(ipamd.give_back(&network, OLD), []);
    }

    #[test]
    fn single_addresses_are_kept_under_a_warm_interface_target() {
        let network = network(false, &[&[0; 29], &[0; 29]]);
        assert_eq!(ipamd(&vpc_cni(), 8, 30).give_back(&network, OLD), []);
    }

    #[test]
    fn the_last_spare_interface_stays() {
        let settings = VpcCniSettings { warm_eni_target: 0, ..vpc_cni() };
        assert_eq!(dropped(&settings, &network(false, &[&[1, 1, 1], &[0, 0, 0]])), None);
        assert_eq!(dropped(&settings, &network(false, &[&[1, 1, 0], &[0, 0, 0]])), Some(1));
        let prefixes = VpcCniSettings { warm_prefix_target: 0, ..delegated(vpc_cni()) };
        let spare = network(true, &[&[16, 0]]);
        assert_eq!(ipamd(&prefixes, 3, 10).give_back(&spare, OLD), []);
    }

    #[test]
    fn surplus_prefixes_are_given_back() {
        let network = network(true, &[&[3, 0], &[0, 0]]);
        let calls = ipamd(&delegated(vpc_cni()), 4, 10).give_back(&network, OLD);
        assert_eq!(calls, [EniCall::Unassign { interface: 1, count: 2 }]);
    }
}
