//! What a fresh cluster of `kind` holds that matters to whoever adds nodes: a tainted control-plane node, and the
//! DaemonSets that run on every node. Objects as JSON; nobody is called here.

use serde_json::{Value, json};

/// The node that the control plane's own pods would run on.
pub const CONTROL_PLANE_NODE: &str = "control-plane";

/// Everything, in the order of creation.
pub fn objects() -> Vec<Value> {
    vec![
        control_plane_node(),
        daemon_set("kindnet", json!({ "cpu": "100m", "memory": "50Mi" }), None),
        daemon_set("kube-proxy", json!({}), Some("system-node-critical")),
    ]
}

/// Its taint is not the usual one of a control plane: whoever tolerates that one would run there.
fn control_plane_node() -> Value {
    let mut node = node(CONTROL_PLANE_NODE, "4", "16Gi");
    node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = json!("");
    node["spec"] =
        json!({ "taints": [{ "key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule" }] });
    node
}

/// A node whose kubelet is simulated by KWOK; other taints than those of the control plane are not on it.
pub fn node(name: &str, cpu: &str, memory: &str) -> Value {
    let room = json!({ "cpu": cpu, "memory": memory, "ephemeral-storage": "100Gi", "pods": "110" });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
            "annotations": { "kwok.x-k8s.io/node": "fake" },
        },
        "status": { "capacity": room.clone(), "allocatable": room },
    })
}

/// A pod; it ends at once when it is deleted.
pub fn pod(name: &str, labels: &Value, cpu: &str, memory: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": labels },
        "spec": pod_spec(cpu, memory),
    })
}

/// A Deployment of such pods.
pub fn deployment(name: &str, replicas: u32, cpu: &str, memory: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod_spec(cpu, memory) },
        },
    })
}

fn pod_spec(cpu: &str, memory: &str) -> Value {
    let requests = json!({ "cpu": cpu, "memory": memory });
    json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [{ "name": "main", "image": "simulated", "resources": { "requests": requests } }],
    })
}

fn daemon_set(name: &str, resources: Value, priority_class: Option<&str>) -> Value {
    let labels = json!({ "app": name });
    let mut spec = json!({
        "hostNetwork": true,
        "tolerations": [{ "operator": "Exists" }],
        "containers": [{
            "name": name,
            "image": "simulated",
            "resources": { "requests": resources.clone(), "limits": resources },
        }],
    });
    if let Some(class) = priority_class {
        spec["priorityClassName"] = json!(class);
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": name, "namespace": "kube-system" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": spec },
        },
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
    use k8s_openapi::api::core::v1::{Node, Pod};

    use super::*;

    #[test]
    fn they_are_objects_of_kubernetes() {
        let [node, kindnet, proxy] = objects().try_into().unwrap();
        let node: Node = serde_json::from_value(node).unwrap();
        assert_eq!(node.spec.unwrap().taints.unwrap().len(), 1);
        let kindnet: DaemonSet = serde_json::from_value(kindnet).unwrap();
        assert_eq!(kindnet.metadata.namespace.as_deref(), Some("kube-system"));
        let proxy: DaemonSet = serde_json::from_value(proxy).unwrap();
        let template = proxy.spec.unwrap().template.spec.unwrap();
        assert_eq!(template.priority_class_name.as_deref(), Some("system-node-critical"));
        let pod: Pod = serde_json::from_value(pod("a", &json!({ "b": "c" }), "1", "1Gi")).unwrap();
        assert_eq!(pod.metadata.labels.unwrap()["b"], "c");
        let deployment: Deployment = serde_json::from_value(deployment("a", 20, "1", "1Gi")).unwrap();
        assert_eq!(deployment.spec.unwrap().replicas, Some(20));
    }
}
