//! DaemonSets, and their pods on the nodes.

use serde_json::{Value, json};

use super::{Draw, Feature, placement};

/// Adds up to three.
pub(super) fn declare(draw: &mut Draw) {
    if !draw.has(Feature::Daemons) {
        return;
    }
    for index in 0..draw.rng.between(1, 3) {
        let spec = pod_spec(draw);
        let name = format!("daemon-{index}");
        let namespace = draw.namespace();
        draw.put(json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}")},
            "spec": {"selector": {"matchLabels": {"daemon": name}},
                     "template": {"metadata": {"labels": {"daemon": name}}, "spec": spec}},
        }));
    }
}

fn pod_spec(draw: &mut Draw) -> Value {
    let cpu = *draw.rng.pick(&[0, 50, 100, 900]);
    let memory = *draw.rng.pick(&[0, 64, 128, 1500]);
    let mut container = json!({"name": "main", "image": "registry.k8s.io/pause:3.10"});
    if cpu + memory > 0 {
        container["resources"] =
            json!({"requests": {"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi")}});
    }
    if draw.now_and_then(Feature::HostPorts, 50) {
        container["ports"] = json!([{"containerPort": 9100, "hostPort": 9100}]);
    }
    let mut spec = json!({"containers": [container]});
    if draw.rng.chance(50) {
        spec["tolerations"] = json!([{"operator": "Exists"}]);
    }
    if draw.rng.chance(35) {
        let terms = placement::node_terms(draw);
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
    } else if draw.rng.chance(25) {
        spec["nodeSelector"] = placement::node_selector(draw);
    }
    spec
}

/// Runs their pods on some of the nodes that are ready, whether or not the controller would.
pub(super) fn run(draw: &mut Draw) {
    let sets: Vec<Value> =
        draw.objects.iter().filter(|object| object["kind"] == "DaemonSet").cloned().collect();
    for set in &sets {
        for index in 0..draw.nodes.len() {
            if !draw.nodes[index].ready || !draw.rng.chance(60) {
                continue;
            }
            let (name, namespace) = (&set["metadata"]["name"], &set["metadata"]["namespace"]);
            let mut spec = set["spec"]["template"]["spec"].clone();
            spec["nodeName"] = json!(draw.nodes[index].name);
            let pod_name = format!("{}-{}", name.as_str().unwrap_or_default(), draw.nodes[index].name);
            let owner = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": name,
                                "uid": set["metadata"]["uid"], "controller": true}]);
            draw.pods += 1;
            draw.put(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod_name, "namespace": namespace, "uid": format!("{:08}", draw.pods),
                             "labels": set["spec"]["template"]["metadata"]["labels"], "ownerReferences": owner,
                             "creationTimestamp": draw.ago(3000)},
                "spec": spec,
                "status": {"phase": "Running", "startTime": draw.ago(3000),
                           "conditions": [{"type": "Ready", "status": "True"}]},
            }));
        }
    }
}
