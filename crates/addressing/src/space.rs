//! The free space of a subnet: taking and giving back single addresses and /28 prefixes.
//!
//! AWS keeps the first four addresses and the last one of every subnet (network, router, DNS, future use,
//! broadcast), so neither the first nor the last /28 can ever be a prefix. A CIDR reservation of type `prefix`
//! keeps its blocks for prefixes; one of type `explicit` is out of reach for callers that do not name an address.
//! Followed: Amazon VPC user guide, "Subnet CIDR blocks" and "Subnet CIDR reservations" (2026).
//!
//! EC2 picks addresses as it likes. Here single addresses are taken lowest-first, which leaves as many whole
//! blocks as possible (the best case); [`take_scattered`] is the other extreme. How declared free counts are met is
//! in [`crate::fragmentation`]. Nothing here knows who asks.

use cluster::network::{AddressSpace, PREFIX_ADDRESSES, Subnet};
use ipnet::Ipv4Net;

/// Blocks that a space has at the most: a /12. AWS allows /16 to /28; a wider range is cut off here.
const MAX_BLOCKS: u32 = 1 << 16;

/// A subnet with nothing taken in it but what AWS and the CIDR reservations keep.
pub fn filled(subnet: &Subnet) -> Subnet {
    Subnet { space: from_cidr(subnet.cidr, &subnet.reservations), ..subnet.clone() }
}

/// The space of an address range: `reservations` are ranges with true for type `prefix` and false for `explicit`.
pub fn from_cidr(cidr: Ipv4Net, reservations: &[(Ipv4Net, bool)]) -> AddressSpace {
    let host_bits = 32 - u32::from(cidr.prefix_len());
    let size = 1u32.checked_shl(host_bits).unwrap_or(u32::MAX).min(MAX_BLOCKS * PREFIX_ADDRESSES);
    let block_count = size.div_ceil(PREFIX_ADDRESSES) as usize;
    let mut space = AddressSpace {
        blocks: vec![0; block_count],
        prefix_only: vec![false; block_count],
        free: 0,
        free_blocks: 0,
    };
    for offset in size..size.next_multiple_of(PREFIX_ADDRESSES) {
        mark(&mut space, offset);
    }
    for offset in (0..size.min(4)).chain([size - 1]) {
        mark(&mut space, offset);
    }
    for (range, for_prefixes) in reservations {
        reserve(&mut space, cidr, size, *range, *for_prefixes);
    }
    recount(&mut space);
    space
}

fn reserve(space: &mut AddressSpace, cidr: Ipv4Net, size: u32, range: Ipv4Net, for_prefixes: bool) {
    let base = u32::from(cidr.network());
    let (first, last) = (u32::from(range.network()), u32::from(range.broadcast()));
    if last < base || first > base.saturating_add(size - 1) {
        return;
    }
    let (first, last) = (first.saturating_sub(base), (last - base).min(size - 1));
    if for_prefixes {
        for block in first / PREFIX_ADDRESSES..=last / PREFIX_ADDRESSES {
            space.prefix_only[block as usize] = true;
        }
    } else {
        (first..=last).for_each(|offset| mark(space, offset));
    }
}

/// Sets an address's bit without counting it.
fn mark(space: &mut AddressSpace, offset: u32) {
    if let Some(block) = space.blocks.get_mut((offset / PREFIX_ADDRESSES) as usize) {
        *block |= 1 << (offset % PREFIX_ADDRESSES);
    }
}

fn recount(space: &mut AddressSpace) {
    space.free = space.blocks.iter().map(|block| block.count_zeros()).sum();
    space.free_blocks = space.blocks.iter().map(|block| u32::from(*block == 0)).sum();
}

/// Takes the lowest free address that is not kept for prefixes; its offset in the subnet.
pub fn take_address(space: &mut AddressSpace) -> Option<u32> {
    take_addresses(space, 1)?.first().copied()
}

/// Takes `count` single addresses, lowest-first, or none at all.
pub fn take_addresses(space: &mut AddressSpace, count: u32) -> Option<Vec<u32>> {
    if count > space.free {
        return None;
    }
    let wanted = count as usize;
    let mut offsets = Vec::with_capacity(wanted);
    // Held blocks come first as a rule: skipping them in one go keeps large subnets cheap.
    let full = space.blocks.iter().take_while(|block| **block == u16::MAX).count();
    for (base, block) in single_blocks_from(space, full) {
        if offsets.len() == wanted {
            break;
        }
        offsets.extend(free_in(block).take(wanted - offsets.len()).map(|bit| base + bit));
    }
    if offsets.len() < wanted {
        return None;
    }
    offsets.iter().for_each(|offset| take_at(space, *offset));
    Some(offsets)
}

/// Takes `count` single addresses spread over the whole subnet, or none at all: the worst case for prefixes.
/// The same seed takes the same addresses.
pub fn take_scattered(space: &mut AddressSpace, count: u32, seed: u64) -> Option<Vec<u32>> {
    let mut free: Vec<u32> =
        single_blocks(space).flat_map(|(base, block)| free_in(block).map(move |bit| base + bit)).collect();
    if count as usize > free.len() {
        return None;
    }
    let mut state = seed;
    for index in 0..count as usize {
        let left = (free.len() - index) as u64;
        let pick = index + usize::try_from(next_random(&mut state) % left).unwrap_or(0);
        free.swap(index, pick);
    }
    free.truncate(count as usize);
    free.iter().for_each(|offset| take_at(space, *offset));
    Some(free)
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, and good enough to spread addresses.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Takes `count` /28 prefixes, or none at all: reserved blocks first, then the lowest whole ones. Each is given by
/// the offset of its first address.
pub fn take_prefixes(space: &mut AddressSpace, count: u32) -> Option<Vec<u32>> {
    if count > space.free_blocks {
        return None;
    }
    let whole = |reserved: bool| {
        (0u32..)
            .zip(space.blocks.iter().zip(&space.prefix_only))
            .filter(move |(_, (block, kept))| **block == 0 && **kept == reserved)
            .map(|(index, _)| index * PREFIX_ADDRESSES)
    };
    let offsets: Vec<u32> = whole(true).chain(whole(false)).take(count as usize).collect();
    for offset in &offsets {
        space.blocks[(offset / PREFIX_ADDRESSES) as usize] = u16::MAX;
    }
    space.free -= count * PREFIX_ADDRESSES;
    space.free_blocks -= count;
    Some(offsets)
}

/// Gives a single address back; one that is free already stays so.
pub fn release_address(space: &mut AddressSpace, offset: u32) {
    let Some(block) = space.blocks.get_mut((offset / PREFIX_ADDRESSES) as usize) else { return };
    let bit = 1 << (offset % PREFIX_ADDRESSES);
    if *block & bit != 0 {
        *block &= !bit;
        space.free += 1;
        space.free_blocks += u32::from(*block == 0);
    }
}

/// Gives a prefix back, by the offset of its first address.
pub fn release_prefix(space: &mut AddressSpace, offset: u32) {
    (offset..offset.saturating_add(PREFIX_ADDRESSES)).for_each(|offset| release_address(space, offset));
}

/// Free addresses that a caller without a prefix can get: blocks kept for prefixes do not count.
pub fn free_singles(space: &AddressSpace) -> u32 {
    single_blocks(space).map(|(_, block)| block.count_zeros()).sum()
}

/// Blocks that may serve single addresses, with the offset of their first address.
fn single_blocks(space: &AddressSpace) -> impl Iterator<Item = (u32, u16)> {
    single_blocks_from(space, 0)
}

/// The same, from the block with this index on.
fn single_blocks_from(space: &AddressSpace, first: usize) -> impl Iterator<Item = (u32, u16)> {
    let blocks = space.blocks.iter().zip(&space.prefix_only).enumerate().skip(first);
    blocks.filter(|(_, (_, kept))| !**kept).map(|(index, (block, _))| {
        (u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(PREFIX_ADDRESSES), *block)
    })
}

/// Free positions in a block, lowest first.
pub(crate) fn free_in(block: u16) -> impl Iterator<Item = u32> {
    (0..PREFIX_ADDRESSES).filter(move |bit| block & (1 << bit) == 0)
}

/// Takes one free address and keeps the counts in step.
pub(crate) fn take_at(space: &mut AddressSpace, offset: u32) {
    let Some(block) = space.blocks.get_mut((offset / PREFIX_ADDRESSES) as usize) else { return };
    let bit = 1 << (offset % PREFIX_ADDRESSES);
    if *block & bit == 0 {
        space.free_blocks -= u32::from(*block == 0);
        *block |= bit;
        space.free -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn space(cidr: &str) -> AddressSpace {
        from_cidr(cidr.parse().unwrap(), &[])
    }

    #[test]
    fn aws_keeps_five_addresses_and_two_blocks() {
        let counts = |cidr| (space(cidr).free, space(cidr).free_blocks);
        assert_eq!(counts("10.0.0.0/20"), (4091, 254));
        assert_eq!(counts("10.0.0.0/22"), (1019, 62));
        assert_eq!(counts("10.0.0.0/24"), (251, 14));
        assert_eq!(counts("10.0.0.0/26"), (59, 2));
        assert_eq!(counts("10.0.0.0/28"), (11, 0));
        assert_eq!(counts("10.0.0.0/30"), (0, 0));
        assert_eq!(counts("10.0.0.0/32"), (0, 0));
        assert_eq!(counts("0.0.0.0/0").1, MAX_BLOCKS - 2);
    }

    #[test]
    fn reservations_keep_blocks_for_prefixes_or_for_nobody() {
        let cidr = "10.0.0.0/24".parse().unwrap();
        let upper = "10.0.0.128/25".parse().unwrap();
        let mut kept = from_cidr(cidr, &[(upper, true)]);
        assert_eq!((kept.free, kept.free_blocks, free_singles(&kept)), (251, 14, 124));
        assert!(take_addresses(&mut kept, 125).is_none());
        assert_eq!(take_addresses(&mut kept, 124).unwrap().last(), Some(&127));
        assert_eq!(take_prefixes(&mut kept, 7).unwrap()[0], 128);
        assert!(take_prefixes(&mut kept, 1).is_none());
        let explicit = from_cidr(cidr, &[(upper, false), ("10.9.0.0/24".parse().unwrap(), false)]);
        assert_eq!((explicit.free, explicit.free_blocks), (124, 7));
    }

    #[test]
    fn a_request_is_met_in_full_or_not_at_all() {
        let mut space = space("10.0.0.0/28");
        assert_eq!(take_addresses(&mut space, 12), None);
        assert_eq!(space.free, 11);
        assert_eq!(take_address(&mut space), Some(4));
        assert_eq!(take_addresses(&mut space, 10).map(|taken| taken[0]), Some(5));
        assert_eq!(take_address(&mut space), None);
    }

    #[test]
    fn the_subnet_of_two_default_nodes() {
        // A /20 with two nodes of one 50-address interface each.
        let mut space = space("10.0.0.0/20");
        for _ in 0..2 {
            take_address(&mut space).unwrap();
            take_addresses(&mut space, 49).unwrap();
        }
        assert_eq!(space.free, 3991);
    }

    #[test]
    fn scattered_addresses_break_blocks_that_packed_ones_leave_whole() {
        let (mut packed, mut scattered) = (space("10.0.0.0/24"), space("10.0.0.0/24"));
        take_addresses(&mut packed, 20).unwrap();
        let taken = take_scattered(&mut scattered, 20, 7).unwrap();
        assert_eq!(packed.free_blocks, 13);
        assert!(scattered.free_blocks < 8, "{}", scattered.free_blocks);
        let mut again = space("10.0.0.0/24");
        assert_eq!(take_scattered(&mut again, 20, 7).unwrap(), taken);
    }

    proptest! {
        #[test]
        fn counts_stay_in_step(length in 20u8..=30, steps in prop::collection::vec((0u8..5, 0u32..40), 0..60)) {
            let mut space = from_cidr(Ipv4Net::new([10, 0, 0, 0].into(), length).unwrap(), &[]);
            let start = space.clone();
            let (mut singles, mut prefixes) = (Vec::new(), Vec::new());
            for (kind, amount) in steps {
                match kind {
                    0 => singles.extend(take_addresses(&mut space, amount).unwrap_or_default()),
                    1 => prefixes.extend(take_prefixes(&mut space, amount % 4).unwrap_or_default()),
                    2 => singles.extend(take_scattered(&mut space, amount, u64::from(amount)).unwrap_or_default()),
                    3 => { singles.pop().into_iter().for_each(|offset| release_address(&mut space, offset)); }
                    _ => { prefixes.pop().into_iter().for_each(|offset| release_prefix(&mut space, offset)); }
                }
                let mut recounted = space.clone();
                recount(&mut recounted);
                prop_assert_eq!(&recounted, &space);
                let held = singles.len() + 16 * prefixes.len();
                prop_assert_eq!(space.free as usize + held, start.free as usize);
            }
            singles.into_iter().for_each(|offset| release_address(&mut space, offset));
            prefixes.into_iter().for_each(|offset| release_prefix(&mut space, offset));
            prop_assert_eq!(space, start);
        }
    }
}
