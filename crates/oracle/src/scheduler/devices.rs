//! Devices: classes, slices of nodes and of networks, claims by name and of templates, and the pods that use them.
//!
//! Drawn from a sequence of their own, so that clusters without devices stay what they were. Left out is what upstream
//! leaves to a map's order: slices of one pool that disagree about their number, and two claims of one pod of which
//! either may lose its devices.

mod claims;

use serde_json::{Map, Value, json};

use crate::rng::Rng;

/// Sets the sequence apart from the other one of a seed.
const APART: u64 = 0x6465_7669_6365_7300;
pub(super) const GPU: &str = "gpu.example.com";
pub(super) const NIC: &str = "nic.example.com";
/// Classes; `absent` is in no cluster.
pub(super) const CLASSES: [&str; 5] = ["gpu", "big-gpu", "nic", "any", "absent"];
const MODELS: [&str; 3] = ["a100", "t4", "h100"];

/// From this seed on devices are in play: clusters of the seeds before stay what they were.
const WITH_DEVICES: u64 = 100_000;

/// Adds devices to a cluster, or leaves it as it is.
pub(crate) fn add(seed: u64, objects: &mut Vec<Value>) {
    if seed < WITH_DEVICES {
        return;
    }
    let rng = &mut Rng::new(seed ^ APART);
    let share = *rng.pick(&[0, 0, 40, 80]);
    if share == 0 {
        return;
    }
    let names = |kind: &str| -> Vec<String> {
        let of_kind = objects.iter().filter(|object| object["kind"] == kind);
        of_kind.filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect()
    };
    let nodes = names("Node");
    let mut made = classes(rng);
    let (shared, partitions) = (rng.chance(25), rng.chance(25));
    for node in &nodes {
        made.extend(of_node(rng, node, shared, partitions));
    }
    made.extend(of_networks(rng, &nodes));
    // What a workload makes has the claims of its template.
    let may_ask = |object: &&mut Value| {
        object["kind"] == "Pod"
            && object["spec"]["nodeName"].is_null()
            && object["metadata"]["ownerReferences"].is_null()
    };
    let pending = objects.iter_mut().filter(may_ask);
    made.extend(claims::claims(rng, share, pending, &nodes));
    let first_pod = objects.iter().position(|object| object["kind"] == "Pod").unwrap_or(objects.len());
    objects.splice(first_pod..first_pod, made);
}

fn selector(expression: &str) -> Value {
    json!({"cel": {"expression": expression}})
}

fn classes(rng: &mut Rng) -> Vec<Value> {
    let mut all = Vec::new();
    for name in &CLASSES[..4] {
        let selectors = match *name {
            "gpu" => vec![selector("device.driver == 'gpu.example.com'")],
            "big-gpu" => vec![
                selector("device.driver == 'gpu.example.com'"),
                selector("device.capacity['gpu.example.com'].memory.compareTo(quantity('40Gi')) >= 0"),
            ],
            "nic" => vec![selector("device.driver.startsWith('nic')")],
            _ => vec![],
        };
        if !rng.chance(5) {
            all.push(
                json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name},
                            "spec": {"selectors": selectors}}),
            );
        }
    }
    all
}

/// A selector of a request for graphics cards.
pub(super) fn wish(rng: &mut Rng) -> Value {
    let wishes = [
        "device.attributes['gpu.example.com'].model == 'a100'",
        "device.attributes['gpu.example.com'].model != 't4'",
        "device.attributes['gpu.example.com'].index < 2",
        "device.attributes['gpu.example.com'].index + 1 >= 2 || device.attributes['gpu.example.com'].healthy",
        "device.capacity['gpu.example.com'].memory.isGreaterThan(quantity('20Gi'))",
        "device.capacity['gpu.example.com'].memory.isLessThan(quantity('50e9'))",
        "device.attributes['gpu.example.com'].healthy",
        "!(device.attributes['gpu.example.com'].model in ['t4', 'h100'])",
        "has(device.attributes['gpu.example.com'].numa) && device.attributes['gpu.example.com'].numa == 0",
        "'numa' in device.attributes['gpu.example.com']",
        "device.attributes['gpu.example.com'].driverVersion.isGreaterThan(semver('1.2.0'))",
        "device.attributes['gpu.example.com'].driverVersion.compareTo(semver('1.10.0-beta.2')) < 0",
        "'other.example.com' in device.attributes",
        "has(device.attributes['other.example.com'].numa)",
        "device.driver.startsWith('gpu') && device.driver.endsWith('.com')",
        "cel.bind(gpu, device.attributes['gpu.example.com'], gpu.index == 1 || gpu.model == 't4')",
        "['a100', 't4'].exists(m, m == device.attributes['gpu.example.com'].model)",
        "device.allowMultipleAllocations == false",
        "device.attributes['gpu.example.com'].model.size() == 2 ? true : device.attributes['gpu.example.com'].index == 0",
        "device.attributes['gpu.example.com'].nothing == 1",
        "device.attributes['gpu.example.com'].nothing == 1 || true",
    ];
    let wish = *rng.pick(&wishes);
    selector(wish)
}

fn attributes(rng: &mut Rng, index: usize) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("model".into(), json!({"string": *rng.pick(&MODELS)}));
    all.insert("index".into(), json!({"int": index}));
    all.insert("healthy".into(), json!({"bool": rng.chance(70)}));
    all.insert(
        "driverVersion".into(),
        json!({"version": *rng.pick(&["1.2.0", "1.3.0", "1.10.0-beta.11", "2.0.0"])}),
    );
    if rng.chance(70) {
        all.insert("numa".into(), json!({"int": rng.below(2)}));
    }
    if rng.chance(30) {
        all.insert("other.example.com/numa".into(), json!({"int": rng.below(2)}));
    }
    all
}

fn device(rng: &mut Rng, index: usize) -> Value {
    let memory = *rng.pick(&["16Gi", "40Gi", "80Gi"]);
    let mut device = json!({"name": format!("gpu-{index}"), "attributes": attributes(rng, index),
                            "capacity": {"memory": {"value": memory}}});
    if rng.chance(10) {
        let effect = *rng.pick(&["NoSchedule", "NoExecute", "None"]);
        device["taints"] = json!([{"key": "broken", "value": *rng.pick(&["yes", ""]), "effect": effect,
                                   "timeAdded": "2026-05-01T00:00:00Z"}]);
    }
    device
}

/// It can be shared by what its policy lets be asked for.
fn share(rng: &mut Rng, device: &mut Value) {
    device["allowMultipleAllocations"] = true.into();
    let policy = match rng.below(4) {
        0 => json!({"default": "8Gi", "validRange": {"min": "4Gi", "step": "4Gi"}}),
        1 => json!({"default": "8Gi", "validRange": {"min": "2Gi", "max": "12Gi"}}),
        2 => json!({"default": "4Gi", "validValues": ["4Gi", "8Gi", "16Gi"]}),
        _ => return,
    };
    device["capacity"]["memory"]["requestPolicy"] = policy;
}

fn slice(
    name: &str,
    driver: &str,
    pool: &str,
    (generation, count): (usize, usize),
    place: (&str, Value),
) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": name},
           "spec": {"driver": driver, "pool": {"name": pool, "generation": generation, "resourceSliceCount": count},
                    place.0: place.1}})
}

/// The graphics cards of a node, in one or two slices, seldom with one missing or one out of date.
fn of_node(rng: &mut Rng, node: &str, shared: bool, partitions: bool) -> Vec<Value> {
    if rng.chance(25) {
        return Vec::new();
    }
    let (slices, pool) = (rng.between(1, 2), format!("gpus-{node}"));
    let announced = slices + usize::from(rng.chance(6)) + usize::from(partitions);
    let mut all = Vec::new();
    let mut index = 0;
    for number in 0..slices {
        let mut devices = Vec::new();
        for _ in 0..rng.between(1, 3) {
            let mut made = device(rng, index);
            if shared && rng.chance(60) {
                share(rng, &mut made);
            }
            if partitions && rng.chance(70) {
                let counters = json!({"memory": {"value": *rng.pick(&["20Gi", "40Gi"])}});
                made["consumesCounters"] = json!([{"counterSet": "card", "counters": counters}]);
            }
            devices.push(made);
            // Seldom two devices have one name.
            index += usize::from(!rng.chance(3));
        }
        let mut made =
            slice(&format!("{pool}-{number}"), GPU, &pool, (2, announced), ("nodeName", node.into()));
        made["spec"]["devices"] = devices.into();
        all.push(made);
    }
    if partitions {
        let mut made =
            slice(&format!("{pool}-counters"), GPU, &pool, (2, announced), ("nodeName", node.into()));
        made["spec"]["sharedCounters"] = json!([{"name": "card", "counters": {"memory": {"value": "60Gi"}}}]);
        all.push(made);
    }
    if rng.chance(10) {
        let generation = *rng.pick(&[1, 1, 1, 3]);
        let mut made = slice(&format!("{pool}-old"), GPU, &pool, (generation, 1), ("nodeName", node.into()));
        made["spec"]["devices"] = json!([device(rng, 7)]);
        all.push(made);
    }
    all
}

/// Devices that several nodes can reach.
fn of_networks(rng: &mut Rng, nodes: &[String]) -> Vec<Value> {
    let nics = |rng: &mut Rng, name: &str| -> Vec<Value> {
        let count = rng.between(1, 3);
        let nic = |number: usize| json!({"name": format!("{name}-{number}"), "attributes": {"index": {"int": number}}});
        (0..count).map(nic).collect()
    };
    let mut all = Vec::new();
    if rng.chance(50) {
        let term = json!({"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["za"]}]});
        let place = ("nodeSelector", json!({"nodeSelectorTerms": [term]}));
        let mut made = slice("zonal", NIC, "zonal", (1, 1), place);
        made["spec"]["devices"] = nics(rng, "zonal").into();
        all.push(made);
    }
    if rng.chance(40) {
        let mut made = slice("common", NIC, "common", (1, 1), ("allNodes", true.into()));
        made["spec"]["devices"] = nics(rng, "common").into();
        all.push(made);
    }
    if rng.chance(30) && !nodes.is_empty() {
        let mut made = slice("mixed", NIC, "mixed", (1, 1), ("perDeviceNodeSelection", true.into()));
        let mut devices = nics(rng, "mixed");
        for device in &mut devices {
            match rng.below(3) {
                0 => device["allNodes"] = true.into(),
                _ => device["nodeName"] = rng.pick(nodes).clone().into(),
            }
            if rng.chance(30) {
                device["bindsToNode"] = true.into();
            }
        }
        made["spec"]["devices"] = devices.into();
        all.push(made);
    }
    all
}
