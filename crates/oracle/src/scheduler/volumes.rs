//! Storage: classes, volumes, claims, what nodes can attach, and the volumes of pods.
//!
//! Volumes of one class have sizes of their own: of equally large ones upstream takes any.

use serde_json::{Map, Value, json};

use super::generate::Mood;
use super::vocabulary::{NAMESPACES, POD_LABELS, ZONES, labels, selector, value};
use crate::rng::Rng;

/// Storage classes; `gone` is in no cluster.
const CLASSES: [&str; 6] = ["now", "later", "zonal", "static", "legacy", "gone"];
const DRIVERS: [&str; 2] = ["ebs.csi.aws.com", "csi.example.com"];
const MODES: [&str; 4] = ["ReadWriteOnce", "ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"];
const GIB: usize = 1 << 30;

/// Classes, volumes and claims of a cluster, and what its nodes can attach.
pub(crate) fn storage(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    if mood.volumes == 0 {
        return Vec::new();
    }
    let mut objects = classes(rng);
    objects.extend((0..mood.nodes).filter_map(|number| csi_node(rng, number)));
    objects.extend((0..rng.between(2, 8)).map(|number| free_volume(rng, number)));
    for (namespace, _) in NAMESPACES {
        let count = if namespace == "default" { 10 } else { 3 };
        for number in 0..count {
            objects.extend(claim(rng, mood, namespace, &format!("claim-{number}")));
        }
    }
    objects
}

fn classes(rng: &mut Rng) -> Vec<Value> {
    let mut classes = Vec::new();
    for name in &CLASSES[..5] {
        let provisioner = match *name {
            "static" => "kubernetes.io/no-provisioner",
            "legacy" => "kubernetes.io/aws-ebs",
            _ => *rng.pick(&DRIVERS),
        };
        let mode = if *name == "now" { "Immediate" } else { "WaitForFirstConsumer" };
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
                               "provisioner": provisioner, "volumeBindingMode": mode});
        if *name == "zonal" {
            class["allowedTopologies"] = topologies(rng);
        }
        if *name == "later" && rng.chance(50) {
            let annotation = json!({"storageclass.kubernetes.io/is-default-class": "true"});
            class["metadata"]["annotations"] = annotation;
        }
        classes.push(class);
    }
    classes
}

fn topologies(rng: &mut Rng) -> Value {
    let count = rng.between(1, 2);
    let terms: Vec<Value> = (0..count)
        .map(|_| {
            let zones = rng.some(&ZONES, 50);
            let zones = if zones.is_empty() { vec![ZONES[0]] } else { zones };
            let mut expressions = vec![json!({"key": "topology.kubernetes.io/zone", "values": zones})];
            if rng.chance(20) {
                expressions.push(json!({"key": "disk", "values": ["ssd", "hdd"]}));
            }
            json!({"matchLabelExpressions": expressions})
        })
        .collect();
    terms.into()
}

fn csi_node(rng: &mut Rng, number: usize) -> Option<Value> {
    if rng.chance(15) {
        return None;
    }
    let name = format!("n{number:02}");
    let mut drivers: Vec<Value> = Vec::new();
    for driver in DRIVERS {
        if rng.chance(80) {
            let mut entry = json!({"name": driver, "nodeID": name});
            if rng.chance(75) {
                entry["allocatable"] = json!({"count": rng.between(0, 4)});
            }
            drivers.push(entry);
        }
    }
    Some(json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
                "spec": {"drivers": drivers}}))
}

/// A volume without a claim, or one that is written for a claim.
fn free_volume(rng: &mut Rng, number: usize) -> Value {
    let class = *rng.pick(&["later", "zonal", "static", "static", ""]);
    let mut volume = volume(rng, &format!("free-{number}"), class, number);
    volume["status"] =
        json!({"phase": *rng.pick(&["Available", "Available", "Available", "Released", "Pending"])});
    // One volume at most for each claim.
    if number < 3 && rng.chance(25) {
        volume["spec"]["claimRef"] = json!({"namespace": "default", "name": format!("claim-{number}")});
    }
    if rng.chance(4) {
        volume["metadata"]["deletionTimestamp"] = "2026-05-30T00:00:00Z".into();
    }
    volume
}

fn volume(rng: &mut Rng, name: &str, class: &str, number: usize) -> Value {
    let mut labels = labels(rng, &POD_LABELS, 30);
    if rng.chance(30) {
        let key = *rng.pick(&["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]);
        let zones = *rng.pick(&["za", "zb", "za__zb", "zc", "za__", "zd"]);
        labels.insert(key.to_owned(), zones.into());
    }
    if rng.chance(10) {
        labels.insert("topology.kubernetes.io/region".into(), (*rng.pick(&["r1", "r2"])).into());
    }
    let mut spec = Map::new();
    spec.insert("capacity".into(), json!({"storage": (rng.between(1, 6) * GIB + number).to_string()}));
    spec.insert("accessModes".into(), rng.some(&MODES[1..3], 80).into());
    if spec["accessModes"] == json!([]) {
        spec.insert("accessModes".into(), json!(["ReadOnlyMany"]));
    }
    spec.insert("storageClassName".into(), class.into());
    if rng.chance(8) {
        spec.insert("volumeMode".into(), "Block".into());
    }
    if rng.chance(40) {
        let count = rng.between(1, 2);
        let terms: Vec<Value> = (0..count).map(|_| volume_term(rng)).collect();
        spec.insert("nodeAffinity".into(), json!({"required": {"nodeSelectorTerms": terms}}));
    }
    match rng.below(8) {
        0 => drop(spec.insert("awsElasticBlockStore".into(), json!({"volumeID": name}))),
        1 => drop(spec.insert("nfs".into(), json!({"server": "nfs.example", "path": "/"}))),
        _ => {
            let driver = *rng.pick(&DRIVERS);
            spec.insert("csi".into(), json!({"driver": driver, "volumeHandle": format!("handle-{name}")}));
        }
    }
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "labels": labels}, "spec": spec})
}

fn volume_term(rng: &mut Rng) -> Value {
    let operator = *rng.pick(&["In", "In", "NotIn"]);
    let zone = value(rng, &ZONES);
    let mut expressions =
        vec![json!({"key": "topology.kubernetes.io/zone", "operator": operator, "values": [zone]})];
    if rng.chance(25) {
        expressions.push(json!({"key": "disk", "operator": "Exists"}));
    }
    json!({"matchExpressions": expressions})
}

/// A claim in one of the states that a claim can be in, with the volume that it is bound to; seldom none at all.
fn claim(rng: &mut Rng, mood: &Mood, namespace: &str, name: &str) -> Vec<Value> {
    if rng.chance(5) {
        return Vec::new();
    }
    let class = *rng.pick(&["now", "later", "later", "later", "zonal", "static", "legacy", "gone", ""]);
    let mut modes = vec![*rng.pick(&MODES)];
    if modes[0] != "ReadWriteOncePod" && rng.chance(10) {
        modes.push("ReadOnlyMany");
    }
    let number = name.bytes().last().map_or(0, usize::from);
    let size = (rng.between(1, 5) * GIB + number * 1000).to_string();
    let mut metadata = json!({"name": name, "namespace": namespace});
    let mut spec = json!({"accessModes": modes, "resources": {"requests": {"storage": size}}, "storageClassName": class});
    if rng.chance(10) {
        spec.as_object_mut().map(|spec| spec.shift_remove("storageClassName"));
    }
    if rng.chance(8) {
        spec["volumeMode"] = "Block".into();
    }
    if rng.chance(10) {
        spec["selector"] = selector(rng, &POD_LABELS);
    }
    if rng.chance(4) {
        metadata["deletionTimestamp"] = "2026-05-30T00:00:00Z".into();
    }
    let (mut status, mut objects) = (json!({"phase": "Pending"}), Vec::new());
    match rng.below(10) {
        0..5 => {
            let bound = format!("bound-{namespace}-{name}");
            let mut volume = volume(rng, &bound, class, number);
            volume["spec"]["claimRef"] = json!({"namespace": namespace, "name": name});
            volume["status"] = json!({"phase": "Bound"});
            objects.push(volume);
            spec["volumeName"] = bound.into();
            metadata["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
            status["phase"] = "Bound".into();
        }
        5 if rng.chance(25) => {
            spec["volumeName"] = "vanished".into();
            metadata["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
            status["phase"] = "Lost".into();
        }
        6 if rng.chance(25) => {
            let reserved = format!("reserved-{namespace}-{name}");
            let mut volume = volume(rng, &reserved, class, number);
            volume["spec"]["claimRef"] = json!({"namespace": namespace, "name": name});
            volume["status"] = json!({"phase": "Available"});
            objects.push(volume);
            spec["volumeName"] = reserved.into();
        }
        7 => {
            let node = format!("n{:02}", rng.below(mood.nodes));
            metadata["annotations"] = json!({"volume.kubernetes.io/selected-node": node});
        }
        _ => {}
    }
    objects.push(
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec,
                        "status": status}),
    );
    objects
}

/// `spec.volumes` of a pod, with the claims that its ephemeral volumes have already.
pub(crate) fn of_pod(rng: &mut Rng, mood: &Mood, namespace: &str, pod: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut volumes, mut objects) = (Vec::new(), Vec::new());
    if !rng.chance(mood.volumes) {
        return (volumes, objects);
    }
    let count = rng.between(1, 3);
    for number in 0..count {
        let name = format!("v{number}");
        match rng.below(12) {
            0 => volumes.push(json!({"name": name, "emptyDir": {}})),
            1 => {
                let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "later",
                                  "resources": {"requests": {"storage": (GIB + number * 10).to_string()}}});
                volumes.push(json!({"name": name, "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}));
                if rng.chance(80) {
                    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": pod, "controller": true,
                                       "uid": format!("pod-{namespace}-{pod}")});
                    let metadata = json!({"name": format!("{pod}-{name}"), "namespace": namespace,
                                          "ownerReferences": [owner]});
                    objects.push(
                        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
                                        "spec": spec, "status": {"phase": "Pending"}}),
                    );
                }
            }
            _ => {
                let claim = format!("claim-{}", rng.below(if namespace == "default" { 10 } else { 4 }));
                volumes.push(json!({"name": name, "persistentVolumeClaim": {"claimName": claim}}));
            }
        }
    }
    (volumes, objects)
}
