//! Repairing the raw prices of one region: rule 1 of [`super`].

use std::collections::BTreeMap;

use super::{AllTraits, Price, Prices, RawTable, Source};
use crate::catalog::family::{size_factor, split};

/// Two rates are the same within this.
const TOLERANCE: f64 = 0.006;

/// How many values, and which share of all, must have a rate before it is believed.
const QUORUM: (usize, f64) = (2, 0.25);

/// Families whose price is not linear in size: the lowest value is taken as it is.
const NOT_LINEAR: [&str; 14] =
    ["g4dn", "g5", "g5g", "g6", "g6e", "g6f", "gr6", "gr6f", "inf1", "inf2", "hpc7g", "p5", "x8i", "h1"];

/// Whether the sizes of a family cost in proportion to their size.
pub fn is_linear(family: &str) -> bool {
    !NOT_LINEAR.contains(&family) && !family.starts_with("u-")
}

/// One raw value: which table (0 is the newest), and US dollars an hour.
type Value = (usize, f64);

/// The repaired prices of a region, for types that exist.
pub fn region(raw: &[RawTable], traits: &AllTraits, region: &str) -> Prices {
    let mut families: BTreeMap<&str, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
    for (table, prices) in raw.iter().enumerate() {
        for (name, regions) in prices {
            let usd = regions.get(region).copied().unwrap_or(0.0);
            if usd > 0.0 {
                let (family, _) = split(name);
                families.entry(family).or_default().entry(name.as_str()).or_default().push((table, usd));
            }
        }
    }
    let mut prices = Prices::new();
    for (family, values) in &families {
        let siblings = siblings(traits, family);
        let rate = if is_linear(family) { shared_rate(values, &siblings) } else { None };
        for (name, factor) in &siblings {
            let values = values.get(name).map(Vec::as_slice).unwrap_or_default();
            if let Some(price) = one(values, rate.zip(*factor)) {
                prices.insert((*name).to_string(), price);
            }
        }
    }
    prices
}

/// The types of a family that exist, each with its size factor; bare metal has that of the size with as many
/// vCPUs, where there is one.
pub fn siblings<'a>(traits: &'a AllTraits, family: &str) -> BTreeMap<&'a str, Option<f64>> {
    let of_family = || traits.iter().filter(|(name, _)| split(name).0 == family);
    of_family()
        .map(|(name, own)| {
            let same_vcpus = || of_family().filter(|(_, other)| other.vcpus == own.vcpus);
            let factor = size_factor(split(name).1)
                .or_else(|| same_vcpus().find_map(|(other, _)| size_factor(split(other).1)));
            (name.as_str(), factor)
        })
        .collect()
}

/// The lowest rate (price of a `medium`) that a quorum of all values shares.
fn shared_rate(values: &BTreeMap<&str, Vec<Value>>, siblings: &BTreeMap<&str, Option<f64>>) -> Option<f64> {
    let factor = |name: &str| siblings.get(name).copied().flatten().or_else(|| size_factor(split(name).1));
    let mut rates: Vec<f64> = values
        .iter()
        .filter_map(|(name, values)| {
            factor(name).map(|factor| values.iter().map(move |(_, usd)| usd / factor))
        })
        .flatten()
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    let needed = QUORUM.0.max((rates.len() as f64 * QUORUM.1).ceil() as usize);
    let sharing = |rate: f64| rates.iter().filter(|other| (**other / rate - 1.0).abs() <= TOLERANCE).count();
    rates.iter().copied().find(|rate| sharing(*rate) >= needed)
}

/// The price of one type: the newest value that agrees with the shared rate, else the rate itself, else (without
/// a rate) the lowest value.
fn one(values: &[Value], rate_and_factor: Option<(f64, f64)>) -> Option<Price> {
    let Some((rate, factor)) = rate_and_factor else {
        let lowest = values.iter().map(|(_, usd)| *usd).min_by(f64::total_cmp)?;
        return Some(Price { usd: lowest, source: Source::Repaired });
    };
    let linear = rate * factor;
    let agreeing = values.iter().find(|(_, usd)| (usd / linear - 1.0).abs() <= TOLERANCE);
    Some(match agreeing {
        Some((0, usd)) => Price { usd: *usd, source: Source::Table },
        Some((_, usd)) => Price { usd: *usd, source: Source::Repaired },
        None => Price { usd: linear, source: Source::Repaired },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Traits;
    use super::*;

    fn tables(tables: &[&[(&str, f64)]]) -> Vec<RawTable> {
        let table = |values: &&[(&str, f64)]| {
            values
                .iter()
                .map(|(name, usd)| (name.to_string(), BTreeMap::from([("r".to_string(), *usd)])))
                .collect()
        };
        tables.iter().map(table).collect()
    }

    fn traits(types: &[(&str, f64)]) -> AllTraits {
        types
            .iter()
            .map(|(name, vcpus)| (name.to_string(), Traits { vcpus: *vcpus, ..Traits::default() }))
            .collect()
    }

    fn price(prices: &Prices, name: &str) -> (i64, Source) {
        ((prices[name].usd * 1e6).round() as i64, prices[name].source)
    }

    #[test]
    fn dedicated_prices_and_zeros_are_replaced() {
        let raw = tables(&[
            &[("m5.large", 0.102), ("m5.xlarge", 0.192), ("m5.2xlarge", 0.0), ("m5.4xlarge", 0.768)],
            &[("m5.large", 0.096), ("m5.2xlarge", 0.408)],
        ]);
        let traits = traits(&[
            ("m5.large", 2.0),
            ("m5.xlarge", 4.0),
            ("m5.2xlarge", 8.0),
            ("m5.4xlarge", 16.0),
            ("m5.24xlarge", 96.0),
            ("m5.metal", 96.0),
        ]);
        let prices = region(&raw, &traits, "r");
        assert_eq!(price(&prices, "m5.large"), (96_000, Source::Repaired));
        assert_eq!(price(&prices, "m5.xlarge"), (192_000, Source::Table));
        assert_eq!(price(&prices, "m5.2xlarge"), (384_000, Source::Repaired));
        assert_eq!(price(&prices, "m5.4xlarge"), (768_000, Source::Table));
        assert_eq!(price(&prices, "m5.24xlarge"), (4_608_000, Source::Repaired));
        assert_eq!(price(&prices, "m5.metal"), (4_608_000, Source::Repaired));
    }

    #[test]
    fn a_lone_low_value_is_not_believed() {
        let raw = tables(&[&[("m5.large", 0.05), ("m5.xlarge", 0.192), ("m5.2xlarge", 0.384)]]);
        let traits = traits(&[("m5.large", 2.0), ("m5.xlarge", 4.0), ("m5.2xlarge", 8.0)]);
        assert_eq!(price(&region(&raw, &traits, "r"), "m5.large"), (96_000, Source::Repaired));
    }

    #[test]
    fn families_that_are_not_linear_keep_their_lowest_values() {
        let raw = tables(&[&[("g5.xlarge", 1.006), ("g5.2xlarge", 1.3)], &[("g5.2xlarge", 1.212)]]);
        let traits = traits(&[("g5.xlarge", 4.0), ("g5.2xlarge", 8.0), ("g5.4xlarge", 16.0)]);
        let prices = region(&raw, &traits, "r");
        assert_eq!(price(&prices, "g5.xlarge"), (1_006_000, Source::Repaired));
        assert_eq!(price(&prices, "g5.2xlarge"), (1_212_000, Source::Repaired));
        assert!(!prices.contains_key("g5.4xlarge"));
    }

    #[test]
    fn without_a_shared_rate_each_value_stands_for_itself() {
        let raw = tables(&[&[("z9.large", 1.0), ("z9.xlarge", 3.0)]]);
        let prices =
            region(&raw, &traits(&[("z9.large", 2.0), ("z9.xlarge", 4.0), ("z9.2xlarge", 8.0)]), "r");
        assert_eq!(price(&prices, "z9.xlarge"), (3_000_000, Source::Repaired));
        assert!(!prices.contains_key("z9.2xlarge"));
    }
}
