//! Pods that a plan puts on nodes that are there: whether their subnets can feed them all.
//!
//! A node is planned for no more pods than its subnet can feed; but several nodes share a subnet, and each was looked
//! at alone. What they take together is counted here, node by node in the order of the plan.

use std::collections::BTreeMap;

use cluster::change::ClaimOrNode;
use cluster::network::PREFIX_ADDRESSES;

use super::addresses::{Addresses, wants_address};
use super::growth::Feeder;
use crate::input::{Input, Solution};

/// A node that was planned for more pods than are fed, with how many are.
pub type Short = (ClaimOrNode, i64);

/// The addresses as they are once the plan's pods are on the nodes that are there; and which nodes are short.
pub fn seated(solution: &Solution, input: &Input<'_>, addresses: &Addresses) -> (Addresses, Vec<Short>) {
    let mut placed: BTreeMap<ClaimOrNode, u32> = BTreeMap::new();
    for (pod, place) in &solution.on_existing {
        if wants_address(&input.cluster.pod(*pod).template) {
            let count = placed.entry(*place).or_default();
            *count = count.saturating_add(1);
        }
    }
    let (mut seated, mut short) = (addresses.clone(), Vec::new());
    for feeder in addresses.feeders() {
        let Some(more) = placed.get(&feeder.id).copied() else { continue };
        let fed = seated.fed(feeder, more);
        if fed < more {
            short.push((feeder.id, i64::from(fed)));
        }
        seated.seat(feeder, more);
    }
    (seated, short)
}

impl Addresses {
    /// How many of so many further pods a feeder's subnet can feed, beyond what its pool has in reserve.
    fn fed(&self, feeder: &Feeder, more: u32) -> u32 {
        let (now, then) = (self.growth(feeder, 0), self.growth(feeder, more));
        let Some(subnet) = self.pod_subnet(&feeder.zone).or(feeder.subnet) else { return more };
        let own = feeder.held.node.for_pods().max(feeder.held.pods.for_pods());
        let reserve = own.saturating_add(now.node.for_pods().max(now.pods.for_pods()));
        let spare = reserve.saturating_sub(feeder.pods).saturating_sub(feeder.own);
        let room = &self.rooms()[subnet.0 as usize];
        let wanted = then.minus(now);
        let wanted = if wanted.pods.total() > 0 { wanted.pods } else { wanted.node };
        if spare >= more || room.holds(wanted) {
            return more;
        }
        let left =
            if wanted.blocks > 0 { room.free_blocks.saturating_mul(PREFIX_ADDRESSES) } else { room.free };
        more.min(spare.saturating_add(left.saturating_sub(wanted.interfaces)))
    }

    fn seat(&mut self, feeder: &Feeder, more: u32) {
        let grown = self.growth(feeder, more).minus(self.growth(feeder, 0));
        self.take(feeder.subnet, &feeder.zone, grown);
    }
}
