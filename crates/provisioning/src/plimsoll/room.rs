//! What is free in a subnet while a plan is made, and what a node takes of it.

use cluster::Name;
use cluster::network::{NodeNetwork, PREFIX_ADDRESSES, Subnet};

use super::addresses::takes_prefixes;

/// Free addresses of a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRoom {
    /// Its zone.
    pub zone: Name,
    /// Free addresses.
    pub free: u32,
    /// Wholly free /28 blocks.
    pub free_blocks: u32,
}

/// What a node takes: from its own subnet, and from that of its pods where it is another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// From the node's subnet.
    pub node: Share,
    /// From the pods' subnet, under custom networking.
    pub pods: Share,
}

/// A part of a [`Draw`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Interfaces, each with a primary address of its own.
    pub interfaces: u32,
    /// Single addresses for pods.
    pub addresses: u32,
    /// Whole /28 blocks.
    pub blocks: u32,
}

impl Share {
    /// All of it in addresses.
    pub fn total(self) -> u32 {
        self.interfaces.saturating_add(self.for_pods())
    }

    /// Addresses that pods can get.
    pub fn for_pods(self) -> u32 {
        self.addresses.saturating_add(self.blocks.saturating_mul(PREFIX_ADDRESSES))
    }

    /// Both together.
    pub(super) fn plus(self, other: Share) -> Share {
        Share {
            interfaces: self.interfaces.saturating_add(other.interfaces),
            addresses: self.addresses.saturating_add(other.addresses),
            blocks: self.blocks.saturating_add(other.blocks),
        }
    }

    /// What is left without the other; nothing below zero.
    pub(super) fn minus(self, other: Share) -> Share {
        Share {
            interfaces: self.interfaces.saturating_sub(other.interfaces),
            addresses: self.addresses.saturating_sub(other.addresses),
            blocks: self.blocks.saturating_sub(other.blocks),
        }
    }
}

impl Draw {
    /// A node's primary address only.
    pub fn primary() -> Draw {
        Draw { node: Share { interfaces: 1, ..Share::default() }, pods: Share::default() }
    }

    /// All of it in addresses.
    pub fn total(self) -> u32 {
        self.node.total().saturating_add(self.pods.total())
    }

    /// What is left without the other; nothing below zero.
    pub(super) fn minus(self, other: Draw) -> Draw {
        Draw { node: self.node.minus(other.node), pods: self.pods.minus(other.pods) }
    }

    /// So many slots on so many interfaces.
    pub(super) fn of(prefixes: bool, slots: u32, interfaces: u32) -> Share {
        match prefixes {
            true => Share { interfaces, addresses: 0, blocks: slots },
            false => Share { interfaces, addresses: slots, blocks: 0 },
        }
    }
}

impl Share {
    /// All from the node's subnet.
    pub(super) fn at_home(self) -> Draw {
        Draw { node: self, pods: Share::default() }
    }

    /// From the pods' subnet; the node's own interface is in the node's.
    pub(super) fn beside_primary(self) -> Draw {
        Draw { pods: self, ..Draw::primary() }
    }
}

impl SubnetRoom {
    /// What is free in a subnet now.
    pub fn of(subnet: &Subnet) -> SubnetRoom {
        let space = &subnet.space;
        SubnetRoom { zone: subnet.zone.clone(), free: space.free, free_blocks: space.free_blocks }
    }

    /// The most addresses that a node's interfaces can still get here.
    pub(super) fn most(&self, network: &NodeNetwork) -> i64 {
        let most = match takes_prefixes(network) {
            true => self.free_blocks.saturating_mul(PREFIX_ADDRESSES),
            false => self.free,
        };
        i64::from(most)
    }

    /// Whether a share of a draw can be had.
    pub fn holds(&self, share: Share) -> bool {
        share.blocks <= self.free_blocks && share.total() <= self.free
    }

    /// Takes it. Single addresses break up whole blocks last.
    pub fn take(&mut self, share: Share) {
        self.free = self.free.saturating_sub(share.total());
        self.free_blocks = self.free_blocks.saturating_sub(share.blocks).min(self.free / PREFIX_ADDRESSES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_broken_up_last() {
        let mut room = SubnetRoom { zone: "z".into(), free: 40, free_blocks: 2 };
        let two_blocks = Share { interfaces: 1, addresses: 0, blocks: 2 };
        assert!(room.holds(two_blocks));
        room.take(Share { addresses: 8, ..Share::default() });
        assert_eq!((room.free, room.free_blocks), (32, 2));
        assert!(!room.holds(two_blocks), "33 addresses of 32");
        room.take(Share { addresses: 1, ..Share::default() });
        assert_eq!((room.free, room.free_blocks), (31, 1));
    }
}
