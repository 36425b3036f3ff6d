//! One step down: slots given back, and whole interfaces deleted.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` `tryUnassignCidrsFromAll`,
//! `shouldRemoveExtraENIs`, and `pkg/ipamd/datastore/data_store.go` `getDeletableENI` with its `isRequiredFor…`
//! rules. The interface attached last goes first (upstream: Go map order).

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
