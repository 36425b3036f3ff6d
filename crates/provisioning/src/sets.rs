//! Interned sets of requirements: thousands of claims share a few sets, so each combination is computed once.
//!
//! The host name is kept out of the sets: it is different for every node and would make every set distinct.

use std::collections::HashMap;

use cluster::requirements::{Requirement, Requirements, Shape, Undefined};

/// The label that is kept out of interned sets.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

/// An interned set of requirements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(u32);

/// The interned sets and what became of combining them.
#[derive(Debug, Default)]
pub struct Sets {
    sets: Vec<Requirements>,
    // Looked up, never iterated over.
    index: HashMap<Requirements, SetId>,
    narrowed: HashMap<(SetId, SetId, bool), Result<SetId, Clash>>,
}

/// Why two sets cannot hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clash {
    /// They never will, however the first is narrowed.
    Final,
    /// They may, once others have narrowed the first: a label that nobody has named is named then, and a label that
    /// has to exist may turn into one that some value is excluded of, which Karpenter takes for possibly absent.
    ForNow,
}

impl Sets {
    /// The id of a set.
    pub fn intern(&mut self, requirements: Requirements) -> SetId {
        if let Some(id) = self.index.get(&requirements) {
            return *id;
        }
        let id = SetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.sets.push(requirements.clone());
        self.index.insert(requirements, id);
        id
    }

    /// The set with this id.
    pub fn get(&self, id: SetId) -> &Requirements {
        &self.sets[id.0 as usize]
    }

    /// `base` narrowed by `wanted`.
    pub fn narrow(&mut self, base: SetId, wanted: SetId, undefined: Undefined) -> Result<SetId, Clash> {
        let key = (base, wanted, undefined == Undefined::WellKnownAllowed);
        if let Some(known) = self.narrowed.get(&key) {
            return *known;
        }
        let outcome = match self.get(base).compatible(self.get(wanted), undefined) {
            Ok(()) => {
                let mut both = self.get(base).clone();
                both.add_all(self.get(wanted));
                Ok(self.intern(both))
            }
            Err(refused) => {
                let exists =
                    |own: &Requirement| own.shape() == Shape::Exists && refused.wanted.allows_absence();
                let for_now = refused.offered.as_ref().is_none_or(exists);
                Err(if for_now { Clash::ForNow } else { Clash::Final })
            }
        };
        self.narrowed.insert(key, outcome);
        outcome
    }
}

/// Takes the requirement on the host name out.
pub fn split_hostname(mut requirements: Requirements) -> (Requirements, Option<Requirement>) {
    let hostname = requirements.remove(HOSTNAME);
    (requirements, hostname)
}

/// Whether a node with this host name satisfies a requirement on it.
pub fn hostname_agrees(wanted: Option<&Requirement>, hostname: &str) -> bool {
    wanted.is_none_or(|wanted| wanted.has(hostname))
}
