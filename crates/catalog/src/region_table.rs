//! Reading `data/offerings.tsv.gz` and `data/prices.tsv.gz`: one line a region, decoded only for the regions that
//! are asked for. `cargo xtask catalog` writes both, sorted by name.

use std::sync::OnceLock;

use cluster::Name;

use crate::gzip;
use crate::instance_type::InstanceType;
use crate::price::{Price, PriceSource};
use crate::region::{Offering, Region};

/// Region, `z` or `a` (zones assumed), zone letters, `type:letters …`.
static OFFERINGS: &[u8] = include_bytes!("../data/offerings.tsv.gz");

/// Region, `type:micro-dollars-and-source …`.
static PRICES: &[u8] = include_bytes!("../data/prices.tsv.gz");

/// A region that is decoded when it is first asked for.
#[derive(Clone, Debug, Default)]
pub struct LazyRegion {
    name: Name,
    offerings: Box<str>,
    prices: Box<str>,
    decoded: OnceLock<Region>,
}

/// Every embedded region, in name order, undecoded.
pub fn embedded() -> Vec<LazyRegion> {
    let (offerings, prices) = (gzip::unpack(OFFERINGS), gzip::unpack(PRICES));
    let prices_of = |region: &str| {
        let line = prices.lines().find_map(|line| line.split_once('\t').filter(|(name, _)| *name == region));
        line.map_or("", |(_, cells)| cells)
    };
    let lines = offerings.lines().filter_map(|line| line.split_once('\t'));
    lines
        .map(|(name, rest)| LazyRegion {
            name: Name::new(name),
            offerings: rest.into(),
            prices: prices_of(name).into(),
            decoded: OnceLock::new(),
        })
        .collect()
}

impl LazyRegion {
    /// A region that needs no decoding.
    pub fn of(region: Region) -> LazyRegion {
        let name = region.name.clone();
        LazyRegion { name, decoded: OnceLock::from(region), ..LazyRegion::default() }
    }

    /// `us-west-2`.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The region, decoded once.
    pub fn region(&self, types: &[InstanceType]) -> &Region {
        self.decoded.get_or_init(|| decode(&self.name, &self.offerings, &self.prices, types))
    }
}

/// Decodes one region's lines against the types, all of which are in name order.
fn decode(name: &Name, offerings: &str, prices: &str, types: &[InstanceType]) -> Region {
    let mut fields = offerings.split('\t');
    let (kind, letters, cells) = (fields.next(), fields.next().unwrap_or(""), fields.next().unwrap_or(""));
    let zones = letters.chars().map(|letter| Name::from(format!("{name}{letter}"))).collect();
    let mut prices = Cells::new(prices);
    let mut offered = Cells::new(cells);
    let offerings = (0u32..).zip(types).filter_map(|(type_index, it)| {
        let mask = offered.of(&it.name)?.chars().filter_map(|letter| letters.find(letter));
        let zones = mask.filter(|bit| *bit < 16).fold(0u16, |mask, bit| mask | 1 << bit);
        Some(Offering { type_index, zones, on_demand: prices.of(&it.name).and_then(price) })
    });
    Region { name: name.clone(), zones, zones_assumed: kind == Some("a"), offerings: offerings.collect() }
}

/// `96000t`.
fn price(cell: &str) -> Option<Price> {
    let (number, letter) = cell.split_at_checked(cell.len().checked_sub(1)?)?;
    let source = match letter {
        "t" => PriceSource::Table,
        "r" => PriceSource::Repaired,
        _ => PriceSource::Estimated,
    };
    Some(Price { micro_usd: number.parse().ok()?, source })
}

/// Walks `name:value` cells that are in the same order as the names asked for.
struct Cells<'a> {
    rest: std::iter::Peekable<std::str::Split<'a, char>>,
}

impl<'a> Cells<'a> {
    fn new(cells: &'a str) -> Cells<'a> {
        Cells { rest: cells.split(' ').peekable() }
    }

    /// The value of `name`; earlier names are skipped.
    fn of(&mut self, name: &str) -> Option<&'a str> {
        while let Some((cell, value)) =
            self.rest.peek().map(|cell| cell.split_once(':').unwrap_or((cell, "")))
        {
            match cell.cmp(name) {
                std::cmp::Ordering::Less => self.rest.next(),
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Greater => return None,
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    #[test]
    fn every_cell_is_read() {
        let types = Catalog::embedded().instance_types();
        for lazy in embedded() {
            let cells = lazy.offerings.split('\t').nth(2).unwrap().split(' ').count();
            let region = lazy.region(types);
            assert_eq!(region.offerings.len(), cells, "{}", lazy.name());
            assert_eq!(lazy.prices.split(' ').count(), cells, "{}", lazy.name());
            for offering in &region.offerings {
                let name = &types[offering.type_index as usize].name;
                assert!(
                    offering.zones > 0 && offering.on_demand.unwrap().micro_usd > 0,
                    "{} {name}",
                    lazy.name()
                );
            }
        }
    }

    #[test]
    fn the_type_zone_rows_are_all_there() {
        let types = Catalog::embedded().instance_types();
        let measured: Vec<u32> = embedded()
            .iter()
            .map(|lazy| lazy.region(types))
            .filter(|region| !region.zones_assumed)
            .map(|region| region.offerings.iter().map(|offering| offering.zones.count_ones()).sum())
            .collect();
        assert_eq!(measured.len(), 30);
        // moto's 64,394 rows without the 110 of Apple types.
        assert_eq!(measured.iter().sum::<u32>(), 64_284);
    }
}
