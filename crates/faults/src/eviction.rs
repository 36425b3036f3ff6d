//! The eviction API, and the controller that says how many evictions each disruption budget allows.
//!
//! Follows `k8s.io/kubernetes` v1.36 `pkg/registry/core/pod/storage/eviction.go` and `pkg/controller/disruption`.

use serde_json::{Value, json};

use crate::json::{has_labels, holds, is_going, list, text};
use crate::store::{By, Key, Refused, Store, refused};
use kubernetes::Resource;

/// Asks for a pod to go, if its budget allows it.
///
/// # Errors
/// `NotFound`, `Conflict`, `TooManyRequests`; `InternalError` when two budgets are about the pod.
pub fn evict(store: &mut Store, by: By, key: &Key, uid: &str) -> Result<(), Refused> {
    let Some(pod) = store.get(Resource::Pod, &key.1, &key.2).cloned() else {
        return Err(refused(404, "NotFound", format!("{} not found", key.2)));
    };
    if pod["metadata"]["uid"] != uid {
        return Err(refused(409, "Conflict", "the UID in the precondition does not match"));
    }
    let phase = text(&pod, "/status/phase");
    if is_going(&pod) || matches!(phase, "Pending" | "Succeeded" | "Failed") {
        return store.delete(by, key, Some(uid));
    }
    let own: Vec<Value> = about(store, &pod).map(|budget| (**budget).clone()).collect();
    match own.as_slice() {
        [] => {}
        [budget] => take_one(store, budget, &pod)?,
        _ => return Err(refused(500, "InternalError", "the pod has more than one PodDisruptionBudget")),
    }
    store.delete(by, key, Some(uid))
}

/// The budgets about a pod.
pub fn about<'s>(store: &'s Store, pod: &Value) -> impl Iterator<Item = &'s std::sync::Arc<Value>> {
    store.all(Resource::PodDisruptionBudget).filter(move |budget| is_about(budget, pod))
}

fn is_about(budget: &Value, pod: &Value) -> bool {
    budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
        && has_labels(pod, &budget["spec"]["selector"]["matchLabels"])
}

/// Takes one of the evictions that a budget allows.
fn take_one(store: &mut Store, budget: &Value, pod: &Value) -> Result<(), Refused> {
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    let known = number("observedGeneration") >= budget["metadata"]["generation"].as_i64().unwrap_or(1);
    let healthy = number("currentHealthy") >= number("desiredHealthy") && number("desiredHealthy") > 0;
    if !holds(pod, "Ready") && healthy {
        return Ok(());
    }
    let allowed = number("disruptionsAllowed");
    if !known || allowed <= 0 {
        return Err(refused(429, "TooManyRequests", "it would violate the pod's disruption budget"));
    }
    let mut status = budget["status"].clone();
    status["disruptionsAllowed"] = json!(allowed - 1);
    status["disruptedPods"][text(pod, "/metadata/name")] = store.time();
    let key = crate::store::key_of(Resource::PodDisruptionBudget, budget);
    store.patch(By::Cluster, &key, true, &json!({"status": status}))
}

/// Works out the status of every budget. `replicas` says how many pods the owner of that namespace and name wants.
pub fn account(store: &mut Store, replicas: impl Fn(&str) -> Option<i64>) {
    let all: Vec<(Key, Value)> = store
        .keyed(Resource::PodDisruptionBudget)
        .map(|(key, budget)| (key.clone(), status(store, budget, &replicas)))
        .collect();
    for (key, status) in all {
        let _ = store.patch(By::Cluster, &key, true, &json!({"status": status}));
    }
}

fn status(store: &Store, budget: &Value, replicas: &impl Fn(&str) -> Option<i64>) -> Value {
    let own: Vec<_> = store.all(Resource::Pod).filter(|pod| is_about(budget, pod)).collect();
    let known = &budget["status"]["disruptedPods"];
    let marked: serde_json::Map<String, Value> = own
        .iter()
        .filter(|pod| !is_going(pod))
        .map(|pod| text(pod, "/metadata/name"))
        .filter_map(|name| Some((name.to_owned(), known.get(name)?.clone())))
        .collect();
    let is_healthy = |pod: &Value| {
        holds(pod, "Ready") && !is_going(pod) && !marked.contains_key(text(pod, "/metadata/name"))
    };
    let healthy = own.iter().filter(|pod| is_healthy(pod)).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let mut owners: Vec<&str> = own
        .iter()
        .flat_map(|pod| list(pod, "/metadata/ownerReferences"))
        .map(|own| text(own, "/name"))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    let scale: i64 = owners.into_iter().filter_map(replicas).sum();
    let (expected, desired) = match (&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]) {
        (Value::Null, most) => (scale, (scale - share(most, scale)).max(0)),
        (Value::String(_), _) => (scale, share(&budget["spec"]["minAvailable"], scale)),
        (least, _) => (i64::try_from(own.len()).unwrap_or(i64::MAX), least.as_i64().unwrap_or(0)),
    };
    // A merge patch takes away only what it names.
    let mut pods: serde_json::Map<String, Value> =
        known.as_object().into_iter().flatten().map(|(name, _)| (name.clone(), Value::Null)).collect();
    pods.extend(marked);
    json!({
        "observedGeneration": budget["metadata"]["generation"], "currentHealthy": healthy,
        "desiredHealthy": desired, "expectedPods": expected, "disruptedPods": pods,
        "disruptionsAllowed": if expected > 0 { (healthy - desired).max(0) } else { 0 },
    })
}

/// A number, or a share of the pods, rounded up.
fn share(bound: &Value, pods: i64) -> i64 {
    match bound.as_str().and_then(|text| text.strip_suffix('%')) {
        Some(percent) => (percent.parse::<i64>().unwrap_or(0) * pods + 99).div_euclid(100),
        None => bound.as_i64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(spec: Value) -> Store {
        let mut store = Store::default();
        let budget = json!({"metadata": {"name": "b", "namespace": "n"}, "spec": spec});
        store.apply(By::User, Resource::PodDisruptionBudget, &budget);
        for name in ["p", "q", "r"] {
            let pod = json!({
                "metadata": {"name": name, "namespace": "n", "labels": {"app": "w"},
                    "ownerReferences": [{"name": "w"}]},
                "spec": {"nodeName": "a"},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            });
            store.apply(By::User, Resource::Pod, &pod);
        }
        account(&mut store, |_| Some(3));
        store
    }

    fn try_all(store: &mut Store) -> Vec<u16> {
        let keys: Vec<(Key, String)> = store
            .keyed(Resource::Pod)
            .map(|(key, pod)| (key.clone(), text(pod, "/metadata/uid").to_owned()))
            .collect();
        keys.iter()
            .map(|(key, uid)| evict(store, By::User, key, uid).err().map_or(200, |no| no.code))
            .collect()
    }

    #[test]
    fn a_budget_allows_what_it_allows() {
        let selector = json!({"matchLabels": {"app": "w"}});
        let mut one = store(json!({"maxUnavailable": 1, "selector": selector}));
        assert_eq!(try_all(&mut one), [200, 429, 429]);
        account(&mut one, |_| Some(3));
        assert_eq!(try_all(&mut one), [200, 429, 429], "the first one goes already");
        let mut half = store(json!({"minAvailable": "50%", "selector": selector}));
        assert_eq!(try_all(&mut half), [200, 429, 429], "two stay");
        let mut others = store(json!({"maxUnavailable": 0, "selector": {"matchLabels": {"app": "x"}}}));
        assert_eq!(try_all(&mut others), [200, 200, 200]);
    }
}
