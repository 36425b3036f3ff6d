//! ReplicaSets and StatefulSets with their pods: what the cluster's default spread constraints are counted over.

use serde_json::{Value, json};

use super::generate::Mood;
use super::pods::template;
use super::vocabulary::namespace;
use crate::rng::Rng;

/// A controller and its pods, in the order in which pending ones are handled.
pub(crate) fn sets(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    let mut objects = Vec::new();
    for number in 0..2 {
        if rng.chance(mood.owned) {
            objects.extend(set(rng, mood, number));
        }
    }
    objects
}

fn set(rng: &mut Rng, mood: &Mood, number: usize) -> Vec<Value> {
    let (kind, space) = (*rng.pick(&["ReplicaSet", "StatefulSet"]), namespace(rng));
    let name = format!("set-{number}");
    // What the API server could refuse is left out: a refused set has no pods. So are constraints, with which the
    // cluster's default ones do not count.
    let plain = Mood { ports: 0, pod_level: 0, node_affinity: 0, pod_affinity: 0, spread: 0, ..mood.clone() };
    let (mut labels, spec) = template(rng, &plain);
    labels.insert("set".into(), name.clone().into());
    let count = rng.between(1, 4);
    let mut whole = json!({
        "replicas": count, "selector": {"matchLabels": {"set": name}},
        "template": {"metadata": {"labels": labels}, "spec": spec},
    });
    if kind == "StatefulSet" {
        whole["serviceName"] = name.clone().into();
    }
    let metadata = json!({"name": name, "namespace": space});
    let mut objects =
        vec![json!({"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": whole})];
    for place in 0..count {
        let uid = format!("{kind}-{name}");
        let owner =
            json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true});
        let metadata = json!({"name": format!("{name}-{place}"), "namespace": space, "labels": labels,
                              "uid": format!("{name}-{place}"), "ownerReferences": [owner]});
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec,
                             "status": {"phase": "Pending"}});
        if rng.chance(60) {
            pod["spec"]["nodeName"] = format!("n{:02}", rng.below(mood.nodes)).into();
            let started =
                format!("2026-05-{:02}T{:02}:00:{number}{place}Z", rng.between(1, 28), rng.below(24));
            pod["status"] = json!({"phase": "Running", "startTime": started,
                                   "conditions": [{"type": "Ready", "status": "True"}]});
        }
        objects.push(pod);
    }
    objects
}
