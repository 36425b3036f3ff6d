//! A zone and a subnet for every claim, which can feed it.
//!
//! Karpenter leaves the zone to EC2 and never asks what a node's interfaces will take. Here a claim is given the
//! cheapest zone that has the addresses for its pods, its daemons and its warm pool; among equal ones the one with
//! the most free addresses. Types that would take more than there is are struck from the claim. Where not all of a
//! claim's pods can be fed, those that came first are; the others are told why. No claim is given up for another.

use cluster::network::SubnetId;
use cluster::rejection::{PoolReason, PoolRejection};
use cluster::requirements::Requirement;
use cluster::{Name, PodId};

use super::addresses::{ADDRESSES, Addresses, wants_address};
use super::room::{Draw, SubnetRoom};
use crate::bits::Bits;
use crate::input::{Input, Solution};
use crate::market::{Offering, TypeOnOffer, ZONE};
use crate::plan::{LAUNCH_TYPES_MAX, PlannedClaim};
use crate::pool::unmet_min_values;

/// How addresses are kept for the types that a claim may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thrift {
    /// For whichever of them takes most: EC2 is free to choose.
    None,
    /// Only types that take no more than the cheapest one.
    LikeCheapest,
    /// Only types that take least.
    Least,
}

/// Gives every new claim of a solution a zone: with as much freedom for EC2 as feeds everybody.
pub fn settle(solution: Solution, input: &Input<'_>, addresses: &Addresses) -> Solution {
    if addresses.rooms().is_empty() || solution.new_claims.is_empty() {
        return solution;
    }
    let mut best = settle_with(&solution, input, addresses, Thrift::None);
    for thrift in [Thrift::LikeCheapest, Thrift::Least] {
        if best.refused.len() == solution.refused.len() {
            break;
        }
        let other = settle_with(&solution, input, addresses, thrift);
        if other.refused.len() < best.refused.len() {
            best = other;
        }
    }
    best
}

fn settle_with(solution: &Solution, input: &Input<'_>, addresses: &Addresses, thrift: Thrift) -> Solution {
    let mut settled = Solution {
        on_existing: solution.on_existing.clone(),
        new_claims: Vec::with_capacity(solution.new_claims.len()),
        refused: solution.refused.clone(),
    };
    let mut zones = Zones { input, addresses, rooms: addresses.rooms().to_vec(), thrift };
    for claim in &solution.new_claims {
        let (placed, refused) = zones.place(claim);
        settled.new_claims.extend(placed);
        settled.refused.extend(refused);
    }
    settled.refused.sort_by_key(|(pod, _)| *pod);
    settled
}

/// What is left of the subnets as claims are given zones.
struct Zones<'a> {
    input: &'a Input<'a>,
    addresses: &'a Addresses,
    rooms: Vec<SubnetRoom>,
    thrift: Thrift,
}

/// A zone that can feed a claim.
struct Candidate {
    price_micro_usd: i64,
    free: u32,
    zone: Name,
    node_subnet: SubnetId,
    draw: Draw,
    options: Vec<usize>,
}

type Refused = Vec<(PodId, Vec<PoolRejection>)>;

impl Zones<'_> {
    /// The claim with as many of its pods as can be fed, and the others.
    fn place(&mut self, claim: &PlannedClaim) -> (Option<PlannedClaim>, Refused) {
        let zones = zones_of(claim);
        let all = claim.pods.len();
        let fed = |zones_here: &Self, count: usize| zones_here.best(claim, &zones, count);
        if let Some(best) = fed(self, all) {
            return (Some(self.take(claim, best, all)), Vec::new());
        }
        let refused = self.refuse(claim, &zones);
        // Fewer pods never take more.
        let (mut least, mut most, mut found) = (1, all.saturating_sub(1), None);
        while least <= most {
            let middle = least.midpoint(most);
            match fed(self, middle) {
                Some(best) => {
                    found = Some((middle, best));
                    least = middle + 1;
                }
                None => most = middle - 1,
            }
        }
        match found {
            Some((count, best)) => (Some(self.take(claim, best, count)), refused[count..].to_vec()),
            None => (None, refused),
        }
    }

    fn take(&mut self, claim: &PlannedClaim, best: Candidate, count: usize) -> PlannedClaim {
        self.rooms[best.node_subnet.0 as usize].take(best.draw.node);
        if let Some(subnet) = self.addresses.pod_subnet(&best.zone) {
            self.rooms[subnet.0 as usize].take(best.draw.pods);
        }
        let mut claim = claim.clone();
        for pod in claim.pods.split_off(count) {
            claim.requests.subtract(&self.input.cluster.pod(pod).template.requests);
        }
        claim.requirements.add(Requirement::equal_to(ZONE, &best.zone));
        claim.options = best.options;
        claim.subnet = Some(best.node_subnet);
        claim
    }

    /// The best zone for the first `count` pods of a claim.
    fn best(&self, claim: &PlannedClaim, zones: &[Name], count: usize) -> Option<Candidate> {
        let pods = self.pods_with_address(claim, count);
        let candidates = zones.iter().filter_map(|zone| self.candidate(claim, zone, pods));
        candidates.min_by(|a, b| {
            let rank = |candidate: &Candidate| (candidate.price_micro_usd, u32::MAX - candidate.free);
            rank(a).cmp(&rank(b)).then_with(|| a.zone.cmp(&b.zone))
        })
    }

    /// What a claim would be in a zone; `None` when the subnets there cannot feed it.
    fn candidate(&self, claim: &PlannedClaim, zone: &Name, pods: u32) -> Option<Candidate> {
        let node_subnet = self.freest(claim, zone)?;
        let room = &self.rooms[node_subnet.0 as usize];
        let pod_room = self.addresses.pod_subnet(zone).map(|subnet| &self.rooms[subnet.0 as usize]);
        let fed = |draw: &Draw| room.holds(draw.node) && pod_room.is_none_or(|pods| pods.holds(draw.pods));
        let mut options: Vec<(i64, usize, Draw)> = Vec::new();
        for &index in &claim.options {
            let offered = &claim.types[index];
            let Some(price) = price_in(offered, claim, zone) else { continue };
            let draw = self.draw(offered, pods);
            if fed(&draw) {
                options.push((price, index, draw));
            }
        }
        // Stable: options were in order of price over all zones, then by name.
        options.sort_by_key(|(price, _, _)| *price);
        let limit = match self.thrift {
            Thrift::None => u32::MAX,
            Thrift::LikeCheapest => options.first()?.2.total(),
            Thrift::Least => options.iter().map(|(_, _, draw)| draw.total()).min()?,
        };
        options.retain(|(_, _, draw)| draw.total() <= limit);
        let (price_micro_usd, _, _) = *options.first()?;
        // Any of those that are launched: the room is kept for the one that takes most.
        let launched = options.iter().take(LAUNCH_TYPES_MAX);
        let draw = launched.map(|(_, _, draw)| *draw).max_by_key(|draw| draw.total())?;
        let options: Vec<usize> = options.into_iter().map(|(_, index, _)| index).collect();
        if !self.has_min_values(claim, &options) {
            return None;
        }
        let zone = zone.clone();
        Some(Candidate { price_micro_usd, free: room.free, zone, node_subnet, draw, options })
    }

    fn has_min_values(&self, claim: &PlannedClaim, options: &[usize]) -> bool {
        let kept: Bits = options.iter().copied().collect();
        options.len() == claim.options.len()
            || self.input.cluster.declared.karpenter.min_values_best_effort
            || unmet_min_values(&claim.types, &kept, &claim.requirements).is_empty()
    }

    fn draw(&self, offered: &TypeOnOffer, pods: u32) -> Draw {
        let max_pods = u32::try_from(offered.allocatable.pods).unwrap_or(0);
        self.addresses.draw(&offered.name, pods, max_pods)
    }

    /// The subnet of the claim's node class in a zone with the most free addresses.
    fn freest(&self, claim: &PlannedClaim, zone: &Name) -> Option<SubnetId> {
        let declared = &self.input.cluster.declared;
        let class = declared.node_class(&declared.node_pools[claim.pool as usize].node_class)?;
        let selected = declared.profile.subnets_selected(&class.subnets);
        let in_zone = selected
            .into_iter()
            .filter(|id| self.rooms.get(*id as usize).is_some_and(|room| room.zone == *zone));
        in_zone.max_by_key(|id| (self.rooms[*id as usize].free, u32::MAX - id)).map(SubnetId)
    }

    /// The first `count` pods of the claim, and its daemons, that take an address of its node.
    fn pods_with_address(&self, claim: &PlannedClaim, count: usize) -> u32 {
        let wants = |pod: &&PodId| wants_address(&self.input.cluster.pod(**pod).template);
        let of = |pods: &[PodId]| u32::try_from(pods.iter().filter(wants).count()).unwrap_or(u32::MAX);
        let asked = u32::try_from(claim.requests.get(ADDRESSES)).unwrap_or(0);
        let daemons = asked.saturating_sub(of(&claim.pods));
        of(&claim.pods[..count.min(claim.pods.len())]).saturating_add(daemons)
    }

    /// What every pod of a claim is told that no zone can feed.
    fn refuse(&self, claim: &PlannedClaim, zones: &[Name]) -> Refused {
        let pods = self.pods_with_address(claim, claim.pods.len());
        let least = claim.options.iter().map(|&index| self.draw(&claim.types[index], pods));
        let needed = least.map(|draw| draw.node.total().max(draw.pods.total())).min().unwrap_or(0);
        let free = zones.iter().filter_map(|zone| {
            let subnet = self.addresses.pod_subnet(zone).or_else(|| self.freest(claim, zone))?;
            Some(self.rooms[subnet.0 as usize].free)
        });
        let free = free.max().unwrap_or(0);
        let pool = self.input.cluster.declared.node_pools[claim.pool as usize].name.clone();
        let reason = PoolReason::NoAddresses { needed, free };
        let rejection = vec![PoolRejection { pool, reason }];
        claim.pods.iter().map(|pod| (*pod, rejection.clone())).collect()
    }
}

/// Zones in which any of a claim's types can be bought, in order.
fn zones_of(claim: &PlannedClaim) -> Vec<Name> {
    let offered = claim.options.iter().flat_map(|&index| claim.types[index].possible(&claim.requirements));
    let mut zones: Vec<Name> = offered.map(|offering| offering.zone.clone()).collect();
    zones.sort();
    zones.dedup();
    zones
}

fn price_in(offered: &TypeOnOffer, claim: &PlannedClaim, zone: &Name) -> Option<i64> {
    let here = |offering: &&Offering| offering.zone == *zone;
    offered.possible(&claim.requirements).filter(here).map(|offering| offering.price_micro_usd).min()
}
