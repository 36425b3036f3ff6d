//! How many whole /28 blocks are left: what is declared about a subnet, and what is to be expected.
//!
//! EC2 has no metric for it (aws/amazon-vpc-cni-k8s#2749), so a profile may say `freePrefixes`; without it the held
//! addresses count as packed. The expectation is derived, not documented: k single addresses thrown at random.

use cluster::network::{AddressSpace, PREFIX_ADDRESSES, Subnet};

use crate::space::{free_in, take_at};

/// Takes what somebody unnamed holds (load balancers, endpoints, other clusters), so that the subnet's declared
/// free addresses and free prefixes hold. Called when the nodes of t=0 hold theirs. False when the numbers cannot
/// hold: more is declared free than is left, or the two contradict each other; then it comes as near as it can.
pub fn meet_declared(subnet: &mut Subnet) -> bool {
    let space = &mut subnet.space;
    let wanted_blocks = subnet.declared_free_prefixes;
    let broken = wanted_blocks.map_or(0, |wanted| space.free_blocks.saturating_sub(wanted));
    let wanted_free = match subnet.declared_free {
        Some(free) => free,
        None => space.free.saturating_sub(broken),
    };
    let mut taken_wanted = space.free.saturating_sub(wanted_free);
    let whole = wanted_blocks.map(|_| whole_blocks(space));
    if let Some(whole) = whole {
        let break_up: Vec<u32> = whole.into_iter().take(broken.min(taken_wanted) as usize).collect();
        for base in &break_up {
            take_at(space, *base);
        }
        taken_wanted -= u32::try_from(break_up.len()).unwrap_or(taken_wanted);
        taken_wanted = take_from(space, taken_wanted, |block| block != 0);
    }
    take_from(space, taken_wanted, |_| true);
    space.free == wanted_free && wanted_blocks.is_none_or(|wanted| space.free_blocks == wanted)
}

/// Offsets of whole blocks, those kept for prefixes last.
fn whole_blocks(space: &AddressSpace) -> Vec<u32> {
    let mut whole: Vec<(bool, u32)> = (0u32..)
        .zip(space.blocks.iter().zip(&space.prefix_only))
        .filter(|(_, (block, _))| **block == 0)
        .map(|(index, (_, kept))| (*kept, index * PREFIX_ADDRESSES))
        .collect();
    whole.sort_unstable();
    whole.into_iter().map(|(_, base)| base).collect()
}

/// Takes up to `count` addresses, lowest-first, from blocks that `eligible` allows, those kept for prefixes last;
/// how many could not be taken.
fn take_from(space: &mut AddressSpace, mut count: u32, eligible: impl Fn(u16) -> bool) -> u32 {
    for kept in [false, true] {
        for index in 0..space.blocks.len() {
            let block = space.blocks[index];
            if count == 0 || space.prefix_only[index] != kept || !eligible(block) {
                continue;
            }
            let base = u32::try_from(index).unwrap_or(0) * PREFIX_ADDRESSES;
            for bit in free_in(block).take(count as usize) {
                take_at(space, base + bit);
                count -= 1;
            }
        }
    }
    count
}

/// How many whole blocks are to be expected when `scattered` of `addresses` are taken at random, of `blocks` that
/// were whole before. A /20 has 4,091 addresses and 254 blocks.
#[allow(clippy::cast_precision_loss, reason = "an expectation, of counts far below 2^52")]
pub fn expected_free_blocks(addresses: u32, blocks: u32, scattered: u32) -> f64 {
    let free = f64::from(addresses) - f64::from(scattered);
    let chance: f64 = (0..PREFIX_ADDRESSES)
        .map(|i| ((free - f64::from(i)) / (f64::from(addresses) - f64::from(i))).clamp(0.0, 1.0))
        .product();
    f64::from(blocks) * if chance.is_nan() { 0.0 } else { chance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space;
    use cluster::network::SubnetId;
    use cluster::{Kind, Location, ObjectKey};

    fn subnet(cidr: &str, free: Option<u32>, prefixes: Option<u32>) -> Subnet {
        space::filled(&Subnet {
            id: SubnetId(0),
            name: "subnet-0a".into(),
            location: Location::object(ObjectKey::new(Kind::Cluster, "", "test")),
            zone: "us-west-2a".into(),
            cidr: cidr.parse().unwrap(),
            tags: cluster::Labels::new(),
            declared_free: free,
            declared_free_prefixes: prefixes,
            reservations: Vec::new(),
            space: AddressSpace::default(),
        })
    }

    #[track_caller]
    fn check(cidr: &str, free: Option<u32>, prefixes: Option<u32>, expected: (bool, u32, u32)) {
        let mut subnet = subnet(cidr, free, prefixes);
        let holds = meet_declared(&mut subnet);
        assert_eq!((holds, subnet.space.free, subnet.space.free_blocks), expected);
    }

    #[test]
    fn declared_numbers_hold_together() {
        check("10.0.0.0/24", Some(180), Some(4), (true, 180, 4));
        check("10.0.0.0/24", Some(231), Some(3), (true, 231, 3));
        check("10.0.0.0/24", Some(0), Some(0), (true, 0, 0));
        check("10.0.0.0/24", None, None, (true, 251, 14));
        check("10.0.0.0/24", Some(64), Some(4), (true, 64, 4));
    }

    #[test]
    fn packed_when_only_addresses_are_declared() {
        // 71 are taken: 12 fill the first block up, 59 fill three more and break the fourth.
        check("10.0.0.0/24", Some(180), None, (true, 180, 10));
    }

    #[test]
    fn only_prefixes_declared_costs_one_address_a_block() {
        check("10.0.0.0/24", None, Some(4), (true, 241, 4));
    }

    #[test]
    fn contradictions_are_reported() {
        check("10.0.0.0/24", Some(251), Some(4), (false, 251, 14));
        check("10.0.0.0/24", Some(10), Some(4), (false, 10, 0));
        check("10.0.0.0/24", Some(300), None, (false, 251, 14));
        check("10.0.0.0/24", Some(100), Some(20), (false, 100, 6));
    }

    #[test]
    fn expectation() {
        let rounded = |blocks: f64| (blocks * 10.0).round() / 10.0;
        assert_eq!(expected_free_blocks(4091, 254, 100).round(), 171.0);
        assert_eq!(expected_free_blocks(4091, 254, 250).round(), 92.0);
        assert_eq!(expected_free_blocks(4091, 254, 500).round(), 31.0);
        assert_eq!(rounded(expected_free_blocks(4091, 254, 1000)), 2.8);
        assert_eq!(rounded(expected_free_blocks(251, 14, 20)), 3.6);
        assert_eq!(expected_free_blocks(0, 0, 5), 0.0);
    }
}
