//! Instance types with their offerings.

use serde_json::{Value, json};

use super::{Draw, Feature, ZONES};

/// What the rest of an input needs to know of an instance type.
#[derive(Clone, Debug)]
pub struct TypeSpec {
    /// `m.02`.
    pub name: String,
    /// Thousandths of a core, capacity and allocatable.
    pub cpu: (i64, i64),
    /// MiB.
    pub memory: (i64, i64),
    /// Pods.
    pub pods: i64,
    /// GPUs.
    pub gpus: i64,
    /// Labels that its nodes have for sure.
    pub labels: Vec<(&'static str, String)>,
    /// Zones, capacity types and reservations that it is sold in.
    pub sold: Vec<(String, String, Option<String>)>,
}

const OVERHEAD_CPU: i64 = 100;
const OVERHEAD_MIB: i64 = 200;

/// Adds two to fourteen of them, now and then enough for spot-to-spot.
pub(super) fn add(draw: &mut Draw) {
    let most = if draw.rng.chance(15) { 24 } else { 10 };
    let count = draw.rng.between(2, most);
    for index in 0..count {
        one(draw, index);
    }
}

fn one(draw: &mut Draw, index: usize) {
    let vcpus = *draw.rng.pick(&[1_i64, 2, 2, 4, 8, 16]);
    let family = *draw.rng.pick(&["c", "m", "r"]);
    let gib = vcpus
        * match family {
            "c" => 2,
            "m" => 4,
            _ => 8,
        };
    let arch = if draw.now_and_then(Feature::Arm, 40) { "arm64" } else { "amd64" };
    let gpus = if draw.now_and_then(Feature::Gpu, 30) { vcpus.min(4) } else { 0 };
    let pods = *draw.rng.pick(&[4, 8, 29, 58, 110]);
    let name = format!("{family}{}.{index:02}x{vcpus}", if gpus > 0 { "g" } else { "" });
    let base = if draw.has(Feature::Ties) {
        vcpus * 10_000
    } else {
        vcpus * 10_000 + gib * 500 + i64::try_from(draw.rng.below(9_000)).unwrap_or(0)
    };
    let offerings = offerings(draw, &name, base);
    let mut labels = vec![
        ("node.kubernetes.io/instance-type", name.clone()),
        ("kubernetes.io/arch", arch.to_owned()),
        ("kubernetes.io/os", "linux".to_owned()),
        ("topology.kubernetes.io/region", "us-west-2".to_owned()),
        ("karpenter.k8s.aws/instance-cpu", vcpus.to_string()),
        ("karpenter.k8s.aws/instance-memory", (gib * 1024).to_string()),
        ("karpenter.k8s.aws/instance-family", family.to_owned()),
        ("karpenter.k8s.aws/instance-size", format!("{vcpus}x")),
    ];
    if gpus > 0 {
        labels.push(("karpenter.k8s.aws/instance-gpu-count", gpus.to_string()));
    }
    let spec = TypeSpec {
        name,
        cpu: (vcpus * 1000, vcpus * 1000 - OVERHEAD_CPU),
        memory: (gib * 1024, gib * 1024 - OVERHEAD_MIB),
        pods,
        gpus,
        labels,
        sold: offerings.iter().map(sold).collect(),
    };
    draw.put(object(&spec, &offerings));
    draw.types.push(spec);
}

fn sold(offering: &Value) -> (String, String, Option<String>) {
    let text = |key: &str| offering[key].as_str().unwrap_or_default().to_owned();
    (text("zone"), text("capacityType"), offering["reservation"].as_str().map(str::to_owned))
}

fn offerings(draw: &mut Draw, name: &str, base: i64) -> Vec<Value> {
    let mut offerings = Vec::new();
    for zone in ZONES {
        for (capacity_type, share) in [("on-demand", 100), ("spot", 40)] {
            if draw.rng.chance(15) {
                continue;
            }
            let noise = if draw.has(Feature::Ties) { 0 } else { draw.rng.below(1_500) };
            let price = base * share / 100 + i64::try_from(noise).unwrap_or(0);
            // Overlays take quarters of it.
            let price = if draw.has(Feature::Overlays) { price - price % 4 } else { price };
            let available = !draw.now_and_then(Feature::Unavailable, 25);
            offerings.push(json!({"zone": zone, "capacityType": capacity_type, "price": price,
                                  "available": available}));
        }
        if draw.now_and_then(Feature::Reserved, 25) {
            let shared = draw.rng.chance(30);
            let reservation = if shared { "cr-shared".to_owned() } else { format!("cr-{name}-{zone}") };
            let count = draw.rng.between(1, 3);
            offerings.push(json!({"zone": zone, "capacityType": "reserved", "price": base / 1_000_000,
                                  "available": true, "reservation": reservation, "count": count}));
        }
    }
    if offerings.is_empty() {
        offerings
            .push(json!({"zone": ZONES[0], "capacityType": "on-demand", "price": base, "available": true}));
    }
    offerings
}

fn object(spec: &TypeSpec, offerings: &[Value]) -> Value {
    let mut requirements: Vec<Value> = spec
        .labels
        .iter()
        .map(|(key, value)| json!({"key": key, "operator": "In", "values": [value]}))
        .collect();
    if spec.gpus == 0 {
        requirements.push(json!({"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "DoesNotExist"}));
    }
    let distinct = |key: &str| {
        let mut values: Vec<&str> = offerings.iter().filter_map(|offering| offering[key].as_str()).collect();
        values.sort_unstable();
        values.dedup();
        values.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    for (key, field) in
        [("topology.kubernetes.io/zone", "zone"), ("karpenter.sh/capacity-type", "capacityType")]
    {
        requirements.push(json!({"key": key, "operator": "In", "values": distinct(field)}));
    }
    let reservations = distinct("reservation");
    requirements.push(match reservations.is_empty() {
        true => json!({"key": RESERVATION, "operator": "DoesNotExist"}),
        false => json!({"key": RESERVATION, "operator": "In", "values": reservations}),
    });
    let mut capacity = json!({
        "cpu": format!("{}m", spec.cpu.0),
        "memory": format!("{}Mi", spec.memory.0),
        "pods": spec.pods.to_string(),
        "ephemeral-storage": "20Gi",
    });
    if spec.gpus > 0 {
        capacity["nvidia.com/gpu"] = json!(spec.gpus.to_string());
    }
    json!({
        "apiVersion": "oracle/v1",
        "kind": "InstanceType",
        "metadata": {"name": spec.name},
        "capacity": capacity,
        "overhead": {"cpu": format!("{OVERHEAD_CPU}m"), "memory": format!("{OVERHEAD_MIB}Mi")},
        "requirements": requirements,
        "offerings": offerings,
    })
}

/// The label of capacity reservations.
pub const RESERVATION: &str = "karpenter.k8s.aws/capacity-reservation-id";
