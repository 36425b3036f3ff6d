//! Differences that are known and left: each with a cluster, as small as it gets, about which the two differ.
//!
//! The generator leaves these out. A live run asks both about every entry, and fails for one that is no difference any
//! more.

use serde_json::{Value, json};

/// A known difference.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// What upstream does, what the engine does, and why that stays.
    pub why: &'static str,
    /// A cluster about which the two differ.
    pub objects: Vec<Value>,
}

/// All of them.
pub fn all() -> Vec<Known> {
    vec![
        Known {
            name: "overhead on a pod-level request of a fraction of a byte",
            why: "kube-scheduler adds a pod's overhead to such a request anew each time it looks at it (quantities share their \
                  digits), so that scores depend on how often it looked. The engine adds it once.",
            objects: overhead_on_a_fraction(),
        },
        Known {
            name: "a claim that is bound to a volume that is not in the input",
            why: "kube-scheduler keeps the pod off all nodes. The engine takes the volume for one that can be used everywhere: \
                  dumps often lack volumes.",
            objects: volume_left_out(),
        },
        Known {
            name: "a claim for which a node was selected that is gone",
            why: "kube-scheduler keeps the pod off all nodes until the provisioner takes the selection back. The engine takes \
                  that as done.",
            objects: selected_node_gone(),
        },
        Known {
            name: "a RuntimeClass that is not in the input",
            why: "The API server refuses the pod. The engine takes the class for one without overhead and rules: operators \
                  bring such classes.",
            objects: vec![node("a"), pod(json!({"runtimeClassName": "unknown"}))],
        },
    ]
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
           "status": {"capacity": {"cpu": "4", "memory": "4Gi", "pods": "10"}}})
}

/// A pod with these fields beside its container.
fn pod(fields: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "c", "image": "i"}]});
    for (field, value) in fields.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec})
}

fn overhead_on_a_fraction() -> Vec<Value> {
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "r"}, "handler": "r",
                       "overhead": {"podFixed": {"memory": "120Mi"}}});
    let asks = json!({"requests": {"memory": "0.1Gi"}});
    vec![class, node("a"), node("b"), pod(json!({"runtimeClassName": "r", "resources": asks}))]
}

fn claim(annotation: (&str, &str), fields: &Value) -> Value {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "default", "annotations": {annotation.0: annotation.1}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                 "storageClassName": "later"},
        "status": {"phase": "Pending"},
    });
    if let Some(volume) = fields.get("volumeName") {
        claim["spec"]["volumeName"] = volume.clone();
        claim["status"]["phase"] = "Bound".into();
    }
    claim
}

fn user() -> Value {
    pod(json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}))
}

fn later() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "later"},
           "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"})
}

fn volume_left_out() -> Vec<Value> {
    let claim = claim(("pv.kubernetes.io/bind-completed", "yes"), &json!({"volumeName": "left-out"}));
    vec![later(), node("a"), claim, user()]
}

fn selected_node_gone() -> Vec<Value> {
    vec![later(), node("a"), claim(("volume.kubernetes.io/selected-node", "gone"), &json!({})), user()]
}
