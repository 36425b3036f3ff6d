//! Estimating what no table has: rule 3 of [`super`].

use std::collections::BTreeMap;

use super::{AllTraits, Price, Prices, REFERENCE_REGION, Source, Traits, median};
use crate::catalog::family::{Family, size_factor, split};

/// A generation costs this much more than the one before: the median step of the c, m and r families from
/// generation 6 to 8.
const GENERATION_STEP: f64 = 1.10;

/// How many generations back a price is looked for.
const MAX_STEPS: u32 = 3;

/// The ratio assumed for regions without any price.
const UNKNOWN_REGION: f64 = 1.20;

/// How many GiB of memory cost as much as one vCPU, in the c, m and r families.
const GIB_A_VCPU: f64 = 10.0;

/// Below so many common types, a region's ratio for a category is not trusted.
const MIN_COMMON_TYPES: usize = 4;

/// Estimates prices from those that are known.
pub struct Estimator<'a> {
    traits: &'a AllTraits,
    /// Prices in the reference region, also those carried over from other regions.
    reference: Prices,
    /// Region to ratios.
    ratios: BTreeMap<&'a str, Ratios>,
    /// Suffix and the suffix without some letters to the ratio of their prices.
    suffixes: BTreeMap<(String, String), f64>,
    /// Category to the price of one unit.
    units: BTreeMap<String, f64>,
}

/// Prices of a region over those of the reference region.
struct Ratios {
    /// By category and architecture.
    by_category: BTreeMap<(String, bool), f64>,
    /// Over all types.
    overall: f64,
}

impl<'a> Estimator<'a> {
    /// Learns ratios from the repaired prices of all regions; the published `list` of the reference region is what
    /// they are applied to. Ratios never mix the two: they are of different years.
    pub fn new(
        repaired: &'a BTreeMap<String, Prices>,
        list: &BTreeMap<String, f64>,
        traits: &'a AllTraits,
    ) -> Estimator<'a> {
        let empty = Prices::new();
        let reference = repaired.get(REFERENCE_REGION).unwrap_or(&empty);
        let of_region =
            |(region, prices): (&'a String, &Prices)| (region.as_str(), ratios(prices, reference, traits));
        let mut estimator = Estimator {
            traits,
            reference: reference.clone(),
            ratios: repaired.iter().map(of_region).collect(),
            suffixes: BTreeMap::new(),
            units: BTreeMap::new(),
        };
        let published = |usd: &f64| Price { usd: *usd, source: Source::Table };
        estimator.reference.extend(list.iter().map(|(name, usd)| (name.clone(), published(usd))));
        estimator.carry_over(repaired);
        estimator.suffixes = suffix_ratios(&estimator.reference);
        estimator.units = unit_prices(&estimator.reference, traits);
        estimator
    }

    /// The estimated price of a type in a region.
    pub fn price(&self, region: &str, name: &str) -> Option<Price> {
        let usd = self.in_reference(name)? * self.ratio(region, name);
        Some(Price { usd, source: Source::Estimated })
    }

    /// Adds to the reference what only other regions have.
    fn carry_over(&mut self, known: &BTreeMap<String, Prices>) {
        for (region, prices) in known {
            for (name, price) in prices {
                if !self.reference.contains_key(name) {
                    let usd = price.usd / self.ratio(region, name);
                    self.reference.insert(name.clone(), Price { usd, source: Source::Estimated });
                }
            }
        }
    }

    /// What the region charges for a type over what the reference region charges.
    fn ratio(&self, region: &str, name: &str) -> f64 {
        let Some(ratios) = self.ratios.get(region) else { return UNKNOWN_REGION };
        ratios.by_category.get(&category_key(name, self.traits)).copied().unwrap_or(ratios.overall)
    }

    /// The price in the reference region, known or from relatives.
    fn in_reference(&self, name: &str) -> Option<f64> {
        let (family, size) = split(name);
        let known = self.reference.get(name).map(|price| price.usd);
        known
            .or_else(|| Family::parse(family).and_then(|family| self.by_relatives(&family, name, size)))
            .or_else(|| self.by_older_sibling(name))
            .or_else(|| self.by_units(name))
    }

    /// From an older generation, else from the family without its last suffix letters.
    fn by_relatives(&self, family: &Family, name: &str, size: &str) -> Option<f64> {
        if let Some(usd) = self.by_older(family, name, size) {
            return Some(usd);
        }
        let boundaries = family.suffix.char_indices().map(|(at, _)| at).rev();
        for at in boundaries {
            let base = Family { suffix: family.suffix[..at].to_string(), ..family.clone() };
            let Some(ratio) = self.suffixes.get(&(family.suffix.clone(), base.suffix.clone())) else {
                continue;
            };
            let base_price =
                self.of_size(&base.name(), name, size).or_else(|| self.by_older(&base, name, size));
            if let Some(usd) = base_price {
                return Some(usd * ratio);
            }
        }
        None
    }

    /// From the same family some generations ago, 10 % a step.
    fn by_older(&self, family: &Family, name: &str, size: &str) -> Option<f64> {
        (1..=MAX_STEPS.min(family.generation)).find_map(|steps| {
            let older = Family { generation: family.generation - steps, ..family.clone() };
            let usd = self.of_size(&older.name(), name, size)?;
            Some(usd * GENERATION_STEP.powi(i32::try_from(steps).ok()?))
        })
    }

    /// From the newest older generation of the category and architecture, whatever its suffix, in the same size;
    /// the cheapest where there are several.
    fn by_older_sibling(&self, name: &str) -> Option<f64> {
        let (family, size) = split(name);
        let family = Family::parse(family)?;
        let key = category_key(name, self.traits);
        let siblings = self.reference.iter().filter(|(other, _)| split(other).1 == size);
        let siblings = siblings.filter(|(other, _)| category_key(other, self.traits) == key);
        let older = siblings
            .filter_map(|(other, price)| Some((Family::parse(split(other).0)?.generation, price.usd)));
        let older: Vec<(u32, f64)> =
            older.filter(|(generation, _)| *generation < family.generation).collect();
        let newest = older.iter().map(|(generation, _)| *generation).max()?;
        let of_newest = older.iter().filter(|(generation, _)| *generation == newest).map(|(_, usd)| *usd);
        let steps = i32::try_from(family.generation - newest).ok()?;
        Some(of_newest.min_by(f64::total_cmp)? * GENERATION_STEP.powi(steps))
    }

    /// The price of `family` in the size of `name`: its own, else in proportion to a size that it has.
    fn of_size(&self, family: &str, name: &str, size: &str) -> Option<f64> {
        if let Some(price) = self.reference.get(&format!("{family}.{size}")) {
            return Some(price.usd);
        }
        let vcpus = self.traits.get(name)?.vcpus;
        let of_family = self.reference.iter().filter(|(other, _)| split(other).0 == family);
        let rates = of_family.filter_map(|(other, price)| Some(price.usd / size_factor(split(other).1)?));
        let rate = median(rates.collect())?;
        // Bare metal has no factor of its own; one vCPU is half of a `medium` of two, hence a factor of 1 a vCPU.
        Some(rate * size_factor(size).unwrap_or(vcpus))
    }

    /// From what a unit of the category costs.
    fn by_units(&self, name: &str) -> Option<f64> {
        let unit = self.units.get(category(name)).or_else(|| self.units.get(""))?;
        Some(unit * units(self.traits.get(name)?))
    }
}

/// Leading letters of a type's name.
fn category(name: &str) -> &str {
    &name[..name.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(name.len())]
}

/// What regional ratios are kept by.
fn category_key(name: &str, traits: &AllTraits) -> (String, bool) {
    (category(name).to_string(), traits.get(name).is_some_and(|traits| traits.arm))
}

/// How much of what is paid for a type has.
fn units(traits: &Traits) -> f64 {
    traits.vcpus * GIB_A_VCPU + traits.memory_gib + traits.device_memory_gib * GIB_A_VCPU
}

/// Median ratios of a region over the types it shares with the reference region.
fn ratios(prices: &Prices, reference: &Prices, traits: &AllTraits) -> Ratios {
    let mut groups: BTreeMap<(String, bool), Vec<f64>> = BTreeMap::new();
    for (name, price) in prices {
        if let Some(other) = reference.get(name) {
            groups.entry(category_key(name, traits)).or_default().push(price.usd / other.usd);
        }
    }
    let overall = median(groups.values().flatten().copied().collect()).unwrap_or(UNKNOWN_REGION);
    let enough = groups.into_iter().filter(|(_, ratios)| ratios.len() >= MIN_COMMON_TYPES);
    let by_category = enough.filter_map(|(key, ratios)| Some((key, median(ratios)?))).collect();
    Ratios { by_category, overall }
}

/// For every suffix and the same without its last letters: the median ratio of prices of equal generation,
/// category and size.
fn suffix_ratios(reference: &Prices) -> BTreeMap<(String, String), f64> {
    let mut found: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for (name, price) in reference {
        let (family, size) = split(name);
        let Some(family) = Family::parse(family) else { continue };
        for (at, _) in family.suffix.char_indices() {
            let base = Family { suffix: family.suffix[..at].to_string(), ..family.clone() };
            if let Some(other) = reference.get(&format!("{}.{size}", base.name())) {
                found.entry((family.suffix.clone(), base.suffix)).or_default().push(price.usd / other.usd);
            }
        }
    }
    found.into_iter().filter_map(|(key, ratios)| Some((key, median(ratios)?))).collect()
}

/// The median price of a unit by category; the empty category is all of them.
fn unit_prices(reference: &Prices, traits: &AllTraits) -> BTreeMap<String, f64> {
    let mut found: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, price) in reference {
        if let Some(traits) = traits.get(name) {
            let unit = price.usd / units(traits);
            found.entry(category(name).to_string()).or_default().push(unit);
            found.entry(String::new()).or_default().push(unit);
        }
    }
    found.into_iter().filter_map(|(key, prices)| Some((key, median(prices)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(regions: &[(&str, &[(&str, f64)])]) -> BTreeMap<String, Prices> {
        let prices = |prices: &[(&str, f64)]| {
            let price = |usd| Price { usd, source: Source::Table };
            prices.iter().map(|(name, usd)| (name.to_string(), price(*usd))).collect()
        };
        regions.iter().map(|(region, list)| (region.to_string(), prices(list))).collect()
    }

    fn traits(names: &[&str]) -> AllTraits {
        let traits = Traits { vcpus: 2.0, memory_gib: 8.0, ..Traits::default() };
        names.iter().map(|name| (name.to_string(), traits)).collect()
    }

    fn micro(known: &BTreeMap<String, Prices>, traits: &AllTraits, region: &str, name: &str) -> i64 {
        (Estimator::new(known, &BTreeMap::new(), traits).price(region, name).unwrap().usd * 1e6).round()
            as i64
    }

    #[test]
    fn other_regions_follow_their_usual_ratio() {
        let east = [
            ("m5.large", 1.0),
            ("m5.xlarge", 2.0),
            ("m6i.large", 1.0),
            ("m6i.xlarge", 2.0),
            ("m7i.large", 3.0),
        ];
        let west = [("m5.large", 1.2), ("m5.xlarge", 2.4), ("m6i.large", 1.2), ("m6i.xlarge", 2.4)];
        let known = known(&[("us-east-1", &east), ("eu-west-9", &west)]);
        let traits = traits(&["m5.large", "m5.xlarge", "m6i.large", "m6i.xlarge", "m7i.large"]);
        assert_eq!(micro(&known, &traits, "eu-west-9", "m7i.large"), 3_600_000);
        assert_eq!(micro(&known, &traits, "nowhere-1", "m7i.large"), 3_600_000);
    }

    #[test]
    fn ratios_are_applied_to_the_published_list() {
        let types = ["m5.large", "m5.xlarge", "m5.2xlarge", "m5.4xlarge"];
        let east = types.map(|name| (name, 1.0));
        let west = types.map(|name| (name, 1.5));
        let known = known(&[("us-east-1", &east), ("eu-west-9", &west)]);
        let list = BTreeMap::from([("m5.large".to_string(), 2.0), ("m5.xlarge".to_string(), 3.0)]);
        let traits = traits(&types);
        let usd = |name| Estimator::new(&known, &list, &traits).price("eu-west-9", name).unwrap().usd;
        assert_eq!((usd("m5.large"), usd("m5.xlarge"), usd("m5.2xlarge")), (3.0, 4.5, 1.5));
    }

    #[test]
    fn what_the_reference_region_lacks_comes_back_from_another() {
        let known = known(&[
            ("us-east-1", &[("m5.large", 1.0)]),
            ("eu-west-9", &[("m5.large", 2.0), ("z1d.large", 6.0)]),
        ]);
        assert_eq!(micro(&known, &traits(&["m5.large", "z1d.large"]), "us-east-1", "z1d.large"), 3_000_000);
    }

    #[test]
    fn newer_generations_cost_a_tenth_more_a_step() {
        let known = known(&[("us-east-1", &[("m7g.large", 1.0), ("m7g.xlarge", 2.0)])]);
        let traits = traits(&["m7g.large", "m7g.xlarge", "m8g.large", "m9g.2xlarge"]);
        assert_eq!(micro(&known, &traits, "us-east-1", "m8g.large"), 1_100_000);
        assert_eq!(micro(&known, &traits, "us-east-1", "m9g.2xlarge"), 4_840_000);
    }

    #[test]
    fn suffixes_cost_what_they_usually_do() {
        let known = known(&[("us-east-1", &[("c6i.large", 1.0), ("c6id.large", 1.2), ("m9i.large", 2.0)])]);
        let traits = traits(&["c6i.large", "c6id.large", "m9i.large", "m9id.large"]);
        assert_eq!(micro(&known, &traits, "us-east-1", "m9id.large"), 2_400_000);
    }

    #[test]
    fn without_relatives_the_size_of_the_category_counts() {
        let known = known(&[("us-east-1", &[("t2.nano", 9.0), ("t3.nano", 1.1), ("t3a.nano", 1.0)])]);
        let traits = traits(&["t2.nano", "t3.nano", "t3a.nano", "t5i.nano"]);
        assert_eq!(micro(&known, &traits, "us-east-1", "t5i.nano"), 1_210_000);
    }

    #[test]
    fn strangers_cost_what_a_unit_of_their_category_costs() {
        let known = known(&[("us-east-1", &[("p5.large", 3.0)])]);
        let mut traits = traits(&["p5.large", "p6-b9.xlarge"]);
        traits
            .entry("p6-b9.xlarge".to_string())
            .and_modify(|traits| (traits.vcpus, traits.memory_gib) = (4.0, 16.0));
        assert_eq!(micro(&known, &traits, "us-east-1", "p6-b9.xlarge"), 6_000_000);
    }
}
