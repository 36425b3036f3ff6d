//! Instance types as offered to a node class, worked out once for everything that asks for the same.
//!
//! A pure cache: what an entry holds follows from its key and the catalog. All runs of one fix search share it, and
//! few of their changes touch what a node class can buy.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use catalog::KarpenterNode;
use cluster::Name;
use cluster::profile::PriceFact;

use super::{Offers, TypeOnOffer};

/// How many entries are kept; the oldest goes first. One takes a few MB.
const ENTRIES: usize = 8;

/// Offers that are known already, of one catalog. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    entries: Arc<Mutex<VecDeque<(Key, Entry)>>>,
}

type Entry = Arc<OnceLock<Arc<Offers>>>;

/// Everything besides the catalog that decides what is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The profile's region.
    pub region: Name,
    /// Zones with a subnet.
    pub zones: BTreeSet<Name>,
    /// How much room a node has.
    pub node: KarpenterNode,
    /// Prices that the user states.
    pub prices: Vec<PriceFact>,
}

impl Shelf {
    /// The offers of this key: those that are there, else what `make` makes. While they are being made, others that
    /// ask for the same wait.
    pub(super) fn take(&self, key: Key, make: impl FnOnce(&Key) -> Vec<TypeOnOffer>) -> Arc<Offers> {
        let entry = self.entry(&key);
        Arc::clone(entry.get_or_init(|| Arc::new(Offers::new(make(&key)))))
    }

    fn entry(&self, key: &Key) -> Entry {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entry)) = entries.iter().find(|(known, _)| known == key) {
            return Arc::clone(entry);
        }
        if entries.len() >= ENTRIES {
            entries.pop_front();
        }
        let entry = Entry::default();
        entries.push_back((key.clone(), Arc::clone(&entry)));
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(region: &str) -> Key {
        Key {
            region: region.into(),
            zones: BTreeSet::new(),
            node: KarpenterNode::default(),
            prices: Vec::new(),
        }
    }

    #[test]
    fn made_once_a_key() {
        let shelf = Shelf::default();
        let offered = crate::testing::instance_type("m7g.large", "arm64", 2);
        let first = shelf.take(key("us-west-2"), |_| vec![offered]);
        let again = shelf.clone().take(key("us-west-2"), |_| Vec::new());
        assert!(Arc::ptr_eq(&first, &again));
        assert!(shelf.take(key("eu-west-1"), |_| Vec::new()).is_empty());
    }

    #[test]
    fn the_oldest_goes_first() {
        let shelf = Shelf::default();
        let first = shelf.take(key("0"), |_| Vec::new());
        for region in 1..=ENTRIES {
            shelf.take(key(&region.to_string()), |_| Vec::new());
        }
        assert!(!Arc::ptr_eq(&first, &shelf.take(key("0"), |_| Vec::new())));
    }
}
