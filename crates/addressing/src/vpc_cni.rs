//! amazon-vpc-cni-k8s: what ipamd of one node wants, tick by tick.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` (`isDatastorePoolTooLow`, `datastoreTargetState`,
//! `isDatastorePoolTooHigh`) and `pkg/ipamd/datastore/data_store.go` (`GetIPStats`). The step up is in [`grow`], the
//! step down in [`shrink`], where a new interface goes in [`subnets`], the paper version in [`plan`].
//!
//! Pure: the pool is read off a [`NodeNetwork`]. When a tick happens is the business of whoever calls.

pub mod config;
pub mod grow;
pub mod plan;
pub mod shrink;
pub mod subnets;

use cluster::network::{Interface, NodeNetwork, PREFIX_ADDRESSES, VpcCniSettings};
use cluster::{Node, Timestamp};

use crate::assignment::{free_in_slot, serving};
use crate::limits::{Limits, max_pods};
use catalog::InstanceType;
use catalog::branch_interfaces::is_trunking_compatible;

/// One pass of the pool loop: 2.5 s before and 2.5 s after it looks at the pool.
pub const POOL_LOOP_MS: i64 = 5_000;
/// How long ipamd does not ask again after `InsufficientCidrBlocks` or `InsufficientFreeAddressesInSubnet`.
pub const SHORTAGE_BACK_OFF_MS: i64 = 120_000;
/// How long after a decrease the next one may come.
pub const DECREASE_INTERVAL_MS: i64 = 30_000;
/// How old an interface must be before it is deleted.
pub const MIN_ENI_AGE_MS: i64 = 60_000;
/// How long EC2 and the node take to bring a new interface up: at the most 10 s as a rule; this is an estimate.
pub const ATTACH_MS: i64 = 5_000;
/// How long EC2 and the node take for new addresses on an interface; an estimate.
pub const ASSIGN_MS: i64 = 1_000;

/// What ipamd of one node goes by.
#[derive(Clone, Copy, Debug)]
pub struct Ipamd<'a> {
    /// Its settings.
    pub settings: &'a VpcCniSettings,
    /// What the instance's interfaces can hold.
    pub limits: Limits,
    /// The kubelet's maxPods: the pool never grows once it has as many addresses.
    pub max_pods: u32,
    /// Slots that something else keeps free of pods' interfaces: one for a trunk that is still to come.
    pub reserved_interfaces: u32,
}

/// What a node's pool has. Trunks do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Addresses, prefixes counted in full.
    pub total: u32,
    /// Of these, assigned to pods.
    pub assigned: u32,
    /// Of these, cooling down. They count as available for every target and cannot be handed out.
    pub cooling: u32,
    /// Prefixes.
    pub prefixes: u32,
    /// Prefixes without a pod and without an address that cools down.
    pub free_prefixes: u32,
}

impl Pool {
    /// The pool of a node at `now`.
    pub fn of(network: &NodeNetwork, now: Timestamp) -> Pool {
        let mut pool = Pool::default();
        for slot in serving(network) {
            let free = free_in_slot(slot, now);
            pool.total += slot.size();
            pool.assigned += slot.assigned;
            pool.cooling += slot.size().saturating_sub(slot.assigned + free);
            pool.prefixes += u32::from(slot.prefix);
            pool.free_prefixes += u32::from(slot.prefix && free == slot.size());
        }
        pool
    }

    /// `total - assigned`.
    pub fn available(self) -> u32 {
        self.total.saturating_sub(self.assigned)
    }
}

/// Which of the warm targets holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `WARM_IP_TARGET` and `MINIMUM_IP_TARGET`: they override the other two.
    Addresses {
        /// Addresses to spare.
        warm: u32,
        /// Addresses at the least, used or not.
        minimum: u32,
    },
    /// `WARM_PREFIX_TARGET`, under prefix delegation.
    Prefixes(u32),
    /// `WARM_ENI_TARGET`, in interfaces' worth of addresses.
    Interfaces(u32),
}

impl<'a> Ipamd<'a> {
    /// ipamd of a node.
    pub fn of(node: &Node, instance_type: Option<&InstanceType>, settings: &'a VpcCniSettings) -> Ipamd<'a> {
        let limits = Limits::of_node(node, instance_type);
        let has_trunk = node.network.interfaces.iter().any(|interface| interface.is_trunk);
        let trunk_to_come =
            settings.pod_eni && !has_trunk && instance_type.is_some_and(is_trunking_compatible);
        Ipamd { settings, limits, max_pods: max_pods(node), reserved_interfaces: u32::from(trunk_to_come) }
    }

    /// Prefix delegation is on and the instance can do it; otherwise ipamd falls back to single addresses.
    pub fn prefixes(&self) -> bool {
        self.settings.prefix_delegation && self.limits.prefixes
    }

    /// The target that holds. Zero is the same as unset.
    pub fn target(&self) -> Target {
        let warm = self.settings.warm_ip_target.unwrap_or(0);
        let minimum = self.settings.minimum_ip_target.unwrap_or(0);
        match (warm, minimum) {
            (0, 0) if self.prefixes() => Target::Prefixes(self.settings.warm_prefix_target),
            (0, 0) => Target::Interfaces(self.settings.warm_eni_target),
            _ => Target::Addresses { warm, minimum },
        }
    }

    /// Interfaces that the node may have: the instance's, or `MAX_ENI` if that is lower. Zero is no limit.
    pub fn max_interfaces(&self) -> u32 {
        match self.settings.max_eni {
            Some(max) if max > 0 => max.min(self.limits.interfaces),
            _ => self.limits.interfaces,
        }
    }

    /// Whether an interface may serve pods: not a trunk, and not the primary under custom networking.
    pub fn serves_pods(&self, interface: &Interface) -> bool {
        !(interface.is_trunk || interface.is_primary && self.settings.custom_networking)
    }

    /// Whether the pool is too low: the next tick tries to grow it.
    pub fn too_low(&self, pool: Pool) -> bool {
        if pool.total >= self.max_pods {
            return false;
        }
        let available = pool.available();
        match self.target() {
            Target::Addresses { warm, minimum } => short_of(pool, warm, minimum) > 0,
            Target::Prefixes(0) | Target::Interfaces(0) => available == 0,
            Target::Prefixes(warm) => available < warm.saturating_mul(PREFIX_ADDRESSES),
            Target::Interfaces(warm) => available < warm.saturating_mul(self.limits.slots),
        }
    }

    /// Slots (addresses, or prefixes under prefix delegation) that the pool is short of its IP targets; `None` when
    /// no IP target is set.
    pub fn short(&self, pool: Pool) -> Option<u32> {
        let Target::Addresses { warm, minimum } = self.target() else { return None };
        let short = short_of(pool, warm, minimum);
        Some(if self.prefixes() { short.div_ceil(PREFIX_ADDRESSES) } else { short })
    }

    /// Slots that the pool has beyond its target and could give back. In single-address mode with only a warm
    /// interface target nothing is ever given back but whole interfaces.
    pub fn over(&self, pool: Pool) -> u32 {
        match self.target() {
            Target::Addresses { warm, minimum } if self.prefixes() => {
                let for_warm = (pool.assigned.saturating_add(warm)).div_ceil(PREFIX_ADDRESSES);
                let needed = for_warm.max(minimum.div_ceil(PREFIX_ADDRESSES));
                pool.free_prefixes.min(pool.prefixes.saturating_sub(needed))
            }
            Target::Addresses { warm, minimum } => {
                pool.available().saturating_sub(warm).min(pool.total.saturating_sub(minimum))
            }
            Target::Prefixes(warm) => pool.free_prefixes.saturating_sub(warm),
            Target::Interfaces(_) => 0,
        }
    }
}

fn short_of(pool: Pool, warm: u32, minimum: u32) -> u32 {
    warm.saturating_sub(pool.available()).max(minimum.saturating_sub(pool.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{delegated, ipamd, network, vpc_cni, warm_addresses};
    use cluster::network::Cni;

    fn pool(prefix: bool, interfaces: &[&[u32]]) -> Pool {
        Pool::of(&network(prefix, interfaces), Timestamp::ZERO)
    }

    fn warm_enis(warm: u32) -> VpcCniSettings {
        VpcCniSettings { warm_eni_target: warm, ..vpc_cni() }
    }

    #[test]
    fn an_empty_pool_is_too_low() {
        for settings in [warm_enis(1), warm_enis(0), warm_addresses(3, 0)] {
            assert!(ipamd(&settings, 4, 15).too_low(Pool::default()));
        }
    }

    #[test]
    fn too_low_with_three_addresses() {
        let used = |count: usize| {
            let slots: Vec<u32> = (0..3).map(|index| u32::from(index < count)).collect();
            pool(false, &[&slots])
        };
        let low = |settings: &VpcCniSettings, used, max_pods| {
            Ipamd { max_pods, ..ipamd(settings, 3, 4) }.too_low(used)
        };
        assert!(!low(&warm_addresses(1, 0), used(0), 11));
        assert!(low(&warm_enis(1), used(1), 11));
        assert!(!low(&warm_enis(0), used(1), 11));
        assert!(low(&warm_enis(0), used(3), 11));
        assert!(!low(&warm_addresses(5, 0), used(3), 3));
    }

    #[test]
    fn too_low_with_one_prefix() {
        let prefixes = |warm| VpcCniSettings { warm_prefix_target: warm, ..delegated(vpc_cni()) };
        let low = |warm, used: u32, max_pods| {
            Ipamd { max_pods, ..ipamd(&prefixes(warm), 3, 4) }.too_low(pool(true, &[&[used]]))
        };
        assert!(!low(1, 0, 110));
        assert!(low(1, 1, 110));
        assert!(!low(0, 1, 110));
        assert!(!low(0, 3, 110));
        assert!(!low(1, 3, 4));
        assert!(ipamd(&prefixes(0), 3, 4).too_low(Pool::default()));
    }

    #[test]
    fn short_of_and_over_the_target() {
        let five = warm_addresses(5, 0);
        let state = |slots: &[u32]| {
            let pool = pool(false, &[slots]);
            (ipamd(&five, 3, 10).short(pool), ipamd(&five, 3, 10).over(pool))
        };
        assert_eq!(state(&[]).0, Some(5));
        assert_eq!(state(&[0, 0]).0, Some(3));
        assert_eq!(state(&[0, 0, 0, 0, 0]), (Some(0), 0));
        let five_in_prefixes = delegated(warm_addresses(5, 0));
        let state = |slots: &[u32]| {
            let pool = pool(true, &[slots]);
            (ipamd(&five_in_prefixes, 3, 10).short(pool), ipamd(&five_in_prefixes, 3, 10).over(pool))
        };
        assert_eq!(state(&[]).0, Some(1));
        assert_eq!(state(&[0, 0]).1, 1);
        assert_eq!(state(&[0]), (Some(0), 0));
    }

    #[test]
    fn a_freed_address_cools_down() {
        for (prefix, total) in [(false, 2), (true, 16)] {
            let settings = vpc_cni();
            let cni = Cni::VpcCni(settings);
            let mut network = network(prefix, &[if prefix { &[0] } else { &[0, 0] }]);
            let now = Timestamp(1_000);
            let first = crate::assign(&mut network, now, &cni).unwrap();
            crate::assign(&mut network, now, &cni).unwrap();
            crate::unassign(&mut network, &first, now, &cni);
            let stats = |at| {
                let pool = Pool::of(&network, at);
                (pool.total, pool.assigned, pool.cooling, pool.prefixes)
            };
            assert_eq!(stats(now), (total, 1, 1, u32::from(prefix)));
            assert_eq!(stats(now.after_ms(29_999)).2, 1);
            assert_eq!(stats(now.after_ms(30_000)), (total, 1, 0, u32::from(prefix)));
            assert_eq!(crate::next_cooled(&network, now), Some(now.after_ms(30_000)));
            if !prefix {
                assert_eq!(crate::assign(&mut network, now, &cni), None, "available is not assignable");
                assert!(crate::assign(&mut network, now.after_ms(30_000), &cni).is_some());
            }
        }
    }

    #[test]
    fn the_log_of_the_incident() {
        // total 29, assigned 10: available 19 < 1 × 29, so a second interface is wanted.
        let slots: Vec<u32> = (0..29).map(|index| u32::from(index < 10)).collect();
        let pool = pool(false, &[&slots]);
        assert_eq!(pool.available(), 19);
        assert!(ipamd(&vpc_cni(), 8, 30).too_low(pool));
    }
}
