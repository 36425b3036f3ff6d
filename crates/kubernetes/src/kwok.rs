//! A provider whose instances are KWOK's nodes: launching one creates a Node object, which KWOK keeps alive.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `kwok/cloudprovider/{cloudprovider,helpers}.go`, `kwok/tools/gen_instances.go`
//! and `kwok/apis/v1alpha1/labels.go`: the same 144 instance types with the same prices, labels and overhead. Of equal
//! offerings the first zone by name is taken, where upstream draws one; partitions are not drawn either.

use std::sync::Arc;

use autoscaler::capacity_errors::CapacityErrors;
use cluster::node_claim::LaunchOption;
use cluster::requirements::{Requirement, Requirements};
use cluster::{Kind, Labels, Name, NodeClaim, Resources, SelectorOperator};
use provisioning::market::{CAPACITY_TYPE, INSTANCE_TYPE, Offering, Offers, TypeOnOffer, ZONE};
use serde_json::{Value, json};

use crate::wire;

/// `spec.providerID` of its nodes.
pub const PROVIDER_PREFIX: &str = "kwok://";
/// The kind of its node classes.
pub const NODE_CLASS: &str = "KWOKNodeClass";
/// The label of a KWOK node, and the annotation.
const KWOK_NODE: &str = "kwok.x-k8s.io/node";

const GIB: i64 = 1 << 30;
const CPUS: [i64; 12] = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256];
/// Families with their memory for each CPU.
const FAMILIES: [(&str, i64); 3] = [("c", 2), ("s", 4), ("m", 8)];
const ZONES: [&str; 4] = ["test-zone-a", "test-zone-b", "test-zone-c", "test-zone-d"];
/// What is kept back of every node.
const KEPT_CPU_MILLIS: i64 = 100;
const KEPT_MEMORY_BYTES: i64 = 10 << 20;

/// The kind of its node classes, as the model has it.
pub fn node_class() -> Kind {
    Kind::from(NODE_CLASS)
}

/// What it sells.
pub fn offers() -> Arc<Offers> {
    let mut types: Vec<TypeOnOffer> = Vec::new();
    for (family, memory) in FAMILIES {
        for cpus in CPUS {
            for arch in ["amd64", "arm64"] {
                types.extend(["linux", "windows"].map(|os| on_offer(family, memory, cpus, arch, os)));
            }
        }
    }
    types.sort_by(|a, b| a.name.cmp(&b.name));
    Arc::new(Offers::new(types))
}

fn on_offer(family: &str, memory: i64, cpus: i64, arch: &str, os: &str) -> TypeOnOffer {
    let name = format!("{family}-{cpus}x-{arch}-{os}");
    let memory_bytes = cpus * memory * GIB;
    let capacity = Resources {
        cpu_millis: cpus * 1_000,
        memory_bytes,
        ephemeral_bytes: 20 * GIB,
        pods: (cpus * 16).min(1_024),
        ..Resources::ZERO
    };
    let mut allocatable = capacity.clone();
    allocatable.cpu_millis -= KEPT_CPU_MILLIS;
    allocatable.memory_bytes -= KEPT_MEMORY_BYTES;
    // 0.025 $ a CPU and 0.001 $ a billion bytes an hour; spot is 70 % of it.
    let on_demand_nano_usd = cpus * 25_000_000 + memory_bytes / 1_000;
    let offering = |zone: &str, capacity_type: &str, nano_usd: i64| Offering {
        zone: zone.into(),
        capacity_type: capacity_type.into(),
        price_micro_usd: (nano_usd + 500) / 1_000,
        available: true,
        reservation: None,
    };
    let offerings = ZONES.iter().flat_map(|zone| {
        [offering(zone, "on-demand", on_demand_nano_usd), offering(zone, "spot", on_demand_nano_usd * 7 / 10)]
    });
    let one_of = |key: &str, values: &[&str]| Requirement::new(key, SelectorOperator::In, values);
    let memory_text = memory_text(cpus * memory);
    let cpu_text = cpus.to_string();
    let requirements: Requirements = [
        one_of(INSTANCE_TYPE, &[&name]),
        one_of("kubernetes.io/arch", &[arch]),
        one_of("kubernetes.io/os", &[os]),
        one_of(ZONE, &ZONES),
        one_of(CAPACITY_TYPE, &["on-demand", "spot"]),
        one_of("karpenter.kwok.sh/instance-size", &[&cpu_text]),
        one_of("karpenter.kwok.sh/instance-family", &[family]),
        one_of("karpenter.kwok.sh/instance-cpu", &[&cpu_text]),
        one_of("karpenter.kwok.sh/instance-memory", &[&memory_text]),
    ]
    .into_iter()
    .collect();
    TypeOnOffer {
        name: Name::from(name),
        requirements: Arc::new(requirements),
        capacity,
        allocatable,
        offerings: offerings.collect(),
    }
}

fn memory_text(gib: i64) -> String {
    if gib % 1_024 == 0 { format!("{}Ti", gib / 1_024) } else { format!("{gib}Gi") }
}

/// What is launched for a claim with these requirements and requests: the cheapest type and offering that they leave and
/// that was not sold out lately.
pub fn choose<'o>(
    offers: &'o Offers,
    wanted: &Requirements,
    requests: &Resources,
    sold_out: &CapacityErrors,
) -> Option<(&'o TypeOnOffer, &'o Offering)> {
    let types = wanted.get(INSTANCE_TYPE);
    let named = |offered: &&TypeOnOffer| types.is_none_or(|types| types.has(&offered.name));
    // What KWOK's nodes do not have of themselves they are given.
    let known = |name: &str| matches!(name, "cpu" | "memory" | "pods" | "ephemeral-storage");
    let fits = |offered: &&TypeOnOffer| {
        requests.iter().all(|(name, amount)| !known(name) || amount <= offered.allocatable.get(name))
    };
    let agrees = |offered: &&TypeOnOffer| wanted.intersects(&offered.requirements);
    let all = offers.iter().filter(named).filter(agrees).filter(fits).flat_map(|offered| {
        let own = offered.offerings.iter().filter(|own| own.available && own.satisfies(wanted));
        own.map(move |offering| (offered, offering))
    });
    let gone = |(offered, own): &(&TypeOnOffer, &Offering)| {
        sold_out.covers(&LaunchOption {
            instance_type: offered.name.clone(),
            zone: own.zone.clone(),
            capacity_type: own.capacity_type.clone(),
            price_micro_usd: own.price_micro_usd,
        })
    };
    let all = all.filter(|offer| sold_out.is_empty() || !gone(offer));
    all.min_by_key(|(offered, offering)| (offering.price_micro_usd, &offered.name, &offering.zone))
}

/// The name of the node that a claim gets: one claim, one node, however often it is asked for.
pub fn node_name(claim: &str, uid: &str) -> String {
    let short: String = uid.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    format!("kwok-{claim}-{short}")
}

/// The labels that a node of this type has.
pub fn labels(offered: &TypeOnOffer, offering: &Offering, wanted: &Requirements) -> Labels {
    let single = |requirements: &Requirements| -> Labels {
        let only = requirements.iter().filter(|own| own.shape() == cluster::requirements::Shape::In);
        only.filter(|own| own.values.len() == 1).map(|own| (own.key.clone(), own.values[0].clone())).collect()
    };
    let mut labels = single(wanted);
    labels.extend(single(&offered.requirements));
    labels.insert(INSTANCE_TYPE.into(), offered.name.clone());
    labels.insert(ZONE.into(), offering.zone.clone());
    labels.insert(CAPACITY_TYPE.into(), offering.capacity_type.clone());
    labels
}

/// The Node object.
pub fn node(
    name: &str,
    claim: &NodeClaim,
    labels: &Labels,
    offered: &TypeOnOffer,
    price_micro_usd: i64,
) -> Value {
    let mut all = claim.labels.clone();
    all.extend(labels.clone());
    all.insert("kubernetes.io/hostname".into(), claim.name.clone());
    all.insert("kwok-partition".into(), "a".into());
    all.insert(KWOK_NODE.into(), "fake".into());
    let price = format!("{}.{:06}", price_micro_usd / 1_000_000, price_micro_usd % 1_000_000);
    all.insert("eks-node-viewer/instance-price".into(), price.into());
    let mut allocatable = claim.requests.clone();
    offered.allocatable.iter().for_each(|(name, amount)| allocatable.set(name, amount));
    let mut capacity = claim.requests.clone();
    offered.capacity.iter().for_each(|(name, amount)| capacity.set(name, amount));
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": wire::labels(&all), "annotations": {KWOK_NODE: "fake"}},
        "spec": {
            "providerID": format!("{PROVIDER_PREFIX}{name}"),
            "taints": [{"key": "karpenter.sh/unregistered", "effect": "NoExecute"}],
        },
        "status": {
            "capacity": wire::resources(&capacity),
            "allocatable": wire::resources(&allocatable),
            "phase": "Pending",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sells_what_upstream_s_generator_lists() {
        let offers = offers();
        assert_eq!(offers.len(), 144);
        let by_name = |name: &str| offers.iter().find(|offered| offered.name == name).unwrap();
        let small = by_name("c-1x-amd64-linux");
        // 0.027147483648 and 0.0190032385536 in its list.
        assert_eq!(small.offerings[0].price_micro_usd, 27_147);
        assert_eq!(small.offerings[1].price_micro_usd, 19_003);
        assert_eq!(small.capacity.pods, 16);
        let large = by_name("m-256x-arm64-windows");
        assert_eq!((large.capacity.memory_bytes, large.capacity.pods), (2 << 40, 1_024));
        let memory = large.requirements.get("karpenter.kwok.sh/instance-memory").unwrap();
        assert_eq!(memory.values, ["2Ti"]);
        // 8.599023255552 in its list.
        assert_eq!(large.offerings[0].price_micro_usd, 8_599_023);
    }

    #[test]
    fn a_claim_has_one_node_name() {
        assert_eq!(node_name("default-1", "ab-cd-ef-0123456789"), "kwok-default-1-abcdef0123");
    }
}
