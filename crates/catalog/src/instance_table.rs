//! Reading `data/instances.tsv.gz`, which `cargo xtask catalog` writes from moto's capture of
//! `DescribeInstanceTypes`. The column order is that of the header line; an empty field is an absent one.

use cluster::Name;

use crate::gzip;
use crate::instance_name::InstanceName;
use crate::instance_type::{Accelerator, Gpu, InstanceType, NeuronDevice, UsageClasses};

/// The embedded table.
static TABLE: &[u8] = include_bytes!("../data/instances.tsv.gz");

/// How many columns a line has.
const COLUMNS: usize = 30;

/// Every embedded type, in name order.
pub fn embedded() -> Vec<InstanceType> {
    parse(&gzip::unpack(TABLE))
}

/// The types of a table, in name order; lines that are not of the table's form are left out.
fn parse(text: &str) -> Vec<InstanceType> {
    let mut types: Vec<InstanceType> = text.lines().skip(1).filter_map(parse_line).collect();
    types.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    types
}

/// One type.
fn parse_line(line: &str) -> Option<InstanceType> {
    let mut fields = [""; COLUMNS];
    let mut columns = 0;
    for (slot, field) in fields.iter_mut().zip(line.split('\t')) {
        *slot = field;
        columns += 1;
    }
    if columns != COLUMNS {
        return None;
    }
    let name = InstanceName::parse(fields[0])?;
    let has = |letter| fields[5].contains(letter);
    let bought = |letter| fields[6].contains(letter);
    Some(InstanceType {
        name: Name::new(fields[0]),
        arch: if fields[1].contains("arm64") { "arm64" } else { "amd64" },
        supported_archs: items(fields[1]).map(Name::new).collect(),
        vcpus: number(fields[2]),
        memory_mib: number(fields[3]).into(),
        hypervisor: Name::new(fields[4]),
        bare_metal: has('m'),
        burstable: has('b'),
        current_generation: has('c'),
        encryption_in_transit: has('e'),
        ipv6: has('6'),
        usage: UsageClasses { on_demand: bought('o'), spot: bought('s'), capacity_block: bought('b') },
        cpu_manufacturer: Name::new(fields[7].to_ascii_lowercase()),
        clock_mhz: number(fields[8]),
        max_interfaces: number(fields[9]),
        default_card_interfaces: number(fields[10]),
        ipv4_per_interface: number(fields[11]),
        ipv6_per_interface: number(fields[12]),
        network_cards: number(fields[13]),
        network_baseline_mbps: number(fields[14]),
        network_peak_mbps: number(fields[15]),
        efa_interfaces: number(fields[16]),
        ebs_attachments: number(fields[17]),
        ebs_attachments_shared: fields[18] == "s",
        ebs_optimized_by_default: fields[19] == "d",
        ebs_baseline_mbps: number(fields[20]),
        ebs_max_mbps: number(fields[21]),
        local_storage_gb: number(fields[22]).into(),
        local_storage_nvme: !fields[22].is_empty() && fields[23] != "u",
        local_disks: number(fields[24]),
        gpus: items(fields[25]).filter_map(gpu).collect(),
        accelerators: items(fields[26]).filter_map(accelerator).collect(),
        neuron: items(fields[27]).filter_map(neuron).collect(),
        branch_interfaces: fields[28].parse().ok(),
        label_mbps: fields[29].parse().ok(),
        category: Name::new(name.category),
        family: Name::new(name.family),
        generation: name.generation,
        size: Name::new(name.size),
    })
}

/// `name:manufacturer:count:logical count:memory in MiB`.
fn gpu(text: &str) -> Option<Gpu> {
    let mut parts = text.split(':');
    Some(Gpu {
        name: Name::new(parts.next()?),
        manufacturer: Name::new(parts.next()?),
        count: number(parts.next()?),
        logical_count: number(parts.next()?),
        memory_mib: number(parts.next()?).into(),
    })
}

/// `name:manufacturer:count`.
fn accelerator(text: &str) -> Option<Accelerator> {
    let mut parts = text.split(':');
    let (name, manufacturer) = (Name::new(parts.next()?), Name::new(parts.next()?));
    Some(Accelerator { name, manufacturer, count: number(parts.next()?) })
}

/// `name:devices:cores a device`.
fn neuron(text: &str) -> Option<NeuronDevice> {
    let mut parts = text.split(':');
    let (name, count) = (Name::new(parts.next()?), number(parts.next()?));
    Some(NeuronDevice { name, count, cores_per_device: number(parts.next()?) })
}

/// The items of a list; none for an empty field.
fn items(field: &str) -> impl Iterator<Item = &str> {
    field.split(',').filter(|item| !item.is_empty())
}

/// A whole number; 0 for an empty field.
fn number(field: &str) -> u32 {
    field.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        let text = gzip::unpack(TABLE);
        assert_eq!(text.lines().count() - 1, embedded().len());
        assert_eq!(text.lines().next().unwrap().split('\t').count(), COLUMNS);
    }

    #[test]
    fn no_type_lacks_what_every_type_has() {
        for it in embedded() {
            assert!(it.vcpus > 0 && it.memory_mib > 0, "{}", it.name);
            assert!(it.default_card_interfaces > 0 && it.ipv4_per_interface > 0, "{}", it.name);
            assert!(it.max_interfaces >= it.default_card_interfaces, "{}", it.name);
            assert!(it.ebs_attachments > 0 && !it.cpu_manufacturer.is_empty(), "{}", it.name);
            assert!(!it.category.is_empty() && it.generation > 0, "{}", it.name);
            assert_eq!(it.hypervisor.is_empty(), it.bare_metal, "{}", it.name);
        }
    }

    #[test]
    fn malformed_lines_are_left_out() {
        assert_eq!(parse("header\nm7g.large\tarm64\n\n"), Vec::new());
    }
}
