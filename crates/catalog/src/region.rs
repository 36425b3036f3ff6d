//! A region: its zones, which type is offered where, and for how much on demand. Plain values.

use cluster::Name;

use crate::price::Price;

/// A region with its zones and offerings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// `us-west-2`.
    pub name: Name,
    /// Zone names, in order; at most 16.
    pub zones: Vec<Name>,
    /// No table has this region's zones: three, with every type in each, are assumed.
    pub zones_assumed: bool,
    /// What is offered, in the order of [`crate::Catalog::instance_types`].
    pub offerings: Vec<Offering>,
}

/// One type in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offering {
    /// The type's position in [`crate::Catalog::instance_types`].
    pub type_index: u32,
    /// Bit N: offered in zone N of [`Region::zones`].
    pub zones: u16,
    /// The on-demand price; `None` when nobody knows one.
    pub on_demand: Option<Price>,
}

impl Region {
    /// The offering of the type at this position.
    pub fn offering(&self, type_index: usize) -> Option<&Offering> {
        let key = u32::try_from(type_index).ok()?;
        let found = self.offerings.binary_search_by_key(&key, |offering| offering.type_index).ok()?;
        self.offerings.get(found)
    }

    /// The zones that have the type at this position.
    pub fn zones_of(&self, type_index: usize) -> impl Iterator<Item = &Name> {
        let mask = self.offering(type_index).map_or(0, |offering| offering.zones);
        self.zones.iter().enumerate().filter(move |(bit, _)| mask >> bit & 1 == 1).map(|(_, zone)| zone)
    }

    /// Whether a zone has the type at this position; `None` for a zone that the tables do not know.
    pub fn is_offered(&self, type_index: usize, zone: &str) -> Option<bool> {
        let bit = self.zones.iter().position(|name| name == zone)?;
        Some(self.offering(type_index).is_some_and(|offering| offering.zones >> bit & 1 == 1))
    }
}
