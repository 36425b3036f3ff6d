//! Nodes: labels, taints, room, images.

use serde_json::{Map, Value, json};

use super::generate::Mood;
use super::vocabulary::{FPGA, GPU, NODE_LABELS, TAINTS, ZONES, labels, value};
use crate::rng::Rng;

/// Images that nodes and containers have, with their sizes.
pub(crate) const IMAGES: [(&str, i64); 4] = [
    ("registry.example/small:v1", 10 << 20),
    ("registry.example/middle:v1", 300 << 20),
    ("registry.example/large", 1_100 << 20),
    ("registry.example/huge:v2", 3 << 30),
];

/// The nodes of a cluster; names sort as they are listed.
pub(crate) fn nodes(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    (0..mood.nodes).map(|number| node(rng, mood, number)).collect()
}

fn node(rng: &mut Rng, mood: &Mood, number: usize) -> Value {
    let name = format!("n{number:02}");
    let mut spec = Map::new();
    if rng.chance(mood.cordons) {
        spec.insert("unschedulable".into(), true.into());
    }
    let taints = taints(rng, mood);
    if !taints.is_empty() {
        spec.insert("taints".into(), taints.into());
    }
    let mut status = Map::new();
    status.insert("allocatable".into(), room(rng, mood));
    status.insert("capacity".into(), status["allocatable"].clone());
    if rng.chance(mood.images) {
        status.insert("images".into(), images(rng));
    }
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": node_labels(rng, mood, &name)},
           "spec": spec, "status": status})
}

fn node_labels(rng: &mut Rng, mood: &Mood, name: &str) -> Map<String, Value> {
    let mut all = labels(rng, &NODE_LABELS, 70);
    if mood.runtimes > 0 && rng.chance(50) {
        all.insert("runtime".into(), "special".into());
    }
    if !rng.chance(mood.missing_labels) {
        let host = if rng.chance(mood.missing_labels) { "twin" } else { name };
        all.insert("kubernetes.io/hostname".into(), host.into());
    }
    if !rng.chance(mood.missing_labels) {
        let zone = *rng.pick(&ZONES[..mood.zones]);
        all.insert("topology.kubernetes.io/zone".into(), zone.into());
        if rng.chance(60) {
            all.insert("topology.kubernetes.io/region".into(), if zone == "zc" { "r2" } else { "r1" }.into());
        }
        if rng.chance(mood.missing_labels) {
            all.insert("failure-domain.beta.kubernetes.io/zone".into(), zone.into());
        }
    }
    all
}

fn taints(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    let mut taints: Vec<Value> = Vec::new();
    for (key, values) in TAINTS {
        if !rng.chance(mood.taints) {
            continue;
        }
        let effect = *rng.pick(&["NoSchedule", "PreferNoSchedule", "PreferNoSchedule", "NoExecute"]);
        taints.push(json!({"key": key, "value": value(rng, &values), "effect": effect}));
    }
    taints
}

fn room(rng: &mut Rng, mood: &Mood) -> Value {
    if mood.identical_nodes {
        return json!({"cpu": "4", "memory": "8Gi", "pods": "110"});
    }
    let mut room = Map::new();
    let mut put = |name: &str, amount: &&str| drop(room.insert(name.to_owned(), (*amount).into()));
    let tight = rng.chance(mood.tightness);
    let cpus: &[&str] =
        if tight { &["0", "500m", "1", "1.5"] } else { &["2", "3920m", "4", "8", "1e1", "64"] };
    let memories: &[&str] =
        if tight { &["0", "256Mi", "1e9", "0.5Gi"] } else { &["4Gi", "7.5Gi", "8e9", "15Gi", "256Gi"] };
    let pods: &[&str] = if tight { &["0", "1", "3", "5"] } else { &["10", "29", "110"] };
    put("cpu", rng.pick(cpus));
    put("memory", rng.pick(memories));
    put("pods", rng.pick(pods));
    if rng.chance(60) {
        put("ephemeral-storage", rng.pick(&["0", "10Gi", "20G", "1Ti"]));
    }
    if rng.chance(mood.extended) {
        put(GPU, rng.pick(&["0", "1", "2", "8"]));
    }
    if rng.chance(mood.extended / 3) {
        put(FPGA, &"1");
    }
    if rng.chance(mood.extended / 3) {
        put("hugepages-2Mi", rng.pick(&["0", "64Mi", "1Gi"]));
    }
    room.into()
}

fn images(rng: &mut Rng) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for (name, size) in IMAGES {
        if rng.chance(50) {
            let tagged = if name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
                name.to_owned()
            } else {
                format!("{name}:latest")
            };
            all.push(json!({"names": [format!("{name}@sha256:0"), tagged], "sizeBytes": size}));
        }
    }
    all.into()
}
