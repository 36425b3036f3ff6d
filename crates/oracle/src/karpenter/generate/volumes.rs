//! Volume claims of a pod: bound, to be bound, with or without a place.

use serde_json::{Value, json};

use super::{Draw, ZONES};

const ZONE: &str = "topology.kubernetes.io/zone";

/// Adds a claim for a pod and refers to it; sometimes one that an earlier pod has.
pub(super) fn attach(draw: &mut Draw, spec: &mut Value, pod: &str, namespace: &str, kind: usize) {
    let name = if draw.rng.chance(20) { "shared".to_owned() } else { format!("data-{pod}") };
    let exists = draw.objects.iter().any(|object| {
        object["kind"] == "PersistentVolumeClaim"
            && object["metadata"]["name"] == name.as_str()
            && object["metadata"]["namespace"] == namespace
    });
    if !exists {
        claim(draw, &name, namespace, kind);
    }
    spec["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
}

fn claim(draw: &mut Draw, name: &str, namespace: &str, kind: usize) {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{namespace}-{name}")},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    match kind {
        0 => bind(draw, &mut claim, name, namespace),
        1 => class(draw, &mut claim, "wait-anywhere", "WaitForFirstConsumer", json!(null)),
        2 => {
            let zones = draw.rng.some(&ZONES, 50);
            let topologies: Vec<Value> = match (zones.is_empty(), draw.rng.chance(50)) {
                (true, _) => vec![],
                (_, true) => vec![json!({"matchLabelExpressions": [{"key": ZONE, "values": zones}]})],
                (_, false) => zones
                    .iter()
                    .map(|zone| json!({"matchLabelExpressions": [{"key": ZONE, "values": [zone]}]}))
                    .collect(),
            };
            class(
                draw,
                &mut claim,
                &format!("wait-{}", zones.len()),
                "WaitForFirstConsumer",
                json!(topologies),
            );
        }
        3 => class(draw, &mut claim, "at-once", "Immediate", json!(null)),
        _ => claim["spec"]["storageClassName"] = json!("absent"),
    }
    draw.put(claim);
}

fn class(draw: &mut Draw, claim: &mut Value, name: &str, mode: &str, topologies: Value) {
    claim["spec"]["storageClassName"] = json!(name);
    claim["status"] = json!({"phase": "Pending"});
    let known = |object: &Value| object["kind"] == "StorageClass" && object["metadata"]["name"] == name;
    if !draw.objects.iter().any(known) {
        let mut class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
                               "provisioner": "ebs.csi.aws.com", "volumeBindingMode": mode});
        if topologies.is_array() {
            class["allowedTopologies"] = topologies;
        }
        draw.put(class);
    }
}

fn bind(draw: &mut Draw, claim: &mut Value, name: &str, namespace: &str) {
    let volume = format!("pv-{namespace}-{name}");
    claim["spec"]["volumeName"] = json!(volume);
    claim["spec"]["storageClassName"] = json!("");
    claim["metadata"]["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
    claim["status"] = json!({"phase": "Bound"});
    let mut spec = json!({
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": namespace, "name": name, "uid": claim["metadata"]["uid"]},
    });
    match draw.rng.below(5) {
        0 => spec["local"] = json!({"path": "/mnt"}),
        1 => spec["hostPath"] = json!({"path": "/mnt"}),
        _ => spec["csi"] = json!({"driver": "ebs.csi.aws.com", "volumeHandle": volume}),
    }
    if draw.rng.chance(80) {
        let mut expressions =
            vec![json!({"key": ZONE, "operator": "In", "values": [*draw.rng.pick(&ZONES)]})];
        if spec.get("csi").is_none() {
            let host = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-0"]});
            if draw.rng.chance(50) {
                expressions = vec![host];
            } else {
                expressions.push(host);
            }
        }
        spec["nodeAffinity"] =
            json!({"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}});
    }
    draw.put(
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume}, "spec": spec,
                    "status": {"phase": "Bound"}}),
    );
}
