//! A NodeClaim that is being put together: the pods so far, and the instance types that still hold them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/nodeclaim.go`.

use std::collections::HashMap;
use std::rc::Rc;

use cluster::requirements::{Requirement, Requirements, Undefined};
use cluster::template::HostPort;
use cluster::{Name, PodId, Resources};

use crate::bits::Bits;
use crate::class::{Class, ClassId};
use crate::daemons::all_tolerated;
use crate::pool::{PoolTemplate, unmet_min_values};
use crate::ports;
use crate::reservations::Reservations;
use crate::sets::{Clash, SetId, Sets, hostname_agrees};
use crate::topology::{Place, Topology};

/// A claim under construction.
#[derive(Clone, Debug)]
pub struct OpenClaim {
    /// Index into the templates.
    pub template: usize,
    /// Its requirements, host name apart.
    pub set: SetId,
    /// What its pods ask for, daemons apart.
    pub requests: Resources,
    /// Types that still hold them.
    pub alive: Bits,
    /// The most of each resource that any of these types has left: a quick no.
    pub most_left: Resources,
    /// Its pods.
    pub pods: Vec<PodId>,
    /// Ports that they take.
    pub ports: Vec<HostPort>,
    /// Index of its host name.
    pub host: usize,
    /// Its stand-in host name.
    pub hostname: Name,
    /// Capacity reservations that it may be launched from.
    pub reserved: Vec<Name>,
}

/// What a claim would be with one more pod.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Requirements.
    pub set: SetId,
    /// Types that hold all pods.
    pub alive: Bits,
    /// Capacity reservations that it may be launched from.
    pub reserved: Vec<Name>,
}

/// Why a pod cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// Never in this plan: claims only become narrower and fuller.
    Never,
    /// Not as things are.
    NotNow,
    /// Other claims hold the reserved capacity that it needs: the pod waits, with all its preferences.
    Reserved,
}

impl From<Clash> for Misfit {
    fn from(clash: Clash) -> Misfit {
        match clash {
            Clash::Final => Misfit::Never,
            Clash::ForNow => Misfit::NotNow,
        }
    }
}

/// Types of each template that agree with a set of requirements; computed once a set.
#[derive(Debug, Default)]
pub struct CompatibleTypes {
    // Looked up, never iterated over.
    known: HashMap<(usize, SetId), Rc<Bits>>,
}

impl CompatibleTypes {
    /// Types of a template that agree with a set and are offered where it allows.
    pub fn of(&mut self, template: usize, pool: &PoolTemplate, set: SetId, sets: &Sets) -> Rc<Bits> {
        let compute = || Rc::new(pool.compatible(sets.get(set)));
        Rc::clone(self.known.entry((template, set)).or_insert_with(compute))
    }
}

/// What deciding needs besides the claim and the class.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The templates.
    pub templates: &'a [PoolTemplate],
    /// Interned sets.
    pub sets: &'a mut Sets,
    /// Compatible types by set.
    pub types: &'a mut CompatibleTypes,
    /// The rules.
    pub topology: &'a Topology,
    /// Capacity reservations.
    pub reservations: &'a Reservations,
    /// `minValues` are lowered rather than failed.
    pub lower_min_values: bool,
}

impl Bench<'_> {
    /// Whether a pod of a class can join a claim, and what the claim would be then.
    pub fn fit(&mut self, claim: &OpenClaim, id: ClassId, class: &Class) -> Result<Fit, Misfit> {
        let pool = &self.templates[claim.template];
        let constraints = &class.constraints;
        if constraints.requests.exceeds(&claim.most_left).is_some()
            || !all_tolerated(&pool.taints, &constraints.tolerations)
            || !hostname_agrees(class.wanted_host.as_ref(), &claim.hostname)
            || ports::any_taken(&constraints.host_ports, &claim.ports)
        {
            return Err(Misfit::Never);
        }
        let base = self.sets.narrow(claim.set, class.wanted, Undefined::WellKnownAllowed)?;
        if class.volumes.is_empty() {
            return self.fit_at(claim, id, class, base);
        }
        // The last alternative's refusal stands for all, save that none is final unless all are.
        let mut refusal = Misfit::Never;
        for (volume, host) in &class.volumes {
            let set = self.sets.narrow(base, *volume, Undefined::WellKnownAllowed);
            let fit = match hostname_agrees(host.as_ref(), &claim.hostname) {
                true => set.map_err(Misfit::from).and_then(|set| self.fit_at(claim, id, class, set)),
                false => Err(Misfit::Never),
            };
            match fit {
                Ok(fit) => return Ok(fit),
                Err(Misfit::Never) if refusal != Misfit::Never => refusal = Misfit::NotNow,
                Err(misfit) => refusal = misfit,
            }
        }
        Err(refusal)
    }

    fn fit_at(&mut self, claim: &OpenClaim, id: ClassId, class: &Class, set: SetId) -> Result<Fit, Misfit> {
        let pool = &self.templates[claim.template];
        let mut set = set;
        let mut misfit = if class.is_plain { Misfit::Never } else { Misfit::NotNow };
        if self.topology.binds(id) {
            let place = Place { host: claim.host, hostname: &claim.hostname, taints: &pool.taints };
            let narrowing = self.topology.narrowing(id, class, &place, self.sets.get(set));
            let narrowing = narrowing.map_err(|refused| match refused.final_for_place {
                true => Misfit::Never,
                false => Misfit::NotNow,
            })?;
            if !narrowing.is_empty() {
                // Another domain may be allowed later.
                misfit = Misfit::NotNow;
                let narrowing = self.sets.intern(narrowing);
                set = self.sets.narrow(set, narrowing, Undefined::WellKnownAllowed).map_err(|_| misfit)?;
            }
        }
        let compatible = self.types.of(claim.template, pool, set, self.sets);
        let alive = still_alive(claim, class, pool, &compatible);
        if alive.is_empty() {
            return Err(misfit);
        }
        let set = self.meet_min_values(pool, set, &alive).ok_or(misfit)?;
        let requirements = self.sets.get(set);
        let reserved =
            self.reservations.for_claim(claim.host, &claim.reserved, &pool.types, &alive, requirements);
        Ok(Fit { set, alive, reserved: reserved.ok_or(Misfit::Reserved)? })
    }

    /// The set with its `minValues` met, lowered where that is allowed; `None` when they are not met.
    fn meet_min_values(&mut self, pool: &PoolTemplate, set: SetId, alive: &Bits) -> Option<SetId> {
        let requirements = self.sets.get(set);
        if !requirements.has_min_values() {
            return Some(set);
        }
        let unmet = unmet_min_values(&pool.types, alive, requirements);
        if unmet.is_empty() {
            return Some(set);
        }
        if !self.lower_min_values {
            return None;
        }
        let mut lowered: Requirements = requirements.clone();
        for (key, found) in unmet {
            if let Some(requirement) = lowered.get(&key).cloned() {
                lowered.set(Requirement { min_values: Some(found), ..requirement });
            }
        }
        Some(self.sets.intern(lowered))
    }
}

/// Types that hold what is there and the pod, daemons included.
fn still_alive(claim: &OpenClaim, class: &Class, pool: &PoolTemplate, compatible: &Bits) -> Bits {
    let constraints = &class.constraints;
    let mut candidates = claim.alive.and(compatible);
    if !constraints.host_ports.is_empty() {
        for group in
            pool.groups.iter().filter(|group| ports::any_taken(&constraints.host_ports, &group.ports))
        {
            candidates = candidates.without(&group.types);
        }
    }
    let requests = claim.requests.plus(&constraints.requests);
    candidates.iter().filter(|&index| requests.exceeds(&pool.room[index]).is_none()).collect()
}

impl OpenClaim {
    /// An empty claim of a template, with these types to choose from.
    pub fn new(template: usize, pool: &PoolTemplate, set: SetId, types: Bits, host: usize) -> OpenClaim {
        let mut claim = OpenClaim {
            template,
            set,
            requests: Resources::ZERO,
            alive: types.and(&pool.holds_daemons),
            most_left: Resources::ZERO,
            pods: Vec::new(),
            ports: Vec::new(),
            host,
            hostname: Name::from(format!("hostname-placeholder-{host:04}")),
            reserved: Vec::new(),
        };
        claim.measure(pool);
        claim
    }

    /// Takes a pod in.
    pub fn add(&mut self, pod: PodId, class: &Class, fit: Fit, pool: &PoolTemplate) {
        self.pods.push(pod);
        self.set = fit.set;
        self.alive = fit.alive;
        self.reserved = fit.reserved;
        self.requests.add(&class.constraints.requests);
        self.ports.extend(class.constraints.host_ports.iter().cloned());
        self.measure(pool);
    }

    fn measure(&mut self, pool: &PoolTemplate) {
        let mut most = Resources::ZERO;
        for index in self.alive.iter() {
            most.raise_to(&pool.room[index]);
        }
        most.subtract(&self.requests);
        self.most_left = most;
    }
}
