//! `offerings.tsv`: one line a region, the zones and which type is in which.
//!
//! `region, z or a, zone letters, type:letters …`, tab and space separated. Zones come from moto (`z`). For the
//! regions that moto lacks, cfn-lint knows the types but not the zones: three zones a, b and c are **assumed**
//! (`a`), every type in each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Zones that a region is assumed to have when nobody says.
const ASSUMED_ZONES: &str = "abc";

/// Where the types of a region can be had.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// The zones are assumed.
    pub assumed: bool,
    /// Type to the letters of its zones, sorted.
    pub types: BTreeMap<String, BTreeSet<char>>,
}

/// Every region, with the types that `known` says exist.
pub fn regions(
    moto: &[(String, Value)],
    cfn_lint: &Value,
    known: &BTreeSet<String>,
) -> Result<BTreeMap<String, Region>> {
    let mut regions = BTreeMap::new();
    for (name, rows) in moto {
        regions.insert(name.clone(), from_moto(name, rows, known)?);
    }
    for (name, entry) in cfn_lint.as_object().context("types by region are not an object")? {
        // Beside the regions there are entries that are none (`all`, `description`); they list no types of ours.
        let region = from_cfn_lint(entry, known);
        if !region.types.is_empty() && name != "all" {
            regions.entry(name.clone()).or_insert(region);
        }
    }
    Ok(regions)
}

/// The table, sorted by region and type.
pub fn table(regions: &BTreeMap<String, Region>) -> String {
    let mut table = String::new();
    for (name, region) in regions {
        let zones: BTreeSet<char> = region.types.values().flatten().copied().collect();
        let types: Vec<String> =
            region.types.iter().map(|(name, zones)| format!("{name}:{}", letters(zones))).collect();
        let kind = if region.assumed { 'a' } else { 'z' };
        table.push_str(&format!("{name}\t{kind}\t{}\t{}\n", letters(&zones), types.join(" ")));
    }
    table
}

/// A region of moto: a list of types and zones.
fn from_moto(name: &str, rows: &Value, known: &BTreeSet<String>) -> Result<Region> {
    let mut region = Region::default();
    for row in rows.as_array().context("offerings are not a list")? {
        let (Some(it), Some(zone)) = (row["InstanceType"].as_str(), row["Location"].as_str()) else {
            continue;
        };
        let letter = zone.strip_prefix(name).with_context(|| format!("{zone} is not a zone of {name}"))?;
        let mut letters = letter.chars();
        let (Some(letter), None) = (letters.next(), letters.next()) else { continue };
        ensure!(letter.is_ascii_lowercase(), "{zone} does not end in a letter");
        if known.contains(it) {
            region.types.entry(it.to_string()).or_default().insert(letter);
        }
    }
    Ok(region)
}

/// A region of cfn-lint: a list of types.
fn from_cfn_lint(entry: &Value, known: &BTreeSet<String>) -> Region {
    let names =
        entry["enum"].as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str);
    let zones: BTreeSet<char> = ASSUMED_ZONES.chars().collect();
    let types =
        names.filter(|name| known.contains(*name)).map(|name| (name.to_string(), zones.clone())).collect();
    Region { assumed: true, types }
}

/// Letters in order.
fn letters(zones: &BTreeSet<char>) -> String {
    zones.iter().collect()
}
