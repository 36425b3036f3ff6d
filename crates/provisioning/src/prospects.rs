//! What a class makes of places that require the same: worked out once, as long as the counts of its rules stay.
//!
//! Thousands of claims share a few sets of requirements. What differs between claims with the same set (their pods,
//! their host names, their ports) is not in here: that is [`crate::claim`]'s.

use std::collections::BTreeMap;
use std::rc::Rc;

use cluster::requirements::Undefined;

use crate::bits::Bits;
use crate::claim::{CompatibleTypes, Misfit};
use crate::class::{Class, ClassId};
use crate::daemons::all_tolerated;
use crate::pool::PoolTemplate;
use crate::sets::{SetId, Sets};
use crate::topology::Topology;

/// What a class makes of sets of requirements.
#[derive(Debug, Default)]
pub struct Prospects {
    version: u64,
    claims: BTreeMap<(usize, SetId), Result<Prospect, Misfit>>,
    nodes: BTreeMap<SetId, Result<SetId, Misfit>>,
}

/// A set of requirements that a class can join.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// What it narrows them to.
    pub set: SetId,
    /// Types that agree with that.
    pub types: Rc<Bits>,
    /// What it means when none of them has room.
    pub full: Misfit,
}

/// What working out needs.
#[derive(Debug)]
pub struct Study<'a> {
    /// The class.
    pub id: ClassId,
    /// The same.
    pub class: &'a Class,
    /// Interned sets.
    pub sets: &'a mut Sets,
    /// Compatible types by set.
    pub types: &'a mut CompatibleTypes,
    /// The rules.
    pub topology: &'a Topology,
}

impl Prospects {
    /// Forgets what no longer holds; `version` is [`Topology::version`].
    pub fn renew(&mut self, version: u64) {
        if self.version != version {
            self.version = version;
            self.claims.clear();
            self.nodes.clear();
        }
    }

    /// Of claims of a template with these requirements; volumes apart.
    pub fn of_claim(
        &mut self,
        study: &mut Study<'_>,
        template: usize,
        pool: &PoolTemplate,
        set: SetId,
    ) -> Result<Prospect, Misfit> {
        let known = self.claims.entry((template, set));
        known.or_insert_with(|| study.claim(template, pool, set)).clone()
    }

    /// Of nodes with these labels; volumes apart.
    pub fn of_node(&mut self, study: &mut Study<'_>, set: SetId) -> Result<SetId, Misfit> {
        *self.nodes.entry(set).or_insert_with(|| {
            let set = study.sets.narrow(set, study.class.wanted, Undefined::Denied)?;
            study.node_in_domain(set)
        })
    }
}

impl Study<'_> {
    fn claim(&mut self, template: usize, pool: &PoolTemplate, set: SetId) -> Result<Prospect, Misfit> {
        if !all_tolerated(&pool.taints, &self.class.constraints.tolerations) {
            return Err(Misfit::Never);
        }
        let set = self.sets.narrow(set, self.class.wanted, Undefined::WellKnownAllowed)?;
        self.claim_in_domain(template, pool, set)
    }

    /// What the class's rules leave of a claim with these requirements.
    pub fn claim_in_domain(
        &mut self,
        template: usize,
        pool: &PoolTemplate,
        set: SetId,
    ) -> Result<Prospect, Misfit> {
        let (set, narrowed) = self.in_domain(set, Undefined::WellKnownAllowed)?;
        // Another domain may be allowed later.
        let full = if self.class.is_plain && !narrowed { Misfit::Never } else { Misfit::NotNow };
        Ok(Prospect { set, types: self.types.of(template, pool, set, self.sets), full })
    }

    /// What they leave of a node.
    pub fn node_in_domain(&mut self, set: SetId) -> Result<SetId, Misfit> {
        self.in_domain(set, Undefined::Denied).map(|(set, _)| set)
    }

    fn in_domain(&mut self, set: SetId, undefined: Undefined) -> Result<(SetId, bool), Misfit> {
        if !self.topology.binds(self.id) {
            return Ok((set, false));
        }
        let narrowing = self.topology.domains_left(self.id, self.class, self.sets.get(set))?;
        if narrowing.is_empty() {
            return Ok((set, false));
        }
        let narrowing = self.sets.intern(narrowing);
        let narrowed = self.sets.narrow(set, narrowing, undefined).map_err(|_| Misfit::NotNow)?;
        Ok((narrowed, true))
    }
}
