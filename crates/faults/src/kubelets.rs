//! The kubelets (KWOK's): nodes become Ready, pods start and end; a zone's kubelets can be away.

use std::collections::BTreeMap;
use std::sync::Arc;

use kubernetes::Resource;
use serde_json::{Value, json};

use crate::fault::Group;
use crate::json::{holds, is_going, list, text};
use crate::store::{By, Key, Store};

/// From joining to Ready, milliseconds.
const READY_AFTER_MS: i64 = 200;
/// From being asked to end to having ended.
const ENDS_AFTER_MS: i64 = 1_000;
/// `node-monitor-grace-period`.
const UNREACHABLE_AFTER_MS: i64 = 40_000;
/// `tolerationSeconds` of `node.kubernetes.io/unreachable` that every pod gets.
const EVICTED_AFTER_MS: i64 = 300_000;
/// The zone of a node.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// What is wrong with kubelets now.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// Nodes that never get ready.
    pub unready: bool,
    /// Zones whose kubelets are away, and since when.
    pub away: BTreeMap<String, i64>,
    /// Pods do not end.
    pub stuck: bool,
}

/// The kubelets.
#[derive(Debug, Default)]
pub struct Kubelets {
    /// When each node joined.
    joined: BTreeMap<String, i64>,
    /// When each pod was asked to go.
    asked: BTreeMap<Key, i64>,
    /// When something is to be done.
    pub wake: Option<i64>,
    /// What the trouble changed since this was last taken.
    pub effects: Vec<Group>,
}

impl Kubelets {
    /// Takes everything one step further.
    pub fn step(&mut self, store: &mut Store, trouble: &Trouble) {
        self.wake = None;
        let nodes: Vec<(Key, Arc<Value>)> =
            store.keyed(Resource::Node).map(|(key, node)| (key.clone(), Arc::clone(node))).collect();
        let mut away = BTreeMap::new();
        for (key, node) in &nodes {
            let zone = text(&node["metadata"]["labels"], &format!("/{}", ZONE.replace('/', "~1")));
            if let Some(since) = trouble.away.get(zone) {
                away.insert(key.2.clone(), *since);
                self.lose(store, key, node, *since);
            } else {
                self.keep(store, key, node, trouble);
            }
        }
        self.joined.retain(|name, _| nodes.iter().any(|(key, _)| key.2 == *name));
        self.pods(store, &away, trouble.stuck);
    }

    /// A node whose kubelet is there.
    fn keep(&mut self, store: &mut Store, key: &Key, node: &Value, trouble: &Trouble) {
        let joined = *self.joined.entry(key.2.clone()).or_insert(store.now_ms);
        if holds(node, "Ready") {
            return;
        }
        if trouble.unready && list(node, "/status/conditions").next().is_none() {
            return self.effects.push(Group::Cloud);
        }
        if store.now_ms < joined + READY_AFTER_MS {
            return self.later(joined + READY_AFTER_MS);
        }
        let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let _ = store.patch(By::Cluster, key, true, &ready);
        let lost = |taint: &&Value| taint["key"] == "node.kubernetes.io/unreachable";
        if list(node, "/spec/taints").any(|taint| lost(&taint)) {
            let others: Vec<&Value> = list(node, "/spec/taints").filter(|taint| !lost(taint)).collect();
            let _ = store.patch(By::Cluster, key, false, &json!({"spec": {"taints": others}}));
        }
    }

    /// A node whose kubelet is away: it is unreachable after a while.
    fn lose(&mut self, store: &mut Store, key: &Key, node: &Value, since: i64) {
        let at = since + UNREACHABLE_AFTER_MS;
        if store.now_ms < at {
            return self.later(at);
        }
        if list(node, "/spec/taints").any(|taint| taint["key"] == "node.kubernetes.io/unreachable") {
            return;
        }
        self.effects.push(Group::Zone);
        let unknown = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
        let _ = store.patch(By::Cluster, key, true, &unknown);
        let mut taints: Vec<Value> = list(node, "/spec/taints").cloned().collect();
        let taint = |effect: &str| json!({"key": "node.kubernetes.io/unreachable", "effect": effect});
        taints.extend([taint("NoSchedule"), taint("NoExecute")]);
        let _ = store.patch(By::Cluster, key, false, &json!({"spec": {"taints": taints}}));
    }

    fn pods(&mut self, store: &mut Store, away: &BTreeMap<String, i64>, stuck: bool) {
        let pods: Vec<(Key, Arc<Value>)> = store
            .keyed(Resource::Pod)
            .filter(|(_, pod)| !text(pod, "/spec/nodeName").is_empty())
            .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
            .collect();
        for (key, pod) in &pods {
            if let Some(since) = away.get(text(pod, "/spec/nodeName")) {
                self.evict_from_lost(store, key, pod, *since);
            } else if is_going(pod) {
                let asked = *self.asked.entry(key.clone()).or_insert(store.now_ms);
                if stuck {
                    self.effects.push(Group::Pods);
                    continue;
                }
                if store.now_ms < asked + ENDS_AFTER_MS {
                    self.later(asked + ENDS_AFTER_MS);
                } else {
                    store.remove(By::Cluster, key);
                }
            } else if !holds(pod, "Ready") {
                let status = json!({"status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [
                    {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]}});
                let _ = store.patch(By::Cluster, key, true, &status);
            }
        }
        self.asked.retain(|key, _| pods.iter().any(|(own, pod)| own == key && is_going(pod)));
    }

    /// The pods of an unreachable node are asked to go; nobody there ends them.
    fn evict_from_lost(&mut self, store: &mut Store, key: &Key, pod: &Value, since: i64) {
        let unready = since + UNREACHABLE_AFTER_MS;
        let at = unready + EVICTED_AFTER_MS;
        let of_daemon = list(pod, "/metadata/ownerReferences").any(|own| own["kind"] == "DaemonSet");
        if store.now_ms >= unready && holds(pod, "Ready") {
            let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
            let _ = store.patch(By::Cluster, key, true, &status);
        }
        if is_going(pod) || of_daemon {
            return;
        }
        if store.now_ms < at {
            self.later(at);
        } else {
            let _ = store.delete(By::Cluster, key, None);
        }
    }

    fn later(&mut self, at: i64) {
        self.wake = Some(self.wake.map_or(at, |own| own.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        let node = json!({"metadata": {"name": "a", "labels": {ZONE: "z"}}, "spec": {}});
        store.apply(By::User, Resource::Node, &node);
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "a"}});
        store.apply(By::User, Resource::Pod, &pod);
        store
    }

    fn at(kubelets: &mut Kubelets, store: &mut Store, second: i64, trouble: &Trouble) -> (bool, bool) {
        store.now_ms = second * 1_000;
        kubelets.step(store, trouble);
        let pod = store.get(Resource::Pod, "n", "p").is_some_and(|pod| !is_going(pod));
        (store.all(Resource::Node).all(|node| holds(node, "Ready")), pod)
    }

    #[test]
    fn nodes_get_ready_and_pods_end() {
        let (mut store, mut kubelets, well) = (store(), Kubelets::default(), Trouble::default());
        assert_eq!(at(&mut kubelets, &mut store, 0, &well), (false, true));
        assert_eq!(kubelets.wake, Some(200));
        assert_eq!(at(&mut kubelets, &mut store, 1, &well), (true, true));
        let key = (Resource::Pod, "n".to_owned(), "p".to_owned());
        assert_eq!(store.delete(By::User, &key, None), Ok(()));
        at(&mut kubelets, &mut store, 1, &Trouble { stuck: true, ..Trouble::default() });
        at(&mut kubelets, &mut store, 60, &Trouble { stuck: true, ..Trouble::default() });
        assert!(store.get(Resource::Pod, "n", "p").is_some());
        at(&mut kubelets, &mut store, 61, &well);
        assert!(store.get(Resource::Pod, "n", "p").is_none());
    }

    #[test]
    fn a_zone_that_is_away_loses_its_pods_after_a_while() {
        let (mut store, mut kubelets) = (store(), Kubelets::default());
        at(&mut kubelets, &mut store, 1, &Trouble::default());
        at(&mut kubelets, &mut store, 2, &Trouble::default());
        let away = Trouble { away: [("z".to_owned(), 10_000)].into(), ..Trouble::default() };
        assert_eq!(at(&mut kubelets, &mut store, 49, &away), (true, true));
        assert_eq!(at(&mut kubelets, &mut store, 50, &away), (false, true));
        assert_eq!(at(&mut kubelets, &mut store, 350, &away), (false, false));
        assert!(store.get(Resource::Pod, "n", "p").is_some(), "nobody ends it");
        at(&mut kubelets, &mut store, 351, &Trouble::default());
        assert!(at(&mut kubelets, &mut store, 353, &Trouble::default()).0);
        assert!(store.get(Resource::Pod, "n", "p").is_none());
    }
}
