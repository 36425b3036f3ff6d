//! `instances.tsv`: one line a type, the fields of `DescribeInstanceTypes` that decide.
//!
//! The reader is `crates/catalog/src/instance_table.rs`; [`COLUMNS`] is the header line both agree on. An empty
//! field is an absent one. Types that no Kubernetes node can be (Apple) are left out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

/// The header line.
const COLUMNS: &str = "name\tarchitectures\tvcpus\tmemory_mib\thypervisor\tflags\tusage\tmanufacturer\tclock_mhz\t\
    max_interfaces\tcard_interfaces\tipv4\tipv6\tcards\tbaseline_mbps\tpeak_mbps\tefa\tebs_attachments\tebs_limit\t\
    ebs_support\tebs_baseline_mbps\tebs_max_mbps\tstorage_gb\tstorage_nvme\tdisks\tgpus\taccelerators\tneuron\tbranches\tlabel_mbps";

/// What is known of some types only.
type Known = BTreeMap<String, u32>;

/// The whole table, sorted by name, with branch interfaces and the bandwidth that Karpenter labels nodes with.
pub fn table(types: &Value, branches: &Known, bandwidths: &Known) -> Result<String> {
    let types = types.as_object().context("instance types are not an object")?;
    let mut rows = Vec::new();
    for (name, entry) in types {
        if !texts(&entry["ProcessorInfo"]["SupportedArchitectures"]).iter().any(|arch| arch.ends_with("_mac"))
        {
            let known = |of: &Known| of.get(name).map(u32::to_string).unwrap_or_default();
            let row = row(name, entry).with_context(|| name.clone())?;
            rows.push(format!("{row}\t{}\t{}", known(branches), known(bandwidths)));
        }
    }
    rows.sort_unstable();
    Ok(format!("{COLUMNS}\n{}\n", rows.join("\n")))
}

/// Whether a Kubernetes node can be of this type.
pub fn is_usable(entry: &Value) -> bool {
    !texts(&entry["ProcessorInfo"]["SupportedArchitectures"]).iter().any(|arch| arch.ends_with("_mac"))
}

/// One type, as far as EC2 describes it.
fn row(name: &str, entry: &Value) -> Result<String> {
    let network = &entry["NetworkInfo"];
    let cards = network["NetworkCards"].as_array().context("no network cards")?;
    let default_card = usize::try_from(network["DefaultNetworkCardIndex"].as_u64().unwrap_or(0))?;
    let default_card = cards.get(default_card).context("the default network card is not listed")?;
    let storage = &entry["InstanceStorageInfo"];
    let ebs = &entry["EbsInfo"];
    let optimized = &ebs["EbsOptimizedInfo"];
    let processor = &entry["ProcessorInfo"];
    let fields = [
        name.to_string(),
        texts(&processor["SupportedArchitectures"]).join(","),
        number(&entry["VCpuInfo"]["DefaultVCpus"]),
        number(&entry["MemoryInfo"]["SizeInMiB"]),
        text(&entry["Hypervisor"]),
        flags(entry),
        usage(entry),
        text(&processor["Manufacturer"]),
        thousandths(&processor["SustainedClockSpeedInGhz"]),
        number(&network["MaximumNetworkInterfaces"]),
        number(&default_card["MaximumNetworkInterfaces"]),
        number(&network["Ipv4AddressesPerInterface"]),
        number(&network["Ipv6AddressesPerInterface"]),
        cards.len().to_string(),
        sum_of_thousandths(cards, "BaselineBandwidthInGbps"),
        sum_of_thousandths(cards, "PeakBandwidthInGbps"),
        number(&network["EfaInfo"]["MaximumEfaInterfaces"]),
        number(&ebs["MaximumEbsAttachments"]),
        initial(&ebs["AttachmentLimitType"]),
        initial(&ebs["EbsOptimizedSupport"]),
        number(&optimized["BaselineBandwidthInMbps"]),
        number(&optimized["MaximumBandwidthInMbps"]),
        number(&storage["TotalSizeInGB"]),
        initial(&storage["NvmeSupport"]),
        disks(storage),
        gpus(entry),
        accelerators(entry),
        neuron(entry),
    ];
    Ok(fields.join("\t"))
}

/// One letter a property: bare (m)etal, (b)urstable, (c)urrent generation, (e)ncryption in transit, IPv(6).
fn flags(entry: &Value) -> String {
    let network = &entry["NetworkInfo"];
    [
        ('m', &entry["BareMetal"]),
        ('b', &entry["BurstablePerformanceSupported"]),
        ('c', &entry["CurrentGeneration"]),
        ('e', &network["EncryptionInTransitSupported"]),
        ('6', &network["Ipv6Supported"]),
    ]
    .into_iter()
    .filter(|(_, value)| value.as_bool() == Some(true))
    .map(|(letter, _)| letter)
    .collect()
}

/// (o)n-demand, (s)pot, capacity (b)lock.
fn usage(entry: &Value) -> String {
    let classes = texts(&entry["SupportedUsageClasses"]);
    [("on-demand", 'o'), ("spot", 's'), ("capacity-block", 'b')]
        .into_iter()
        .filter(|(class, _)| classes.iter().any(|given| given == class))
        .map(|(_, letter)| letter)
        .collect()
}

/// Disks of the instance store.
fn disks(storage: &Value) -> String {
    let disks = storage["Disks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count: u64 = disks.iter().filter_map(|disk| disk["Count"].as_u64()).sum();
    if count == 0 { String::new() } else { count.to_string() }
}

/// `name:manufacturer:count:logical count:memory in MiB`.
fn gpus(entry: &Value) -> String {
    list(&entry["GpuInfo"]["Gpus"], |gpu| {
        let fields = [
            text(&gpu["Name"]),
            text(&gpu["Manufacturer"]),
            number(&gpu["Count"]),
            number(&gpu["LogicalGpuCount"]),
            number(&gpu["MemoryInfo"]["SizeInMiB"]),
        ];
        fields.join(":")
    })
}

/// `name:manufacturer:count` of inference accelerators.
fn accelerators(entry: &Value) -> String {
    list(&entry["InferenceAcceleratorInfo"]["Accelerators"], |accelerator| {
        [text(&accelerator["Name"]), text(&accelerator["Manufacturer"]), number(&accelerator["Count"])]
            .join(":")
    })
}

/// `name:devices:cores a device` of Neuron devices.
fn neuron(entry: &Value) -> String {
    list(&entry["NeuronInfo"]["NeuronDevices"], |device| {
        [text(&device["Name"]), number(&device["Count"]), number(&device["CoreInfo"]["Count"])].join(":")
    })
}

/// The items of a list, separated by commas.
fn list(value: &Value, item: impl Fn(&Value) -> String) -> String {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(item).collect::<Vec<_>>().join(",")
}

/// A list of strings.
fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter().filter_map(Value::as_str).collect()
}

/// A string, or nothing.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// The first letter of a string, or nothing.
fn initial(value: &Value) -> String {
    value.as_str().unwrap_or_default().chars().take(1).collect()
}

/// A whole number, or nothing.
fn number(value: &Value) -> String {
    value.as_u64().map(|number| number.to_string()).unwrap_or_default()
}

/// A decimal number in thousandths (GHz to MHz), rounded, or nothing.
fn thousandths(value: &Value) -> String {
    value.as_f64().map(|number| format!("{:.0}", number * 1000.0)).unwrap_or_default()
}

/// The sum of a decimal field over all cards, in thousandths (Gbps to Mbps).
fn sum_of_thousandths(cards: &[Value], field: &str) -> String {
    let sum: f64 = cards.iter().filter_map(|card| card[field].as_f64()).sum();
    if sum == 0.0 { String::new() } else { format!("{:.0}", sum * 1000.0) }
}
