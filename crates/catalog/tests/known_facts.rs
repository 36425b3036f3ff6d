//! Facts about EC2 that are known by hand, checked against the embedded tables: a capture gone wrong shows here.

#![allow(clippy::unwrap_used, reason = "a test")]

use catalog::{Catalog, InstanceType, branch_interfaces, max_pods};

fn named(name: &str) -> &'static InstanceType {
    Catalog::embedded().instance_type(name).unwrap()
}

#[test]
fn row_counts() {
    let types = Catalog::embedded().instance_types();
    assert_eq!(types.len(), 1386);
    let count = |holds: fn(&InstanceType) -> bool| types.iter().filter(|it| holds(it)).count();
    assert_eq!(count(|it| it.arch == "arm64"), 418);
    assert_eq!(count(|it| it.supported_archs.contains(&"x86_64".into())), 968);
    assert_eq!(count(|it| it.burstable), 28);
    assert_eq!(count(|it| it.bare_metal), 145);
    assert_eq!(count(|it| !it.gpus.is_empty()), 65);
    assert_eq!(count(|it| !it.neuron.is_empty()), 13);
    assert_eq!(count(|it| it.network_cards > 1), 71);
    assert_eq!(Catalog::embedded().region_names().count(), 38);
}

#[test]
fn interfaces_and_addresses() {
    for (name, interfaces, addresses) in [
        ("t4g.micro", 2, 2),
        ("t3a.small", 2, 4),
        ("t3.small", 3, 4),
        ("t3.medium", 3, 6),
        ("m7g.large", 3, 10),
        ("t3.large", 3, 12),
        ("m7g.xlarge", 4, 15),
        ("m6a.2xlarge", 4, 15),
        ("m6a.12xlarge", 8, 30),
        ("m4.4xlarge", 8, 30),
        ("m6i.metal", 15, 50),
        ("p5.48xlarge", 2, 50),
        ("c6in.32xlarge", 8, 50),
    ] {
        let it = named(name);
        assert_eq!((it.default_card_interfaces, it.ipv4_per_interface), (interfaces, addresses), "{name}");
    }
    assert_eq!((named("p5.48xlarge").network_cards, named("p5.48xlarge").max_interfaces), (32, 64));
    assert_eq!(named("trn1.32xlarge").max_interfaces, 40);
}

#[test]
fn hypervisors() {
    assert!(named("m5.large").is_nitro() && named("m5.metal").is_nitro());
    assert!(!named("m4.large").is_nitro());
    assert_eq!((named("m4.large").hypervisor.as_str(), named("m5.metal").hypervisor.as_str()), ("xen", ""));
}

#[test]
fn attachment_slots() {
    for (name, slots, shared) in [
        ("m5.large", 27, true),
        ("m6i.large", 27, true),
        ("m7g.large", 27, true),
        ("m7i.large", 32, false),
        ("m7a.large", 32, false),
        ("m8g.large", 32, false),
        ("g5.xlarge", 25, true),
        ("i4i.large", 26, true),
    ] {
        assert_eq!(
            (named(name).ebs_attachments, named(name).ebs_attachments_shared),
            (slots, shared),
            "{name}"
        );
    }
}

#[test]
fn sizes_and_generations() {
    let m7g = named("m7g.large");
    assert_eq!((m7g.vcpus, m7g.memory_mib, m7g.arch), (2, 8192, "arm64"));
    assert!(m7g.current_generation && !named("m5.large").current_generation);
    assert_eq!((named("p5.48xlarge").gpus[0].count, named("g6f.large").gpus[0].logical_count), (8, 1));
    assert_eq!(named("p5.48xlarge").local_storage_gb, 30_400);
    assert!(named("u-6tb1.56xlarge").usage.on_demand && !named("u-6tb1.56xlarge").usage.spot);
    assert_eq!(Catalog::embedded().instance_type("zz9.large"), None);
    assert_eq!(Catalog::embedded().instance_type("mac2.metal"), None);
}

#[test]
fn small_nodes_are_many() {
    let few = |limit| {
        let types = Catalog::embedded().instance_types().iter();
        types.filter(|it| max_pods::interface_limited(it, 0) <= limit).count()
    };
    assert_eq!((few(11), few(4)), (56, 11));
}

#[test]
fn not_every_zone_has_every_type() {
    let catalog = Catalog::embedded();
    for (region, types, everywhere) in
        [("us-east-1", 1366, 48), ("us-west-2", 1345, 1042), ("eu-west-1", 1181, 1062)]
    {
        let zones = catalog.region(region).unwrap().zones.len();
        let all = catalog.offerings(region).count();
        let complete = catalog.offerings(region).filter(|(_, offered)| offered.len() == zones).count();
        assert_eq!((all, complete), (types, everywhere), "{region}");
    }
}

#[test]
fn zones_of_regions() {
    let catalog = Catalog::embedded();
    let zones =
        |region: &str| catalog.region(region).map(|region| (region.zones.len(), region.zones_assumed));
    assert_eq!(zones("us-east-1"), Some((6, false)));
    assert_eq!(zones("us-west-2"), Some((4, false)));
    assert_eq!(zones("us-gov-west-1"), Some((3, true)));
    assert_eq!(zones("atlantis-1"), None);
    let region = catalog.region("us-west-2").unwrap();
    let m7g = catalog.index_of("m7g.large").unwrap();
    assert_eq!(region.is_offered(m7g, "us-west-2a"), Some(true));
    assert_eq!(region.is_offered(m7g, "us-west-2-lax-1a"), None);
    assert_eq!(catalog.offerings("atlantis-1").count(), 0);
}

#[test]
fn trunks() {
    let compatible = |name| branch_interfaces::is_trunking_compatible(named(name));
    assert!(compatible("m5.large") && compatible("m5.metal") && compatible("c6g.medium"));
    assert!(!compatible("t3.large") && !compatible("m4.large"));
}

/// Every offered type has a price; how sure they are is what the generator's documentation says.
#[test]
fn most_prices_of_the_reference_region_are_published() {
    let region = Catalog::embedded().region("us-east-1").unwrap();
    let sources = region.offerings.iter().filter_map(|offering| offering.on_demand).map(|price| price.source);
    let estimated = sources.filter(|source| *source == catalog::PriceSource::Estimated).count();
    assert_eq!((region.offerings.len() - estimated, estimated), (1334, 32));
}
