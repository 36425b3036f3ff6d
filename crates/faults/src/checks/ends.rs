//! What still waits when everything should be at rest, and for what. What waits for something that nobody will do is
//! well: a pod that no pool can take, a node whose pods must not be disrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubernetes::{Resource, kwok};
use serde_json::Value;

use super::budgets::allowed;
use super::pool;
use crate::eviction::about;
use crate::json::{amount, has_labels, holds, is_going, is_kept_off, list, text};
use crate::scheduler::{Place, fits, places, wants};
use crate::store::Store;
use crate::world::World;

/// Everything that waits, each as `rule: what`.
pub fn waits(world: &World) -> Vec<String> {
    let store = &world.store;
    let mut waits = Vec::new();
    pods(store, &mut waits);
    claims(store, &mut waits);
    nodes(store, &mut waits);
    let providers = provider_ids(store, Resource::NodeClaim, "/status/providerID");
    for (name, instance) in &world.cloud.instances {
        if !providers.contains(&format!("{}{name}", kwok::PROVIDER_PREFIX)) {
            waits.push(format!("an instance without a claim: {name} of {}", instance.claim));
        }
    }
    waits
}

fn provider_ids(store: &Store, kind: Resource, path: &str) -> BTreeSet<String> {
    store.all(kind).map(|value| text(value, path).to_owned()).collect()
}

fn pods(store: &Store, waits: &mut Vec<String>) {
    for pod in store.all(Resource::Pod) {
        let name = text(pod, "/metadata/name");
        if is_going(pod) {
            waits.push(format!("a pod that does not end: {name}"));
        } else if text(pod, "/spec/nodeName").is_empty() {
            let takes = store.all(Resource::NodePool).find(|own| could_take(store, own, pod));
            if let Some(taker) = takes {
                waits.push(format!(
                    "a pod without a node: {name}, which {} could take",
                    text(taker, "/metadata/name")
                ));
            }
        }
    }
}

/// Whether a pool could make a node for a pod: it tolerates the taints, its selector fits, and the smallest type that
/// holds it is within the limits.
fn could_take(store: &Store, own: &Value, pod: &Value) -> bool {
    let name = text(own, "/metadata/name");
    let spec = &own["spec"]["template"]["spec"];
    if is_going(own) || is_kept_off(&spec["taints"], pod) {
        return false;
    }
    let allows = |key: &str, value: &str| {
        list(spec, "/requirements").filter(|entry| entry["key"] == key).all(|entry| {
            match text(entry, "/operator") {
                "In" => list(entry, "/values").any(|own| own == value),
                "Lt" => {
                    let bound = list(entry, "/values")
                        .filter_map(Value::as_str)
                        .find_map(|own| own.parse::<i64>().ok());
                    value.parse::<i64>().is_ok_and(|value| bound.is_some_and(|bound| value < bound))
                }
                _ => true,
            }
        })
    };
    let selected = pod["spec"]["nodeSelector"].as_object().into_iter().flatten().all(|(key, value)| {
        let value = value.as_str().unwrap_or_default();
        if key == "karpenter.sh/nodepool" { value == name } else { allows(key, value) }
    });
    let daemons: Vec<[i64; 3]> = store
        .all(Resource::DaemonSet)
        .map(|set| &set["spec"]["template"])
        .filter(|template| !is_kept_off(&spec["taints"], template))
        .map(wants)
        .collect();
    let wanted: Vec<i64> =
        (0..3).map(|index| wants(pod)[index] + daemons.iter().map(|own| own[index]).sum::<i64>()).collect();
    let used: i64 = store
        .all(Resource::NodeClaim)
        .filter(|claim| pool(claim) == name)
        .map(|claim| amount("cpu", &claim["status"]["capacity"]["cpu"]))
        .sum();
    let limit = own.pointer("/spec/limits/cpu").map(|limit| amount("cpu", limit));
    let offers = kwok::offers();
    let smallest = offers
        .iter()
        .filter(|offered| offered.name.ends_with("-linux"))
        .filter(|offered| {
            allows("karpenter.kwok.sh/instance-size", &(offered.capacity.cpu_millis / 1_000).to_string())
        })
        .filter(|offered| {
            let room =
                [offered.allocatable.cpu_millis, offered.allocatable.memory_bytes, offered.allocatable.pods];
            room.iter().zip(&wanted).all(|(room, wanted)| room >= wanted)
        })
        .map(|offered| offered.capacity.cpu_millis)
        .min();
    let fits = smallest.is_some_and(|cpu| limit.is_none_or(|limit| used + cpu <= limit));
    selected && fits && zone_is_free(store, own, pod)
}

/// A pod that is spread over zones cannot run where the emptiest of them takes none: then nobody can help it.
fn zone_is_free(store: &Store, own: &Value, pod: &Value) -> bool {
    let spread =
        list(pod, "/spec/topologySpreadConstraints").any(|own| text(own, "/topologyKey").ends_with("zone"));
    let zones = |pool: &Value| -> BTreeSet<String> {
        let all = ["test-zone-a", "test-zone-b", "test-zone-c", "test-zone-d"];
        let entries = list(pool, "/spec/template/spec/requirements");
        let own = entries.filter(|entry| text(entry, "/key").ends_with("/zone"));
        let named: Option<BTreeSet<String>> = own
            .map(|entry| list(entry, "/values").filter_map(Value::as_str).map(str::to_owned).collect())
            .next();
        named.unwrap_or_else(|| all.iter().map(|zone| (*zone).to_owned()).collect())
    };
    // Zones of other pools count as well, and those may be full.
    !spread
        || store
            .all(Resource::NodePool)
            .all(|other| zones(other) == zones(own) && other.pointer("/spec/limits").is_none())
}

fn claims(store: &Store, waits: &mut Vec<String>) {
    let nodes = provider_ids(store, Resource::Node, "/spec/providerID");
    for claim in store.all(Resource::NodeClaim) {
        let name = text(claim, "/metadata/name");
        let provider = text(claim, "/status/providerID");
        let node = store.all(Resource::Node).find(|node| text(node, "/spec/providerID") == provider);
        if is_going(claim) {
            if !node.is_some_and(|node| is_held(store, node)) {
                waits.push(format!("a claim that does not go: {name}"));
            }
        } else if !nodes.contains(provider) || provider.is_empty() {
            waits.push(format!("a claim without a node: {name}"));
        } else if let Some(lacks) =
            ["Launched", "Registered", "Initialized", "Ready"].iter().find(|own| !holds(claim, own))
        {
            waits.push(format!("a claim that is not {lacks}: {name}"));
        }
    }
}

/// Whether something on a node must not be disrupted.
fn is_held(store: &Store, node: &Value) -> bool {
    let on_node =
        store.all(Resource::Pod).filter(|pod| text(pod, "/spec/nodeName") == text(node, "/metadata/name"));
    on_node.into_iter().any(|pod| {
        let protected = text(pod, "/metadata/annotations/karpenter.sh~1do-not-disrupt") == "true";
        let allows_none = about(store, pod).any(|own| own["status"]["disruptionsAllowed"] == 0);
        protected || allows_none
    })
}

fn nodes(store: &Store, waits: &mut Vec<String>) {
    let claims = provider_ids(store, Resource::NodeClaim, "/status/providerID");
    let mut idle = Vec::new();
    for node in store.all(Resource::Node) {
        let name = text(node, "/metadata/name");
        let provider = text(node, "/spec/providerID");
        let goes = is_leaving(store, node);
        let has_taint = |key: &str| list(node, "/spec/taints").any(|taint| taint["key"] == key);
        if !claims.contains(provider) {
            waits.push(format!("a node without a claim: {name}"));
        } else if goes && !is_held(store, node) {
            waits.push(format!("a node that does not go: {name}"));
        } else if !goes && has_taint("karpenter.sh/disrupted") {
            waits.push(format!("a taint that nobody takes back: {name}"));
        } else if has_taint("karpenter.sh/unregistered") {
            waits.push(format!("a node that is not registered: {name}"));
        } else if !goes && is_idle(store, node) {
            idle.push(name);
        }
    }
    waits.extend(unwanted(store, &idle).iter().map(|name| format!("a node that nobody needs: {name}")));
}

/// Nothing but DaemonSets' pods on it, and its pool's budgets let it go at any time.
fn is_idle(store: &Store, node: &Value) -> bool {
    let Some(pool) = store.get(Resource::NodePool, "", pool(node)) else { return false };
    let on_node =
        store.all(Resource::Pod).filter(|pod| text(pod, "/spec/nodeName") == text(node, "/metadata/name"));
    let is_empty = on_node
        .into_iter()
        .all(|pod| list(pod, "/metadata/ownerReferences").any(|own| own["kind"] == "DaemonSet"));
    let scheduled = list(pool, "/spec/disruption/budgets").any(|own| own.get("schedule").is_some());
    is_empty
        && !scheduled
        && !is_spent(store, pool)
        && has_labels(node, &pool["spec"]["template"]["metadata"]["labels"])
}

/// Whether nodes that go already, or are not Ready, take up what the pool's budgets allow
/// (`pkg/controllers/disruption/helpers.go`, `BuildDisruptionBudgetMapping`).
fn is_spent(store: &Store, pool: &Value) -> bool {
    let of_pool = |claim: &&Arc<Value>| super::pool(claim) == text(pool, "/metadata/name");
    let claims = store.all(Resource::NodeClaim).filter(of_pool);
    let counted = claims.filter(|claim| holds(claim, "Initialized") && !holds(claim, "InstanceTerminating"));
    let (mut nodes, mut taken) = (0, 0);
    for claim in counted {
        let provider = text(claim, "/status/providerID");
        let node = store.all(Resource::Node).find(|node| text(node, "/spec/providerID") == provider);
        nodes += 1;
        taken += i64::from(node.is_none_or(|node| is_leaving(store, node) || !holds(node, "Ready")));
    }
    let about = |budget: &Value| {
        budget.get("reasons").is_none() || list(budget, "/reasons").any(|reason| reason == "Empty")
    };
    allowed(pool, nodes, about).is_some_and(|allowed| taken >= allowed)
}

/// Idle nodes that no pod is planned for. Every ten seconds pods that wait are planned anew, with those that are held on
/// nodes that go (`pkg/controllers/provisioning/provisioner.go`, `Schedule`); as long their places are not disrupted
/// (`pkg/controllers/state/statenode.go`, `ValidateNodeDisruptable`). A pod keeps one node, where it fits.
fn unwanted<'s>(store: &'s Store, idle: &[&'s str]) -> Vec<&'s str> {
    let places = places(store);
    let fitting: Vec<Vec<&str>> = store
        .all(Resource::Pod)
        .filter(|pod| is_planned_for(store, pod))
        .map(|pod| {
            let own = places.iter().filter(|place| fits(place, pod));
            let names: BTreeSet<&str> = own.map(Place::name).collect();
            idle.iter().copied().filter(|name| names.contains(name)).collect()
        })
        .collect();
    let mut kept = BTreeMap::new();
    for pod in 0..fitting.len() {
        keep(&fitting, pod, &mut BTreeSet::new(), &mut kept);
    }
    idle.iter().copied().filter(|name| !kept.contains_key(name)).collect()
}

/// Finds a node for a pod; pods that have one move over.
fn keep<'s>(
    fitting: &[Vec<&'s str>],
    pod: usize,
    asked: &mut BTreeSet<&'s str>,
    kept: &mut BTreeMap<&'s str, usize>,
) -> bool {
    for name in &fitting[pod] {
        if !asked.insert(name) {
            continue;
        }
        let other = kept.get(name).copied();
        if other.is_none_or(|other| keep(fitting, other, asked, kept)) {
            kept.insert(name, pod);
            return true;
        }
    }
    false
}

/// Whether a place is planned for a pod: it has none, or it is held on a node that goes, though not for ever
/// (`pkg/utils/pdb/pdb.go`, `IsCurrentlyReschedulable`).
fn is_planned_for(store: &Store, pod: &Value) -> bool {
    let node = text(pod, "/spec/nodeName");
    if is_going(pod) || list(pod, "/metadata/ownerReferences").any(|own| own["kind"] == "DaemonSet") {
        return false;
    }
    let leaves = store.get(Resource::Node, "", node).is_some_and(|node| is_leaving(store, node));
    let protected = text(pod, "/metadata/annotations/karpenter.sh~1do-not-disrupt") == "true";
    let never = |budget: &Value| {
        let spec = &budget["spec"];
        let none = |field: &Value| *field == 0 || *field == "0%";
        none(&spec["maxUnavailable"]) || spec["minAvailable"] == "100%"
    };
    let blocked = about(store, pod).count() > 1 || about(store, pod).any(|budget| never(budget));
    node.is_empty() || leaves && !protected && !blocked
}

fn is_leaving(store: &Store, node: &Value) -> bool {
    let provider = text(node, "/spec/providerID");
    let claim = store.all(Resource::NodeClaim).find(|claim| text(claim, "/status/providerID") == provider);
    is_going(node) || claim.is_some_and(|claim| is_going(claim))
}
