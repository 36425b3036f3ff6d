//! A zone for every claim, whose subnets can feed it.
//!
//! Karpenter leaves the zone to EC2 and never asks what a node's interfaces will take. Here a claim is given the
//! cheapest zone that has the addresses for its pods, its daemons and its warm pool; among equal ones the one with
//! the most free addresses. Types that would take more than there is are struck from the claim. A claim that no
//! zone can feed is not made, and its pods are told why.

use cluster::network::SubnetId;
use cluster::rejection::{PoolReason, PoolRejection};
use cluster::requirements::Requirement;
use cluster::{Name, PodId};

use super::addresses::{Addresses, wants_address};
use super::room::{Draw, SubnetRoom};
use crate::input::{Input, Solution};
use crate::market::{Offering, TypeOnOffer, ZONE};
use crate::plan::PlannedClaim;

/// Gives every new claim of a solution a zone.
pub fn settle(mut solution: Solution, input: &Input<'_>, addresses: &Addresses) -> Solution {
    if addresses.rooms().is_empty() {
        return solution;
    }
    let mut zones = Zones { input, addresses, rooms: addresses.rooms().to_vec() };
    let claims = std::mem::take(&mut solution.new_claims);
    for claim in claims {
        match zones.place(claim) {
            Ok(claim) => solution.new_claims.push(claim),
            Err(refused) => solution.refused.extend(refused),
        }
    }
    solution.refused.sort_by_key(|(pod, _)| *pod);
    solution
}

/// What is left of the subnets as claims are given zones.
struct Zones<'a> {
    input: &'a Input<'a>,
    addresses: &'a Addresses,
    rooms: Vec<SubnetRoom>,
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
    fn place(&mut self, mut claim: PlannedClaim) -> Result<PlannedClaim, Refused> {
        let pods = self.pods_with_address(&claim);
        let zones = zones_of(&claim);
        let candidates = zones.iter().filter_map(|zone| self.candidate(&claim, zone, pods));
        let best = candidates.min_by(|a, b| {
            let rank = |candidate: &Candidate| (candidate.price_micro_usd, u32::MAX - candidate.free);
            rank(a).cmp(&rank(b)).then_with(|| a.zone.cmp(&b.zone))
        });
        let Some(best) = best else { return Err(self.refuse(claim, &zones, pods)) };
        self.rooms[best.node_subnet.0 as usize].take(best.draw.node);
        if let Some(subnet) = self.addresses.pod_subnet(&best.zone) {
            self.rooms[subnet.0 as usize].take(best.draw.pods);
        }
        claim.requirements.add(Requirement::equal_to(ZONE, &best.zone));
        claim.options = best.options;
        Ok(claim)
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
        let (price_micro_usd, _, _) = *options.first()?;
        // Any of them may be launched: the room is kept for the one that takes most.
        let draw = options
            .iter()
            .map(|(_, _, draw)| *draw)
            .max_by_key(|draw| draw.node.total() + draw.pods.total())?;
        Some(Candidate {
            price_micro_usd,
            free: room.free,
            zone: zone.clone(),
            node_subnet,
            draw,
            options: options.into_iter().map(|(_, index, _)| index).collect(),
        })
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

    /// Pods of the claim, its daemons among them, that take an address of its node.
    fn pods_with_address(&self, claim: &PlannedClaim) -> u32 {
        let own =
            claim.pods.iter().filter(|pod| wants_address(&self.input.cluster.pod(**pod).template)).count();
        let asked = claim.requests.get(super::addresses::ADDRESSES);
        u32::try_from(own).unwrap_or(u32::MAX).max(u32::try_from(asked).unwrap_or(0))
    }

    fn refuse(&self, claim: PlannedClaim, zones: &[Name], pods: u32) -> Refused {
        let cheapest = claim.options.first().map(|&index| self.draw(&claim.types[index], pods));
        let needed = cheapest.map_or(0, |draw| draw.node.total().max(draw.pods.total()));
        let free = zones.iter().filter_map(|zone| {
            let subnet = self.addresses.pod_subnet(zone).or_else(|| self.freest(&claim, zone))?;
            Some(self.rooms[subnet.0 as usize].free)
        });
        let free = free.max().unwrap_or(0);
        let pool = self.input.cluster.declared.node_pools[claim.pool as usize].name.clone();
        let reason = PoolReason::NoAddresses { needed, free };
        let rejection = vec![PoolRejection { pool, reason }];
        claim.pods.into_iter().map(|pod| (pod, rejection.clone())).collect()
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
