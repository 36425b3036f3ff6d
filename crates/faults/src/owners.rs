//! The controllers that make and collect objects: Deployments' pods, DaemonSets' pods, and what has lost its owner.
//!
//! Follows `k8s.io/kubernetes` v1.36 `pkg/controller/{replicaset,statefulset,daemon,podgc,garbagecollector}`: pods that go
//! are replaced at once, a StatefulSet's once they are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubernetes::Resource;
use serde_json::{Value, json};

use crate::json::{is_going, is_kept_off, list, text};
use crate::store::{By, Key, Store, key_of};

/// How long a pod stays when its node is gone: the collector comes by every 20 s and waits 40 s.
const ORPHANED_MS: i64 = 60_000;

/// Something that wants so many pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Its name; its pods have it as the label `app`.
    pub name: String,
    /// How many.
    pub replicas: i64,
    /// Its pods keep their names.
    pub stateful: bool,
    /// `metadata` (labels, annotations) and `spec` of its pods.
    pub template: Value,
    /// Rolls with every change.
    pub revision: u32,
}

/// The namespace of every pod.
pub const NAMESPACE: &str = "shop";

/// The controllers.
#[derive(Debug, Default)]
pub struct Owners {
    /// What is wanted.
    pub workloads: Vec<Workload>,
    made: u64,
    orphaned: BTreeMap<Key, i64>,
    /// When something is to be done.
    pub wake: Option<i64>,
}

impl Owners {
    /// Takes everything one step further.
    pub fn step(&mut self, store: &mut Store) {
        self.wake = None;
        for workload in self.workloads.clone() {
            self.keep(store, &workload);
        }
        daemons(store);
        self.collect_pods(store);
        collect_dependents(store);
        crate::eviction::account(store, |owner| {
            self.workloads.iter().find(|own| own.name == owner).map(|own| own.replicas)
        });
    }

    fn keep(&mut self, store: &mut Store, workload: &Workload) {
        let own: Vec<(Key, Arc<Value>)> = store
            .keyed(Resource::Pod)
            .filter(|(_, pod)| {
                list(pod, "/metadata/ownerReferences").any(|own| own["name"] == *workload.name)
            })
            .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
            .collect();
        let live: Vec<&(Key, Arc<Value>)> = own.iter().filter(|(_, pod)| !is_going(pod)).collect();
        let wanted = usize::try_from(workload.replicas).unwrap_or(0);
        // Pods without a node go first, then the last.
        let mut surplus: Vec<&&(Key, Arc<Value>)> = live.iter().collect();
        surplus.sort_by_key(|(_, pod)| !text(pod, "/spec/nodeName").is_empty());
        for (key, _) in surplus.into_iter().take(live.len().saturating_sub(wanted)) {
            let _ = store.delete(By::Cluster, key, None);
        }
        // One at a time for a roll-out: the next once all are there.
        let old = |pod: &Value| text(pod, "/metadata/labels/revision") != workload.revision.to_string();
        let ready = live.iter().all(|(_, pod)| !text(pod, "/spec/nodeName").is_empty());
        if own.len() == wanted && ready {
            for (key, _) in live.iter().filter(|(_, pod)| old(pod)).take(1) {
                let _ = store.delete(By::Cluster, key, None);
            }
        }
        let taken: BTreeSet<&str> = own.iter().map(|(key, _)| key.2.as_str()).collect();
        for ordinal in 0..wanted.saturating_sub(live.len()) {
            let name = if workload.stateful {
                let free = (0..wanted).map(|number| format!("{}-{number}", workload.name));
                let Some(name) = free.filter(|name| !taken.contains(name.as_str())).nth(ordinal) else {
                    break;
                };
                name
            } else {
                self.made += 1;
                format!("{}-{}", workload.name, self.made)
            };
            let _ = store.create(By::Cluster, Resource::Pod, &pod(workload, &name));
        }
    }

    /// Pods of nodes that are gone go.
    fn collect_pods(&mut self, store: &mut Store) {
        let homeless = |pod: &Value| {
            let node = text(pod, "/spec/nodeName");
            !node.is_empty() && store.get(Resource::Node, "", node).is_none()
        };
        let keys: Vec<Key> =
            store.keyed(Resource::Pod).filter(|(_, pod)| homeless(pod)).map(|(key, _)| key.clone()).collect();
        self.orphaned.retain(|key, _| keys.contains(key));
        for key in keys {
            let at = *self.orphaned.entry(key.clone()).or_insert(store.now_ms) + ORPHANED_MS;
            if store.now_ms >= at {
                store.remove(By::Cluster, &key);
            } else {
                self.wake = Some(self.wake.map_or(at, |own| own.min(at)));
            }
        }
    }
}

fn pod(workload: &Workload, name: &str) -> Value {
    let mut pod = workload.template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!(NAMESPACE);
    pod["metadata"]["labels"]["app"] = json!(workload.name);
    pod["metadata"]["labels"]["revision"] = json!(workload.revision.to_string());
    let kind = if workload.stateful { "StatefulSet" } else { "ReplicaSet" };
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": kind,
        "name": workload.name, "uid": workload.name, "controller": true}]);
    pod["status"] = json!({"phase": "Pending"});
    pod
}

/// One pod of each DaemonSet on each node that takes it.
fn daemons(store: &mut Store) {
    let sets: Vec<Arc<Value>> = store.all(Resource::DaemonSet).map(Arc::clone).collect();
    let nodes: Vec<Arc<Value>> = store.all(Resource::Node).map(Arc::clone).collect();
    for set in &sets {
        for node in &nodes {
            let (name, node_name) = (text(set, "/metadata/name"), text(node, "/metadata/name"));
            let mut pod = set["spec"]["template"].clone();
            // Those that a DaemonSet's pods have anyway.
            let mut tolerations: Vec<Value> = list(&pod, "/spec/tolerations").cloned().collect();
            tolerations.extend(
                ["not-ready", "unreachable", "unschedulable"]
                    .map(|key| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists"})),
            );
            pod["spec"]["tolerations"] = json!(tolerations);
            if is_going(node) || is_kept_off(&node["spec"]["taints"], &pod) {
                continue;
            }
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod["metadata"]["name"] = json!(format!("{name}-{node_name}"));
            pod["metadata"]["namespace"] = json!(NAMESPACE);
            pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet",
                "name": name, "uid": name, "controller": true}]);
            pod["spec"]["nodeName"] = json!(node_name);
            pod["status"] = json!({"phase": "Pending"});
            if store.get(Resource::Pod, NAMESPACE, text(&pod, "/metadata/name")).is_none() {
                let _ = store.create(By::Cluster, Resource::Pod, &pod);
            }
        }
    }
}

/// What has lost its owner goes.
fn collect_dependents(store: &mut Store) {
    let uids: BTreeSet<String> = [Resource::NodePool, Resource::NodeClaim]
        .into_iter()
        .flat_map(|kind| store.all(kind).map(|owner| text(owner, "/metadata/uid").to_owned()))
        .collect();
    let lost = |value: &Value| {
        let mut owners = list(value, "/metadata/ownerReferences").peekable();
        owners.peek().is_some() && !is_going(value) && owners.all(|own| !uids.contains(text(own, "/uid")))
    };
    let keys: Vec<Key> = [Resource::NodeClaim, Resource::Node]
        .into_iter()
        .flat_map(|kind| store.all(kind).filter(|value| lost(value)).map(move |value| key_of(kind, value)))
        .collect();
    for key in keys {
        let _ = store.delete(By::Cluster, &key, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(store: &Store) -> Vec<String> {
        store.keyed(Resource::Pod).map(|(key, _)| key.2.clone()).collect()
    }

    #[test]
    fn pods_that_go_are_replaced() {
        let mut store = Store::default();
        let workload = |name: &str, stateful| Workload {
            name: name.to_owned(),
            replicas: 2,
            stateful,
            template: json!({"metadata": {}, "spec": {"nodeName": "a"}}),
            revision: 0,
        };
        store.apply(By::User, Resource::Node, &json!({"metadata": {"name": "a"}}));
        let mut owners =
            Owners { workloads: vec![workload("d", false), workload("s", true)], ..Owners::default() };
        owners.step(&mut store);
        assert_eq!(names(&store), ["d-1", "d-2", "s-0", "s-1"]);
        for name in ["d-1", "s-0"] {
            let key = (Resource::Pod, NAMESPACE.to_owned(), name.to_owned());
            assert_eq!(store.delete(By::User, &key, None), Ok(()));
        }
        owners.step(&mut store);
        assert_eq!(names(&store), ["d-1", "d-2", "d-3", "s-0", "s-1"], "s-0 still goes");
        store.remove(By::Cluster, &(Resource::Pod, NAMESPACE.to_owned(), "s-0".to_owned()));
        owners.step(&mut store);
        assert!(names(&store).contains(&"s-0".to_owned()));
        owners.workloads[0].replicas = 0;
        owners.step(&mut store);
        assert!(
            store
                .all(Resource::Pod)
                .filter(|pod| pod["metadata"]["labels"]["app"] == "d")
                .all(|pod| is_going(pod))
        );
    }

    #[test]
    fn what_has_lost_its_owner_goes() {
        let mut store = Store::default();
        let claim =
            json!({"metadata": {"name": "c", "ownerReferences": [{"uid": "gone"}], "finalizers": ["f"]}});
        store.apply(By::User, Resource::NodeClaim, &claim);
        store.apply(By::User, Resource::Node, &json!({"metadata": {"name": "free"}}));
        Owners::default().step(&mut store);
        assert!(store.all(Resource::NodeClaim).all(|claim| is_going(claim)));
        assert!(store.all(Resource::Node).all(|node| !is_going(node)));
    }
}
