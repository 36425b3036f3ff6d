//! A cluster for a seed: Kubernetes objects as JSON, in an order that a user could write.
//!
//! A seed first draws a [`Mood`]: how much of each feature there is. Most moods leave most features out, so that
//! what is there meets what it can collide with.

use serde_json::{Value, json};

use super::vocabulary::{NAMESPACES, PRIORITIES};
use super::{devices, nodes, owned, pods, volumes};
use crate::rng::Rng;

/// How much of what a cluster has; chances in percent.
#[derive(Clone, Debug)]
pub(crate) struct Mood {
    pub nodes: usize,
    pub bound: usize,
    pub pending: usize,
    pub zones: usize,
    pub identical_nodes: bool,
    pub missing_labels: usize,
    pub cordons: usize,
    pub taints: usize,
    pub images: usize,
    pub tightness: usize,
    pub extended: usize,
    pub inits: usize,
    pub pod_level: usize,
    pub ports: usize,
    pub node_affinity: usize,
    pub pod_affinity: usize,
    pub spread: usize,
    pub priorities: usize,
    pub budgets: usize,
    pub leaving: usize,
    pub nominated: usize,
    pub gates: usize,
    pub services: usize,
    pub volumes: usize,
    pub owned: usize,
    pub runtimes: usize,
}

impl Mood {
    fn of(rng: &mut Rng) -> Mood {
        let mut some = |shares: &[usize]| *rng.pick(shares);
        let (nodes, bound) = (some(&[1, 2, 3, 5, 8, 12, 16, 24]), some(&[0, 4, 12, 24, 40]));
        Mood {
            nodes,
            bound,
            pending: some(&[2, 4, 6, 8]),
            zones: some(&[1, 2, 3, 3]),
            identical_nodes: some(&[0, 0, 0, 1]) == 1,
            missing_labels: some(&[0, 0, 15]),
            cordons: some(&[0, 0, 15, 40]),
            taints: some(&[0, 10, 40]),
            images: some(&[0, 0, 80]),
            tightness: some(&[0, 20, 60]),
            extended: some(&[0, 0, 50]),
            inits: some(&[0, 30]),
            pod_level: some(&[0, 0, 25]),
            ports: some(&[0, 0, 50]),
            node_affinity: some(&[0, 30, 70]),
            pod_affinity: some(&[0, 20, 50]),
            spread: some(&[0, 30, 70]),
            priorities: some(&[0, 50, 90]),
            budgets: some(&[0, 0, 60]),
            leaving: some(&[0, 0, 15]),
            nominated: some(&[0, 0, 25]),
            gates: some(&[0, 5]),
            services: some(&[0, 0, 60]),
            volumes: some(&[0, 30, 80]),
            owned: some(&[0, 0, 70]),
            runtimes: some(&[0, 0, 40]),
        }
    }
}

/// What a runtime costs.
pub(crate) fn overhead() -> Value {
    json!({"cpu": "250m", "memory": "120Mi"})
}

/// The objects of a seed.
pub fn cluster(seed: u64) -> Vec<Value> {
    let mut rng = Rng::new(seed);
    let mood = Mood::of(&mut rng);
    let mut objects = around(&mut rng, &mood);
    objects.extend(nodes::nodes(&mut rng, &mood));
    objects.extend(volumes::storage(&mut rng, &mood));
    objects.extend(owned::sets(&mut rng, &mood));
    objects.extend(pods::pods(&mut rng, &mood));
    devices::add(seed, &mut objects);
    objects
}

/// `heavy` has overhead, `special` a place of its own, `both` both.
fn runtime_classes(rng: &mut Rng) -> Vec<Value> {
    let class = |name: &str, heavy: bool, scheduling: Option<Value>| {
        let mut class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name},
                               "handler": name});
        if heavy {
            class["overhead"] = json!({"podFixed": overhead()});
        }
        if let Some(scheduling) = scheduling {
            class["scheduling"] = scheduling;
        }
        class
    };
    let mut scheduling = || {
        let effect = *rng.pick(&["NoSchedule", "NoExecute"]);
        json!({"nodeSelector": {"runtime": "special"},
               "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": effect}]})
    };
    let (special, both) = (scheduling(), scheduling());
    vec![class("heavy", true, None), class("special", false, Some(special)), class("both", true, Some(both))]
}

/// Namespaces, priority classes, disruption budgets, Services.
fn around(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for (name, team) in NAMESPACES {
        let labels = if rng.chance(80) { json!({"team": team}) } else { json!({}) };
        objects.push(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        );
    }
    for (name, value) in PRIORITIES {
        let mut class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                               "metadata": {"name": name}, "value": value});
        if name == "patient" {
            class["preemptionPolicy"] = "Never".into();
        }
        objects.push(class);
    }
    if mood.runtimes > 0 {
        objects.extend(runtime_classes(rng));
    }
    for number in 0..3 {
        let namespace = super::vocabulary::namespace(rng);
        if rng.chance(mood.budgets) {
            let selector = super::vocabulary::selector(rng, &super::vocabulary::POD_LABELS);
            let mut spec = json!({"selector": selector});
            match rng.below(8) {
                // What these mean for pods of a set is the disruption controller's to say.
                0 if mood.owned == 0 => spec["maxUnavailable"] = 1.into(),
                1 if mood.owned == 0 => spec["minAvailable"] = "50%".into(),
                _ => spec["minAvailable"] = rng.between(0, 4).into(),
            }
            let metadata = json!({"name": format!("budget-{number}"), "namespace": namespace});
            objects.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                                "metadata": metadata, "spec": spec}));
        }
        if rng.chance(mood.services) {
            let labels = super::vocabulary::labels(rng, &super::vocabulary::POD_LABELS[..2], 60);
            let metadata = json!({"name": format!("service-{number}"), "namespace": namespace});
            let port = json!({"port": 80});
            objects.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
                                "spec": {"selector": labels, "ports": [port]}}));
        }
    }
    objects
}
