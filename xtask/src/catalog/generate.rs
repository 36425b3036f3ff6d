//! From packages to tables: reads the inputs, hands them to the table modules, writes what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::inputs::{self, Inputs};
use super::prices::{AllTraits, RawTable, Traits};
use super::{go_source, instances, offerings, output, prices};

/// Downloads the inputs and writes every table under `crates/catalog/data` of the repository at `root`.
pub fn regenerate(root: &Path) -> Result<()> {
    let inputs = inputs::fetch(&root.join("target/catalog-inputs"))?;
    let data = root.join("crates/catalog/data");
    let branches = go_source::branch_interfaces(&inputs.branch_limits);
    let bandwidths = go_source::bandwidths(&inputs.bandwidths);
    output::write(
        &data.join("instances.tsv.gz"),
        &instances::table(&inputs.instance_types, &branches, &bandwidths)?,
    )?;
    let published = go_source::max_pods(&inputs.max_pods);
    output::write_plain(&root.join("crates/catalog/tests/data/eni-max-pods.tsv"), &published)?;
    let traits = traits(&inputs.instance_types)?;
    let known: BTreeSet<String> = traits.keys().cloned().collect();
    let regions = offerings::regions(&inputs.offerings, &inputs.types_by_region, &known)?;
    output::write(&data.join("offerings.tsv.gz"), &offerings::table(&regions))?;
    let types_of = |region: &offerings::Region| region.types.keys().cloned().collect();
    let offered = regions.iter().map(|(name, region)| (name.clone(), types_of(region))).collect();
    let listed = inputs.listed_prices.iter().flat_map(|source| go_source::prices(source)).collect();
    let all = prices::prices(&raw_tables(&inputs)?, &listed, &traits, &offered);
    output::write(&data.join("prices.tsv.gz"), &prices::table(&all))
}

/// What prices depend on, type by type.
fn traits(types: &Value) -> Result<AllTraits> {
    let mut all = AllTraits::new();
    for (name, entry) in types.as_object().context("instance types are not an object")? {
        if instances::is_usable(entry) {
            let devices = device_memory_mib(&entry["GpuInfo"]["Gpus"])
                + device_memory_mib(&entry["NeuronInfo"]["NeuronDevices"]);
            let traits = Traits {
                vcpus: entry["VCpuInfo"]["DefaultVCpus"].as_f64().unwrap_or(0.0),
                memory_gib: entry["MemoryInfo"]["SizeInMiB"].as_f64().unwrap_or(0.0) / 1024.0,
                device_memory_gib: devices / 1024.0,
                arm: entry["ProcessorInfo"]["SupportedArchitectures"][0] == "arm64",
            };
            all.insert(name.clone(), traits);
        }
    }
    Ok(all)
}

/// Memory of all devices of a list; a fraction of a GPU counts as what it has.
fn device_memory_mib(devices: &Value) -> f64 {
    let of_one = |device: &Value| device["MemoryInfo"]["SizeInMiB"].as_f64().unwrap_or(0.0);
    let count = |device: &Value| device["Count"].as_f64().unwrap_or(0.0).max(1.0);
    devices
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|device| of_one(device) * count(device))
        .sum()
}

/// The price tables, newest first.
fn raw_tables(inputs: &Inputs) -> Result<Vec<RawTable>> {
    inputs.prices.iter().map(raw_table).collect()
}

/// One price table.
fn raw_table(prices: &Value) -> Result<RawTable> {
    let mut table = RawTable::new();
    for (name, regions) in prices.as_object().context("prices are not an object")? {
        let regions = regions.as_object().into_iter().flatten();
        let cells: BTreeMap<String, f64> =
            regions.filter_map(|(region, price)| Some((region.clone(), number(price)?))).collect();
        table.insert(name.clone(), cells);
    }
    Ok(table)
}

/// A price, written as a number or as text.
fn number(price: &Value) -> Option<f64> {
    price.as_f64().or_else(|| price.as_str()?.parse().ok())
}
