//! What claims ask for: classes looked up, devices counted, and for "all" found.

use cluster::Name;
use cluster::device::DevicesWanted;

use super::{Asked, At, DEVICES_AT_MOST, Search, Spot};
use crate::devices::pools::PoolState;

impl<'c> Search<'c> {
    /// Looks up classes and how many devices there must be.
    pub(super) fn prepare(&mut self) -> Result<(), String> {
        let claims = self.claims;
        for (claim_number, claim) in claims.iter().enumerate() {
            let mut least_of_claim = 0usize;
            for (number, request) in claim.spec.requests.iter().enumerate() {
                let mut least: Option<usize> = None;
                for (alternative, wanted) in request.alternatives.iter().enumerate() {
                    let parent = request.prioritized.then_some(&request.name);
                    let at = At { claim: claim_number, request: number, alternative, device: 0 };
                    let asked = self.ask(at, wanted, parent)?;
                    least = Some(least.map_or(asked.count, |least| least.min(asked.count)));
                    self.asked.insert(at.key(), asked);
                }
                least_of_claim = least_of_claim.saturating_add(least.unwrap_or(0));
            }
            if least_of_claim > DEVICES_AT_MOST {
                return Err(format!(
                    "claim {}/{}: number of requested devices {least_of_claim} exceeds the claim limit of \
                     {DEVICES_AT_MOST}",
                    claim.namespace, claim.name
                ));
            }
        }
        Ok(())
    }

    /// `validateDeviceRequest`.
    fn ask(
        &mut self,
        at: At,
        wanted: &'c DevicesWanted,
        parent: Option<&'c Name>,
    ) -> Result<Asked<'c>, String> {
        let claim = self.claims[at.claim];
        let who = format!("claim {}/{}, request {}", claim.namespace, claim.name, wanted.name);
        let Some(class) = self.cluster.declared.devices.class(&wanted.class) else {
            return Err(format!(
                "{who}: could not retrieve device class {}: deviceclass.resource.k8s.io \"{}\" not found",
                wanted.class, wanted.class
            ));
        };
        let count = wanted.count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let mut asked = Asked { wanted, parent, class, count, all: Vec::new() };
        if wanted.count.is_some() {
            return Ok(asked);
        }
        for pool in 0..self.pools.len() {
            let (state, id) =
                (self.pools[pool].state, format!("{}/{}", self.pools[pool].driver, self.pools[pool].name));
            match state {
                PoolState::Usable => {}
                PoolState::Incomplete => {
                    return Err(format!(
                        "{who}: asks for all devices, but resource pool {id} is currently being updated"
                    ));
                }
                PoolState::Invalid => {
                    return Err(format!(
                        "{who}: asks for all devices, but resource pool {id} is currently invalid"
                    ));
                }
            }
            for slice in 0..self.pools[pool].slices.len() {
                for device in 0..self.pools[pool].slices[slice].devices.len() {
                    let spot = Spot { pool, slice, device };
                    if self.is_wanted(at, &asked, spot)? && self.has_capacity(&asked, spot) {
                        asked.all.push(spot);
                    }
                }
            }
        }
        asked.count = asked.all.len();
        Ok(asked)
    }
}
