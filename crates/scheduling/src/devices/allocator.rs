//! The search: devices for all claims of a pod on one node, the first solution in upstream's order.
//!
//! Follows `allocator_incubating.go` `Allocate` and `allocateOne`. Upstream gives up after ten seconds
//! (`DRASchedulerFilterTimeout`), this after a number of candidates.

mod asked;
mod result;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::device::{
    Device, DeviceAllocation, DeviceClaim, DeviceClass, DeviceName, DevicesWanted, ResourceSlice,
};
use cluster::{Cluster, Name, Node};

use super::capacity;
use super::constraint::Constraint;
use super::counters::Counters;
use super::pools::{self, Pool, PoolState};
use super::selectable::{is_selectable, is_tainted};
use super::{Amounts, DeviceIndex, Shares};

/// `AllocationResultsMaxSize`: devices of one claim.
const DEVICES_AT_MOST: usize = 32;
/// Candidates after which a search is given up.
const CANDIDATES_AT_MOST: u32 = 1_000_000;

/// Why there is no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The node's devices do not suffice.
    Unavailable,
    /// A pool contradicts itself, and without it the devices do not suffice.
    InvalidPools,
    /// Something is wrong that other nodes will not mend; in upstream's words.
    Error(String),
}

/// Devices for every claim on a node, in the order of the claims.
pub(crate) fn allocate(
    index: &DeviceIndex,
    cluster: &Cluster,
    node: &Node,
    claims: &[&DeviceClaim],
) -> Result<Vec<Arc<DeviceAllocation>>, Failure> {
    let mut search = Search::new(index, cluster, node, claims);
    search.prepare().map_err(Failure::Error)?;
    match search.step(At::default(), false, Spot::default()) {
        Ok(true) => Ok(search.allocations()),
        Ok(false) if search.pools.iter().any(|pool| pool.state == PoolState::Invalid) => {
            Err(Failure::InvalidPools)
        }
        Ok(false) => Err(Failure::Unavailable),
        Err(Stop::TooMany) => Err(Failure::Error("allocation max size exceeded".to_owned())),
        Err(Stop::Error(words)) => Err(Failure::Error(words)),
    }
}

/// Which device of which request is looked for.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    claim: usize,
    request: usize,
    alternative: usize,
    device: usize,
}

impl At {
    fn key(self) -> (usize, usize, usize) {
        (self.claim, self.request, self.alternative)
    }
}

/// Where a device is: pool, slice, place in the slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    pool: usize,
    slice: usize,
    device: usize,
}

/// A request, or one of its alternatives.
#[derive(Clone, Debug)]
struct Asked<'c> {
    wanted: &'c DevicesWanted,
    /// The request's name, for alternatives.
    parent: Option<&'c Name>,
    class: &'c DeviceClass,
    count: usize,
    /// For "all": which these are.
    all: Vec<Spot>,
}

impl<'c> Asked<'c> {
    fn asker(&self) -> (&'c Name, Option<&'c Name>) {
        match self.parent {
            Some(parent) => (parent, Some(&self.wanted.name)),
            None => (&self.wanted.name, None),
        }
    }
}

/// Why a search ends.
enum Stop {
    /// More devices than a claim can have.
    TooMany,
    Error(String),
}

/// A device that was chosen.
#[derive(Clone, Debug)]
struct Chosen<'c> {
    asked: (usize, usize, usize),
    spot: Spot,
    name: DeviceName,
    slice: &'c ResourceSlice,
    device: &'c Device,
    share: Option<Amounts>,
    counted: bool,
}

struct Search<'c> {
    index: &'c DeviceIndex,
    cluster: &'c Cluster,
    node: &'c Node,
    claims: &'c [&'c DeviceClaim],
    pools: Vec<Pool<'c>>,
    asked: BTreeMap<(usize, usize, usize), Asked<'c>>,
    /// What was found out of a device and a request.
    selectable: BTreeMap<(Spot, (usize, usize, usize)), bool>,
    constraints: Vec<Vec<Constraint<'c>>>,
    /// Devices that are being given away, and to which claims.
    taken: BTreeMap<DeviceName, BTreeSet<usize>>,
    shares: Shares,
    counters: Counters,
    chosen: Vec<Vec<Chosen<'c>>>,
    candidates: u32,
}

impl<'c> Search<'c> {
    fn new(
        index: &'c DeviceIndex,
        cluster: &'c Cluster,
        node: &'c Node,
        claims: &'c [&'c DeviceClaim],
    ) -> Search<'c> {
        let constraints =
            claims.iter().map(|claim| claim.spec.constraints.iter().map(Constraint::new).collect());
        Search {
            index,
            cluster,
            node,
            claims,
            pools: pools::gather(index, cluster, node),
            asked: BTreeMap::new(),
            selectable: BTreeMap::new(),
            constraints: constraints.collect(),
            taken: BTreeMap::new(),
            shares: Shares::default(),
            counters: Counters::default(),
            chosen: vec![Vec::new(); claims.len()],
            candidates: 0,
        }
    }

    fn at_spot(&self, spot: Spot) -> (&'c ResourceSlice, &'c Device) {
        let slice = self.pools[spot.pool].slices[spot.slice];
        (slice, &slice.devices[spot.device])
    }

    fn name(&self, spot: Spot) -> DeviceName {
        let (slice, device) = self.at_spot(spot);
        DeviceName { driver: slice.driver.clone(), pool: slice.pool.clone(), device: device.name.clone() }
    }

    fn is_wanted(&mut self, at: At, asked: &Asked<'c>, spot: Spot) -> Result<bool, String> {
        let key = (spot, at.key());
        if let Some(known) = self.selectable.get(&key) {
            return Ok(*known);
        }
        let claim = self.claims[at.claim];
        let found = is_selectable(asked.class, asked.wanted, claim, self.at_spot(spot), self.node)?;
        self.selectable.insert(key, found);
        Ok(found)
    }

    fn has_capacity(&self, asked: &Asked<'c>, spot: Spot) -> bool {
        let (name, nothing) = (self.name(spot), Amounts::new());
        let taken = self.index.shares.of(&name).unwrap_or(&nothing);
        let taking = self.shares.of(&name).unwrap_or(&nothing);
        capacity::suffices(self.at_spot(spot).1, &asked.wanted.capacity, taken, taking)
    }

    fn is_in_use(&self, name: &DeviceName) -> bool {
        self.index.given.contains_key(name) || self.taken.get(name).is_some_and(|claims| !claims.is_empty())
    }

    fn is_taken_by(&self, name: &DeviceName, claim: usize) -> bool {
        self.taken.get(name).is_some_and(|claims| claims.contains(&claim))
    }

    /// `allocateOne`: one device and, if that works, all that come after it.
    fn step(&mut self, at: At, decided: bool, start: Spot) -> Result<bool, Stop> {
        let Some(claim) = self.claims.get(at.claim) else { return Ok(true) };
        let Some(request) = claim.spec.requests.get(at.request) else {
            let next = At { claim: at.claim + 1, ..At::default() };
            // A claim that gets too many devices may get fewer when those before it get others.
            return match self.step(next, false, Spot::default()) {
                Err(Stop::TooMany) => Ok(false),
                other => other,
            };
        };
        if request.prioritized && !decided {
            return self.alternatives(at, request.alternatives.len());
        }
        let Some(asked) = self.asked.get(&at.key()).cloned() else { return Ok(false) };
        let wants_all = asked.wanted.count.is_none();
        if wants_all && asked.all.is_empty() {
            return Ok(false);
        }
        if at.device >= asked.count {
            let next = At { claim: at.claim, request: at.request + 1, ..At::default() };
            return self.step(next, false, Spot::default());
        }
        if self.chosen[at.claim].len().saturating_add(asked.count - at.device) > DEVICES_AT_MOST {
            return Err(Stop::TooMany);
        }
        if wants_all {
            return self.take_and_go_on(at, &asked, asked.all[at.device], decided, Spot::default(), true);
        }
        self.look(at, &asked, decided, start)
    }

    /// The first alternative that works.
    fn alternatives(&mut self, at: At, count: usize) -> Result<bool, Stop> {
        let mut all_too_many = true;
        for alternative in 0..count {
            match self.step(At { alternative, ..at }, true, Spot::default()) {
                Err(Stop::TooMany) => continue,
                Ok(false) => all_too_many = false,
                other => return other,
            }
        }
        if all_too_many { Err(Stop::TooMany) } else { Ok(false) }
    }

    /// Tries the devices from a place on, in order.
    fn look(&mut self, at: At, asked: &Asked<'c>, decided: bool, start: Spot) -> Result<bool, Stop> {
        for pool in start.pool..self.pools.len() {
            if self.pools[pool].state != PoolState::Usable {
                continue;
            }
            let from = if pool == start.pool { start.slice } else { 0 };
            for slice in from..self.pools[pool].slices.len() {
                let here = pool == start.pool && slice == start.slice;
                let from = if here { start.device } else { 0 };
                for device in from..self.pools[pool].slices[slice].devices.len() {
                    let spot = Spot { pool, slice, device };
                    if !self.may_take(at, asked, spot).map_err(Stop::Error)? {
                        continue;
                    }
                    let next = Spot { device: device + 1, ..spot };
                    if self.take_and_go_on(at, asked, spot, decided, next, false)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn may_take(&mut self, at: At, asked: &Asked<'c>, spot: Spot) -> Result<bool, String> {
        self.candidates += 1;
        if self.candidates > CANDIDATES_AT_MOST {
            return Err(format!("node {}: timed out trying to allocate devices", self.node.name));
        }
        let name = self.name(spot);
        let in_use =
            if asked.wanted.admin { self.is_taken_by(&name, at.claim) } else { self.is_in_use(&name) };
        Ok(!in_use && self.is_wanted(at, asked, spot)? && self.has_capacity(asked, spot))
    }

    /// Takes a device and looks for the next; gives it back if that leads nowhere.
    fn take_and_go_on(
        &mut self,
        at: At,
        asked: &Asked<'c>,
        spot: Spot,
        decided: bool,
        next: Spot,
        must: bool,
    ) -> Result<bool, Stop> {
        if !self.take(at, asked, spot, must).map_err(Stop::Error)? {
            return Ok(false);
        }
        let done = self.step(At { device: at.device + 1, ..at }, decided, next);
        if !matches!(done, Ok(true)) {
            self.give_back(at.claim, asked);
        }
        done
    }

    /// `allocateDevice`.
    fn take(&mut self, at: At, asked: &Asked<'c>, spot: Spot, must: bool) -> Result<bool, String> {
        let ((slice, device), name) = (self.at_spot(spot), self.name(spot));
        let admin = asked.wanted.admin;
        if !device.shared && admin && self.is_taken_by(&name, at.claim) || !admin && self.is_in_use(&name) {
            return Ok(false);
        }
        let is_shared_already =
            device.shared && (self.index.shares.of(&name).is_some() || self.shares.of(&name).is_some());
        let counted = !is_shared_already && !device.consumes.is_empty();
        if counted && !self.counters.take(self.index, &self.pools[spot.pool], device) {
            return Ok(false);
        }
        let fits =
            !is_tainted(device, asked.wanted) && self.constrain(at, asked, slice, device, must, &name)?;
        if !fits {
            if counted {
                self.counters.give_back(&self.pools[spot.pool], device);
            }
            return Ok(false);
        }
        if !self.has_capacity(asked, spot) {
            self.constraints[at.claim].iter_mut().for_each(|constraint| constraint.remove(asked.asker()));
            if counted {
                self.counters.give_back(&self.pools[spot.pool], device);
            }
            return Ok(false);
        }
        let share = device.shared.then(|| capacity::consumption(device, &asked.wanted.capacity));
        match &share {
            Some(amounts) => self.shares.add(&name, amounts),
            None => drop(self.taken.entry(name.clone()).or_default().insert(at.claim)),
        }
        let asked = at.key();
        self.chosen[at.claim].push(Chosen { asked, spot, name, slice, device, share, counted });
        Ok(true)
    }

    /// Adds a device to every constraint of its claim, or to none.
    fn constrain(
        &mut self,
        at: At,
        asked: &Asked<'c>,
        slice: &ResourceSlice,
        device: &Device,
        must: bool,
        name: &DeviceName,
    ) -> Result<bool, String> {
        let constraints = &mut self.constraints[at.claim];
        let refuses = constraints
            .iter_mut()
            .position(|constraint| !constraint.add(asked.asker(), &slice.driver, device));
        let Some(added) = refuses else { return Ok(true) };
        constraints[..added].iter_mut().for_each(|constraint| constraint.remove(asked.asker()));
        if must {
            let claim = self.claims[at.claim];
            return Err(format!(
                "claim {}/{}, request {}: cannot add device {}/{}/{} because a claim constraint would not be satisfied",
                claim.namespace, claim.name, asked.wanted.name, name.driver, name.pool, name.device
            ));
        }
        Ok(false)
    }

    /// Undoes the last [`Search::take`] of a claim.
    fn give_back(&mut self, claim: usize, asked: &Asked<'c>) {
        let Some(last) = self.chosen[claim].pop() else { return };
        match &last.share {
            Some(amounts) => self.shares.remove(&last.name, amounts),
            None => {
                if let Some(claims) = self.taken.get_mut(&last.name) {
                    claims.remove(&claim);
                }
            }
        }
        self.constraints[claim].iter_mut().for_each(|constraint| constraint.remove(asked.asker()));
        if last.counted {
            self.counters.give_back(&self.pools[last.spot.pool], last.device);
        }
    }
}
