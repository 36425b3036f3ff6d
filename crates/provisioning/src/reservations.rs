//! Capacity reservations while a plan is made: which claims may still be launched from which of them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/reservationmanager.go` and
//! `nodeclaim.go` (`offeringsToReserve`). A claim takes one of every reservation that it could be launched from, and
//! gives back those that it no longer can.

use std::collections::{BTreeMap, BTreeSet};

use cluster::Name;
use cluster::requirements::Requirements;

use crate::bits::Bits;
use crate::input::{Input, Purpose};
use crate::market::Offers;

/// What is left of every reservation.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    left: BTreeMap<Name, u32>,
    /// By host index of the claim.
    held: BTreeSet<(usize, Name)>,
    /// A pod waits rather than fall back on other capacity.
    strict: bool,
}

impl Reservations {
    /// The reservations of these pools; of a reservation that several of them state, the least count holds.
    pub fn of(input: &Input<'_>, pools: &[u32]) -> Reservations {
        let mut left: BTreeMap<Name, u32> = BTreeMap::new();
        if input.cluster.declared.karpenter.reserved_capacity {
            let ready = pools.iter().filter_map(|pool| input.market.pools.get(*pool as usize));
            let types = ready.filter(|pool| pool.not_ready.is_none()).flat_map(|pool| pool.types.iter());
            for reservation in
                types.flat_map(|offered| &offered.offerings).filter_map(|o| o.reservation.as_ref())
            {
                let count = left.entry(reservation.id.clone()).or_insert(reservation.count);
                *count = reservation.count.min(*count);
            }
        }
        Reservations { left, held: BTreeSet::new(), strict: input.purpose == Purpose::Provisioning }
    }

    /// What the claim of a host, which holds `held` now, would hold with these types and requirements; `None` when
    /// the pod has to wait for what others hold.
    pub fn for_claim(
        &self,
        host: usize,
        held: &[Name],
        offers: &Offers,
        types: &Bits,
        requirements: &Requirements,
    ) -> Option<Vec<Name>> {
        if self.left.is_empty() {
            return Some(Vec::new());
        }
        let (mut wanted, mut granted) = (false, BTreeSet::new());
        for index in types.and(offers.from_reservations()).iter() {
            for id in
                offers[index].possible(requirements).filter_map(|offering| offering.reservation.as_ref())
            {
                wanted = true;
                if self.can_take(host, &id.id) {
                    granted.insert(id.id.clone());
                }
            }
        }
        let refused = granted.is_empty() && (wanted || !held.is_empty());
        (!(self.strict && refused)).then(|| granted.into_iter().collect())
    }

    fn can_take(&self, host: usize, id: &Name) -> bool {
        self.left.get(id).is_some_and(|left| *left > 0) || self.held.contains(&(host, id.clone()))
    }

    /// The claim of a host holds `after` in place of `before`.
    pub fn exchange(&mut self, host: usize, before: &[Name], after: &[Name]) {
        for id in after {
            if self.held.insert((host, id.clone()))
                && let Some(left) = self.left.get_mut(id)
            {
                *left = left.saturating_sub(1);
            }
        }
        for id in before.iter().filter(|id| !after.contains(id)) {
            if self.held.remove(&(host, id.clone()))
                && let Some(left) = self.left.get_mut(id)
            {
                *left = left.saturating_add(1);
            }
        }
    }
}
