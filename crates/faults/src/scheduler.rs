//! The scheduler: binds pods to nodes with room, and says of the others that there is none.
//!
//! The rules of `k8s.io/kubernetes` v1.36 `pkg/scheduler/framework/plugins` as far as generated pods use them: taints,
//! node selectors, resources, host ports, anti-affinity and spread over a topology. The first node by name that passes
//! is taken. Apart from the crate `scheduling` on purpose: it must not share a mistake with what is tested.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubernetes::Resource;
use serde_json::{Value, json};

use crate::json::{amount, has_labels, holds, is_going, is_kept_off, list, text};
use crate::store::{By, Key, Store};

/// What is counted.
const RESOURCES: [&str; 3] = ["cpu", "memory", "pods"];

/// A node that is Ready, and what is left of it.
#[derive(Debug)]
pub struct Place {
    node: Arc<Value>,
    left: [i64; 3],
    pods: Vec<Arc<Value>>,
}

impl Place {
    /// The node's name.
    pub fn name(&self) -> &str {
        text(&self.node, "/metadata/name")
    }
}

/// Binds what can be bound.
pub fn schedule(store: &mut Store) {
    let waits = |pod: &Value| {
        text(pod, "/spec/nodeName").is_empty() && !is_going(pod) && text(pod, "/status/phase") != "Succeeded"
    };
    let waiting: Vec<(Key, Arc<Value>)> = store
        .keyed(Resource::Pod)
        .filter(|(_, pod)| waits(pod))
        .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
        .collect();
    if waiting.is_empty() {
        return;
    }
    let mut places = places(store);
    for (key, pod) in waiting {
        let passing = places.iter().position(|place| fits(place, &pod) && spreads(&places, place, &pod));
        if let Some(index) = passing {
            let name = places[index].name().to_owned();
            bind(store, &key, &pod, &name);
            for (left, wants) in places[index].left.iter_mut().zip(wants(&pod)) {
                *left -= wants;
            }
            places[index].pods.push(pod);
        } else if !list(&pod, "/status/conditions").any(|own| own["type"] == "PodScheduled") {
            let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": format!("0/{} nodes are available", places.len())});
            let status = json!({"status": {"phase": "Pending", "conditions": [condition]}});
            let _ = store.patch(By::Cluster, &key, true, &status);
        }
    }
}

fn bind(store: &mut Store, key: &Key, pod: &Value, node: &str) {
    let status = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}});
    let mut bound = pod.clone();
    bound["spec"]["nodeName"] = json!(node);
    store.apply(By::Cluster, Resource::Pod, &bound);
    let _ = store.patch(By::Cluster, key, true, &status);
}

/// The nodes that pods can go to, by name.
pub fn places(store: &Store) -> Vec<Place> {
    let mut by_node: BTreeMap<&str, Vec<Arc<Value>>> = BTreeMap::new();
    for pod in store.all(Resource::Pod) {
        by_node.entry(text(pod, "/spec/nodeName")).or_default().push(Arc::clone(pod));
    }
    let nodes = store.all(Resource::Node).filter(|node| !is_going(node) && holds(node, "Ready"));
    nodes
        .map(|node| {
            let pods = by_node.remove(text(node, "/metadata/name")).unwrap_or_default();
            let mut left = RESOURCES.map(|name| amount(name, &node["status"]["allocatable"][name]));
            for pod in &pods {
                left.iter_mut().zip(wants(pod)).for_each(|(left, wants)| *left -= wants);
            }
            Place { node: Arc::clone(node), left, pods }
        })
        .collect()
}

/// What a pod asks for.
pub fn wants(pod: &Value) -> [i64; 3] {
    let mut wants = [0, 0, 1];
    for container in list(pod, "/spec/containers") {
        for (sum, name) in wants.iter_mut().zip(RESOURCES).take(2) {
            *sum += amount(name, &container["resources"]["requests"][name]);
        }
    }
    wants
}

/// Whether a pod passes all filters but the spread over domains.
pub fn fits(place: &Place, pod: &Value) -> bool {
    let selected = pod.pointer("/spec/nodeSelector").is_none_or(|wanted| has_labels(&place.node, wanted));
    let open = place.node["spec"]["unschedulable"] != true;
    let room = place.left.iter().zip(wants(pod)).all(|(left, wants)| *left >= wants);
    let ports = |pod: &Value| -> Vec<i64> {
        let ports = list(pod, "/spec/containers").flat_map(|container| list(container, "/ports"));
        ports.filter_map(|port| port["hostPort"].as_i64()).collect()
    };
    let own = ports(pod);
    let taken = place.pods.iter().flat_map(|other| ports(other)).any(|port| own.contains(&port));
    let apart = |from: &Value, other: &Value| {
        let terms =
            list(from, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
        terms.into_iter().any(|term| has_labels(other, &term["labelSelector"]["matchLabels"]))
    };
    let avoided = place.pods.iter().any(|other| apart(pod, other) || apart(other, pod));
    selected && open && room && !taken && !avoided && !is_kept_off(&place.node["spec"]["taints"], pod)
}

/// `topologySpreadConstraints` that must hold. Domains are those of nodes that the pod selects; taints do not count.
fn spreads(places: &[Place], place: &Place, pod: &Value) -> bool {
    list(pod, "/spec/topologySpreadConstraints").all(|constraint| {
        let key = text(constraint, "/topologyKey");
        let selects = |place: &&Place| {
            pod.pointer("/spec/nodeSelector").is_none_or(|wanted| has_labels(&place.node, wanted))
        };
        let domain = |place: &Place| place.node["metadata"]["labels"][key].as_str().map(str::to_owned);
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for place in places.iter().filter(selects) {
            let Some(domain) = domain(place) else { continue };
            let own = place.pods.iter().filter(|other| {
                !is_going(other) && has_labels(other, &constraint["labelSelector"]["matchLabels"])
            });
            *counts.entry(domain).or_default() += i64::try_from(own.count()).unwrap_or(i64::MAX);
        }
        let Some(own) = domain(place).and_then(|domain| counts.get(&domain)) else { return false };
        let least = counts.values().min().copied().unwrap_or(0);
        own + 1 - least <= constraint["maxSkew"].as_i64().unwrap_or(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, zone: &str, taints: Value) -> Value {
        json!({"metadata": {"name": name, "labels": {"zone": zone}}, "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "10"},
                "conditions": [{"type": "Ready", "status": "True"}]}})
    }

    fn pod(name: &str, spec: Value) -> Value {
        let mut pod = json!({"metadata": {"name": name, "namespace": "n", "labels": {"app": "w"}},
            "spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}, "status": {"phase": "Pending"}});
        crate::json::merge(&mut pod["spec"], &spec);
        pod
    }

    fn bound(nodes: &[Value], pods: &[Value]) -> Vec<String> {
        let mut store = Store::default();
        nodes.iter().for_each(|node| store.apply(By::User, Resource::Node, node));
        pods.iter().for_each(|pod| store.apply(By::User, Resource::Pod, pod));
        schedule(&mut store);
        store.all(Resource::Pod).map(|pod| text(pod, "/spec/nodeName").to_owned()).collect()
    }

    #[test]
    fn pods_go_where_there_is_room() {
        let taint = json!([{"key": "t", "effect": "NoSchedule"}]);
        let nodes = [node("a", "x", taint), node("b", "y", json!([]))];
        let plain = |name: &str| pod(name, json!({}));
        assert_eq!(bound(&nodes, &[plain("1"), plain("2"), plain("3")]), ["b", "b", ""]);
        let tolerates = pod("1", json!({"tolerations": [{"operator": "Exists"}]}));
        assert_eq!(bound(&nodes, &[tolerates]), ["a"]);
        let ports = |name: &str| {
            let containers = json!([{"ports": [{"hostPort": 80}]}]);
            pod(name, json!({"containers": containers}))
        };
        assert_eq!(bound(&nodes, &[ports("1"), ports("2")]), ["b", ""]);
    }

    #[test]
    fn a_spread_keeps_its_skew() {
        let nodes = [node("a", "x", json!([])), node("b", "y", json!([]))];
        let spread = json!({"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1,
            "labelSelector": {"matchLabels": {"app": "w"}}}]});
        let pods: Vec<Value> = ["1", "2"].iter().map(|name| pod(name, spread.clone())).collect();
        assert_eq!(bound(&nodes, &pods), ["a", "b"]);
    }
}
