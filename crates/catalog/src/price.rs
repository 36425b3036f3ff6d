//! Prices, each with where it comes from.
//!
//! On-demand prices are those of the embedded table (Linux; us-east-1 and the US government regions as in the list
//! that Karpenter starts with, the others repaired and estimated by the rules in `xtask/src/catalog/prices.rs`). There is no public table of spot prices: spot is
//! **assumed** to be 40 % of on-demand until somebody says otherwise. (Karpenter assumes 100 % until its first
//! update.) What the user states wins over everything.

use cluster::profile::PriceFact;

use crate::{Catalog, InstanceType, region::Region};

/// The assumed spot price, in thousandths of the on-demand price.
pub const ASSUMED_SPOT_PERMILLE: i64 = 400;

/// What Karpenter divides the on-demand price of a paid reservation by, so that it comes first.
const RESERVED_DIVISOR: i64 = 10_000_000;

/// A price for an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Millionths of a US dollar an hour.
    pub micro_usd: i64,
    /// Where it comes from.
    pub source: PriceSource,
}

/// Where a price comes from, from the surest to the least sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PriceSource {
    /// The user stated it.
    Given,
    /// As published.
    Table,
    /// Published wrongly, put right by the other sizes of the family.
    Repaired,
    /// From relatives, other regions, or the assumed share of spot. Reports say so.
    Estimated,
}

/// The prices of one region, with what the user states.
#[derive(Clone, Debug)]
pub struct Prices<'a> {
    catalog: &'a Catalog,
    region: Option<&'a Region>,
    facts: &'a [PriceFact],
}

impl<'a> Prices<'a> {
    /// Prices of a region; a region that the tables do not know has only stated prices.
    pub fn new(catalog: &'a Catalog, region: &str, facts: &'a [PriceFact]) -> Prices<'a> {
        Prices { catalog, region: catalog.region(region), facts }
    }

    /// What a node of this type costs in a zone, bought as `capacity_type` (`on-demand`, `spot`, `reserved`).
    /// `None`: it is not sold so, or nobody knows the price.
    pub fn price(&self, it: &InstanceType, zone: &str, capacity_type: &str) -> Option<Price> {
        if let Some(price) = self.stated(it, zone, capacity_type) {
            return Some(price);
        }
        let on_demand = || self.stated(it, zone, "on-demand").or_else(|| self.on_demand(it));
        match capacity_type {
            "on-demand" if it.usage.on_demand => on_demand(),
            "spot" if it.usage.spot => on_demand().map(assumed_spot),
            "reserved" => on_demand().map(reserved),
            _ => None,
        }
    }

    /// What the tables say.
    fn on_demand(&self, it: &InstanceType) -> Option<Price> {
        self.region?.offering(self.catalog.index_of(&it.name)?)?.on_demand
    }

    /// What the user states: a price for the zone wins over one for all zones, a later one over an earlier.
    fn stated(&self, it: &InstanceType, zone: &str, capacity_type: &str) -> Option<Price> {
        let about = |fact: &&PriceFact| fact.instance_type == it.name && fact.capacity_type == capacity_type;
        let of_zone = |zone: &str| self.facts.iter().rev().filter(about).find(|fact| fact.zone == zone);
        let fact = of_zone(zone).or_else(|| of_zone(""))?;
        Some(Price { micro_usd: fact.price_micro_usd, source: PriceSource::Given })
    }
}

/// Spot at the assumed share.
fn assumed_spot(on_demand: Price) -> Price {
    let micro_usd = on_demand.micro_usd.saturating_mul(ASSUMED_SPOT_PERMILLE) / 1000;
    Price { micro_usd, source: PriceSource::Estimated }
}

/// A reservation is paid for already.
fn reserved(on_demand: Price) -> Price {
    Price { micro_usd: on_demand.micro_usd / RESERVED_DIVISOR, ..on_demand }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        region: &str,
        facts: &[PriceFact],
        name: &str,
        zone: &str,
        capacity_type: &str,
    ) -> Option<(i64, PriceSource)> {
        let catalog = Catalog::embedded();
        let it = catalog.instance_type(name)?;
        let price = Prices::new(catalog, region, facts).price(it, zone, capacity_type)?;
        Some((price.micro_usd, price.source))
    }

    fn fact(zone: &str, capacity_type: &str, price_micro_usd: i64) -> PriceFact {
        let capacity_type = capacity_type.into();
        PriceFact { instance_type: "m7g.large".into(), zone: zone.into(), capacity_type, price_micro_usd }
    }

    #[test]
    fn published_prices() {
        for (region, name, micro_usd) in [
            ("us-east-1", "m5.large", 96_000),
            ("us-west-2", "m5.large", 96_000),
            ("us-east-1", "m7g.large", 81_600),
            ("us-east-1", "t3.medium", 41_600),
            ("us-east-1", "c6i.large", 85_000),
            ("us-east-1", "r6g.large", 100_800),
            ("us-east-1", "m6g.metal", 2_611_200),
            ("us-east-1", "m8g.large", 89_760),
            ("us-east-1", "p5.48xlarge", 55_040_000),
            ("us-east-1", "t4g.nano", 4_200),
            ("eu-west-1", "m5.large", 107_000),
            ("eu-central-1", "m5.large", 115_000),
            ("sa-east-1", "m5.large", 153_000),
        ] {
            let (found, source) = ask(region, &[], name, "", "on-demand").unwrap();
            assert_eq!(found, micro_usd, "{region} {name}");
            assert!(source < PriceSource::Estimated, "{region} {name}");
        }
    }

    #[test]
    fn spot_is_assumed_and_says_so() {
        assert_eq!(
            ask("us-west-2", &[], "m5.large", "us-west-2a", "spot"),
            Some((38_400, PriceSource::Estimated))
        );
        assert_eq!(ask("us-west-2", &[], "m5.large", "us-west-2a", "reserved").map(|price| price.0), Some(0));
    }

    #[test]
    fn what_is_not_sold_has_no_price() {
        assert_eq!(ask("us-east-1", &[], "u-6tb1.56xlarge", "", "spot"), None);
        assert_eq!(ask("us-west-2", &[], "m5.large", "", "capacity-block"), None);
        assert_eq!(ask("atlantis-1", &[], "m5.large", "", "on-demand"), None);
    }

    #[test]
    fn stated_prices_win() {
        let facts = [fact("", "spot", 30_000), fact("us-west-2a", "spot", 31_000)];
        let spot = |zone| ask("us-west-2", &facts, "m7g.large", zone, "spot");
        assert_eq!(spot("us-west-2a"), Some((31_000, PriceSource::Given)));
        assert_eq!(spot("us-west-2b"), Some((30_000, PriceSource::Given)));
        assert_eq!(
            ask("us-west-2", &facts, "m7g.large", "", "on-demand"),
            Some((81_600, PriceSource::Table))
        );
        let facts = [fact("", "on-demand", 50_000)];
        assert_eq!(
            ask("atlantis-1", &facts, "m7g.large", "", "spot"),
            Some((20_000, PriceSource::Estimated))
        );
    }
}
