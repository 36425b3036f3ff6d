//! A NodeClaim that is being put together: the pods so far, and the instance types that still hold them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/nodeclaim.go`.

use std::collections::HashMap;
use std::rc::Rc;

use cluster::requirements::{Requirement, Requirements, Undefined};
use cluster::template::HostPort;
use cluster::{Name, PodId, Resources};

use crate::bits::Bits;
use crate::class::Class;
use crate::daemons::all_tolerated;
use crate::pool::{PoolTemplate, unmet_min_values};
use crate::prospects::{Prospect, Prospects, Study};
use crate::reservations::Reservations;
use crate::sets::{Clash, SetId, Sets, hostname_agrees};
use crate::topology::{Place, Unsatisfied};
use crate::{ports, room};

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
    /// The most of each resource that any of these types has.
    most: Resources,
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
    /// Never, because of its rules on the host name alone.
    Barred,
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

impl From<Unsatisfied> for Misfit {
    fn from(refused: Unsatisfied) -> Misfit {
        if refused.final_for_place { Misfit::Never } else { Misfit::NotNow }
    }
}

/// What deciding needs besides the claim.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The class, sets and rules.
    pub study: Study<'a>,
    /// What is known of the class.
    pub prospects: &'a mut Prospects,
    /// The templates.
    pub templates: &'a [Rc<PoolTemplate>],
    /// Capacity reservations.
    pub reservations: &'a Reservations,
    /// `minValues` are lowered rather than failed.
    pub lower_min_values: bool,
}

impl Bench<'_> {
    /// Whether a pod of the class can join a claim, and what the claim would be then.
    pub fn fit(&mut self, claim: &OpenClaim) -> Result<Fit, Misfit> {
        let (id, class, pool) = (self.study.id, self.study.class, &self.templates[claim.template]);
        let constraints = &class.constraints;
        if let Err(refused) = self.study.topology.check_host(id, class, &claim.place(pool)) {
            return Err(if refused.final_for_place { Misfit::Barred } else { Misfit::NotNow });
        }
        if room::exceeds(&constraints.requests, &claim.most_left)
            || !hostname_agrees(class.wanted_host.as_ref(), &claim.hostname)
            || ports::any_taken(&constraints.host_ports, &claim.ports)
        {
            return Err(Misfit::Never);
        }
        if class.volumes.is_empty() {
            let prospect = self.prospects.of_claim(&mut self.study, claim.template, pool, claim.set)?;
            return self.fit_at(claim, prospect);
        }
        self.fit_with_volumes(claim)
    }

    /// Whether a claim of a template with these requirements can be joined at all, whatever else is in it.
    pub fn may_join(&mut self, (template, set): (usize, SetId)) -> bool {
        !self.study.class.volumes.is_empty()
            || self.prospects.of_claim(&mut self.study, template, &self.templates[template], set).is_ok()
    }

    /// The last alternative's refusal stands for all, save that none is final unless all are.
    fn fit_with_volumes(&mut self, claim: &OpenClaim) -> Result<Fit, Misfit> {
        let (class, pool) = (self.study.class, &self.templates[claim.template]);
        if !all_tolerated(&pool.taints, &class.constraints.tolerations) {
            return Err(Misfit::Never);
        }
        let base = self.study.sets.narrow(claim.set, class.wanted, Undefined::WellKnownAllowed)?;
        let mut refusal = Misfit::Never;
        for (volume, host) in &class.volumes {
            let fit = match hostname_agrees(host.as_ref(), &claim.hostname) {
                true => self.fit_with_volume(claim, base, *volume),
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

    fn fit_with_volume(&mut self, claim: &OpenClaim, base: SetId, volume: SetId) -> Result<Fit, Misfit> {
        let pool = &self.templates[claim.template];
        let set = self.study.sets.narrow(base, volume, Undefined::WellKnownAllowed)?;
        let prospect = self.study.claim_in_domain(claim.template, pool, set)?;
        self.fit_at(claim, prospect)
    }

    fn fit_at(&mut self, claim: &OpenClaim, prospect: Prospect) -> Result<Fit, Misfit> {
        let pool = &self.templates[claim.template];
        let misfit = prospect.full;
        let alive = still_alive(claim, self.study.class, pool, &prospect.types);
        if alive.is_empty() {
            return Err(misfit);
        }
        let set = self.meet_min_values(pool, prospect.set, &alive).ok_or(misfit)?;
        let requirements = self.study.sets.get(set);
        let reserved =
            self.reservations.for_claim(claim.host, &claim.reserved, &pool.types, &alive, requirements);
        Ok(Fit { set, alive, reserved: reserved.ok_or(Misfit::Reserved)? })
    }

    /// The set with its `minValues` met, lowered where that is allowed; `None` when they are not met.
    fn meet_min_values(&mut self, pool: &PoolTemplate, set: SetId, alive: &Bits) -> Option<SetId> {
        let requirements = self.study.sets.get(set);
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
        Some(self.study.sets.intern(lowered))
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
    pool.rooms.holding(&claim.requests.plus(&constraints.requests), &candidates)
}

impl OpenClaim {
    /// An empty claim of a template, with these types to choose from; its host is still to be named.
    pub fn new(template: usize, pool: &PoolTemplate, set: SetId, types: Bits) -> OpenClaim {
        let mut claim = OpenClaim {
            template,
            set,
            requests: Resources::ZERO,
            alive: types.and(&pool.holds_daemons),
            most_left: Resources::ZERO,
            most: Resources::ZERO,
            pods: Vec::new(),
            ports: Vec::new(),
            host: usize::MAX,
            hostname: Name::default(),
            reserved: Vec::new(),
        };
        claim.alive.iter().for_each(|index| claim.most.raise_to(&pool.room[index]));
        claim.most_left = claim.most.clone();
        claim
    }

    /// Where topology sees it.
    pub fn place<'p>(&'p self, pool: &'p PoolTemplate) -> Place<'p> {
        Place { host: self.host, hostname: &self.hostname, taints: &pool.taints }
    }

    /// Takes a pod in.
    pub fn add(&mut self, pod: PodId, class: &Class, fit: Fit, pool: &PoolTemplate) {
        self.pods.push(pod);
        self.set = fit.set;
        let gone = self.alive.without(&fit.alive);
        self.alive = fit.alive;
        self.reserved = fit.reserved;
        self.requests.add(&class.constraints.requests);
        self.ports.extend(class.constraints.host_ports.iter().cloned());
        // Types that go have least room as a rule: then the most stays what it is.
        if gone.iter().any(|index| reaches(&pool.room[index], &self.most)) {
            self.most = Resources::ZERO;
            self.alive.iter().for_each(|index| self.most.raise_to(&pool.room[index]));
        }
        self.most_left = self.most.minus(&self.requests);
    }
}

/// Whether a room is as large as `most` in anything.
fn reaches(room: &Resources, most: &Resources) -> bool {
    most.iter().any(|(name, most)| room.get(name) >= most)
}
