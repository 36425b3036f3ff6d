//! NodeOverlays: other prices and more capacity for what pools can buy, as far as plans go.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodeoverlay/{controller,store}.go`,
//! `pkg/apis/v1alpha1/nodeoverlay.go` (`OrderByWeight`) and `pkg/cloudprovider/overlay`. An overlay that says the same
//! thing about the same offering as another one of its weight is left out whole, for every pool. Overlays count from
//! the start of a run on.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster::node_overlay::PriceChange;
use cluster::requirements::{Requirement, Requirements, Undefined};
use cluster::{Declared, Name, NodeOverlay, NodePool};

use super::{Market, Offers, TypeOnOffer};

impl Market {
    /// What pools can buy as Karpenter sees it under the declared overlays, with the names of those that conflict
    /// with another one. The same without the feature gate `NodeOverlay`.
    pub fn overlaid(mut self, declared: &Declared) -> (Market, Vec<Name>) {
        if !declared.karpenter.node_overlay || declared.node_overlays.is_empty() {
            return (self, Vec::new());
        }
        let mut order: Vec<&NodeOverlay> = declared.node_overlays.iter().collect();
        order.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| b.name.cmp(&a.name)));
        let mut updates: BTreeMap<Place, Update> = BTreeMap::new();
        let mut conflicting = Vec::new();
        for overlay in order {
            let chosen = self.chosen(declared, overlay);
            let conflicts = |(place, offerings): &(Place, Vec<usize>)| {
                updates.get(place).is_some_and(|update| update.conflicts(overlay, offerings))
            };
            if chosen.iter().any(conflicts) {
                conflicting.push(overlay.name.clone());
                continue;
            }
            for (place, offerings) in chosen {
                updates.entry(place).or_default().take(overlay, &offerings);
            }
        }
        self.update(&updates);
        (self, conflicting)
    }

    /// The types of pools that an overlay is about, each with those of its offerings.
    fn chosen(&self, declared: &Declared, overlay: &NodeOverlay) -> Vec<(Place, Vec<usize>)> {
        let wanted = Requirements::of_selectors(&overlay.requirements);
        let mut chosen = Vec::new();
        for (pool, (market, own)) in self.pools.iter().zip(&declared.node_pools).enumerate() {
            let base = of_pool(own);
            for (index, offered) in market.types.iter().enumerate() {
                if !selects(&wanted, &base, offered) {
                    continue;
                }
                let offerings = offered.offerings.iter().enumerate();
                let offerings: Vec<usize> = offerings
                    .filter(|(_, offering)| offering.satisfies(&wanted))
                    .map(|(offering, _)| offering)
                    .collect();
                if !offerings.is_empty() {
                    chosen.push((Place { pool, index }, offerings));
                }
            }
        }
        chosen
    }

    fn update(&mut self, updates: &BTreeMap<Place, Update>) {
        for (pool, market) in self.pools.iter_mut().enumerate() {
            let own = Place { pool, index: 0 }..=Place { pool, index: usize::MAX };
            let mut own = updates.range(own).peekable();
            if own.peek().is_none() {
                continue;
            }
            let mut types = market.types.to_vec();
            own.for_each(|(place, update)| update.apply(&mut types[place.index]));
            market.types = Arc::new(Offers::new(types));
        }
    }
}

/// A type of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    pool: usize,
    index: usize,
}

/// What overlays make of a type, heaviest first.
#[derive(Clone, Debug, Default)]
struct Update {
    /// By offering: what becomes of its price, and the weight of the last overlay that was about it.
    prices: BTreeMap<usize, (PriceChange, i32)>,
    capacity: BTreeMap<Name, i64>,
    /// The resources of the last overlay with any, and its weight.
    last: (Vec<Name>, i32),
}

impl Update {
    fn conflicts(&self, overlay: &NodeOverlay, offerings: &[usize]) -> bool {
        let priced =
            |offering: &usize| self.prices.get(offering).is_some_and(|(_, weight)| *weight == overlay.weight);
        let (last, weight) = &self.last;
        overlay.price.is_some() && offerings.iter().any(priced)
            || *weight == overlay.weight && overlay.capacity.iter().any(|(name, _)| last.contains(name))
    }

    /// What a heavier overlay said stays.
    fn take(&mut self, overlay: &NodeOverlay, offerings: &[usize]) {
        if let Some(change) = overlay.price {
            for offering in offerings {
                self.prices.entry(*offering).or_insert((change, overlay.weight)).1 = overlay.weight;
            }
        }
        if !overlay.capacity.is_empty() {
            for (name, amount) in &overlay.capacity {
                self.capacity.entry(name.clone()).or_insert(*amount);
            }
            self.last = (overlay.capacity.iter().map(|(name, _)| name.clone()).collect(), overlay.weight);
        }
    }

    fn apply(&self, offered: &mut TypeOnOffer) {
        for (offering, (change, _)) in &self.prices {
            let price = &mut offered.offerings[*offering].price_micro_usd;
            *price = change.applied(*price);
        }
        for (name, amount) in &self.capacity {
            offered.capacity.set(name, *amount);
            offered.allocatable.set(name, *amount);
        }
    }
}

/// What a pool adds to its types: its name and its labels. Its requirements do not count.
fn of_pool(pool: &NodePool) -> Requirements {
    let mut base = Requirements::of_labels(&pool.labels);
    base.add(Requirement::equal_to("karpenter.sh/nodepool", &pool.name));
    base
}

fn selects(wanted: &Requirements, base: &Requirements, offered: &TypeOnOffer) -> bool {
    let mut own = Requirements::new();
    for key in wanted.iter().map(|wanted| &wanted.key) {
        let known = [base.get(key), offered.requirements.get(key)];
        known.into_iter().flatten().for_each(|known| own.add(known.clone()));
    }
    own.compatible(wanted, Undefined::Denied).is_ok()
}

#[cfg(test)]
mod tests {
    use cluster::SelectorOperator::In;

    use super::*;
    use crate::market::{CAPACITY_TYPE, INSTANCE_TYPE};
    use crate::testing::*;

    fn overlay(name: &str, weight: i32, price: Option<PriceChange>) -> NodeOverlay {
        NodeOverlay {
            name: name.into(),
            location: location(),
            weight,
            requirements: vec![wants(CAPACITY_TYPE, In, &["spot"])],
            price,
            capacity: vec![],
        }
    }

    /// Two pools under these overlays: the market, and who conflicts.
    fn under(overlays: Vec<NodeOverlay>) -> (Market, Vec<Name>) {
        let mut fixture = Fixture::new(vec![pool("a"), pool("b")]);
        fixture.declared.karpenter.node_overlay = true;
        fixture.declared.node_overlays = overlays;
        fixture.market().overlaid(&fixture.declared)
    }

    /// Prices of the smallest type, on demand and spot, and its share of a device.
    fn of_smallest(market: &Market, pool: usize) -> (i64, i64, i64) {
        let types = &market.pools[pool].types;
        let smallest = types.iter().find(|offered| offered.name == "m.01").unwrap();
        (
            smallest.offerings[0].price_micro_usd,
            smallest.offerings[1].price_micro_usd,
            smallest.allocatable.get("fuse"),
        )
    }

    #[test]
    fn prices_change_where_the_requirements_hold() {
        let mut of_b = overlay("of-b", 0, Some(PriceChange::Percent(50_000_000)));
        of_b.requirements.push(wants("karpenter.sh/nodepool", In, &["b"]));
        let (market, conflicting) = under(vec![of_b]);
        assert_eq!(
            (of_smallest(&market, 0), of_smallest(&market, 1)),
            ((10_000, 7_000, 0), (10_000, 10_500, 0))
        );
        assert!(conflicting.is_empty());
        let mut unknown = overlay("unknown", 0, Some(PriceChange::Set(1)));
        unknown.requirements.push(wants("nobody/has", In, &["it"]));
        assert_eq!(of_smallest(&under(vec![unknown]).0, 0), (10_000, 7_000, 0));
    }

    #[test]
    fn the_heavier_one_wins_and_resources_add_up() {
        let mut heavy = overlay("heavy", 9, Some(PriceChange::Set(1)));
        heavy.capacity = vec![("fuse".into(), 5)];
        let mut light = overlay("light", 1, Some(PriceChange::Set(2)));
        light.capacity = vec![("fuse".into(), 7), ("other".into(), 3)];
        let (market, conflicting) = under(vec![heavy, light]);
        assert_eq!((of_smallest(&market, 0), conflicting), ((10_000, 1, 5), vec![]));
        assert_eq!(market.pools[0].types[0].capacity.get("other"), 3);
    }

    #[test]
    fn of_two_of_a_weight_the_later_name_wins_and_the_other_is_left_out_whole() {
        let one = |name: &str| overlay(name, 4, Some(PriceChange::Set(1)));
        let mut partial = overlay("a", 4, Some(PriceChange::Set(2)));
        partial.requirements = vec![wants(INSTANCE_TYPE, In, &["m.01"])];
        let (market, conflicting) = under(vec![partial, one("b")]);
        assert_eq!((of_smallest(&market, 0), conflicting), ((10_000, 1, 0), vec!["a".into()]));
        // What is said about different things is no conflict.
        let mut devices = overlay("c", 4, None);
        devices.capacity = vec![("fuse".into(), 5)];
        let (market, conflicting) = under(vec![one("b"), devices]);
        assert_eq!((of_smallest(&market, 0), conflicting), ((10_000, 1, 5), vec![]));
    }

    #[test]
    fn without_the_gate_nothing_changes() {
        let mut fixture = Fixture::new(vec![pool("a")]);
        fixture.declared.node_overlays = vec![overlay("a", 0, Some(PriceChange::Set(1)))];
        let (market, _) = fixture.market().overlaid(&fixture.declared);
        assert_eq!(of_smallest(&market, 0), (10_000, 7_000, 0));
    }
}
