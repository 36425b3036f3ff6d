//! Calls about NodePools: the hash of the template, and the status.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodepool/{counter,hash,readiness,registrationhealth,validation}`.
//! What makes a pool invalid beyond its CRD's rules keeps it out of the model, and is its condition's message.

use api::nodepool_hash::{self, HASH_ANNOTATION, VERSION_ANNOTATION};
use cluster::node_claim::ClaimStage;
use cluster::{Cluster, Kind, Name, Resources};
use provisioning::pool;
use serde_json::{Map, Value, json};

use super::conditions::{AWAITING, Conditions, Said, Status};
use super::{Call, at_version, patch};
use crate::kwok;
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// The condition that says whether nodes of a pool join.
const HEALTHY: &str = "NodeRegistrationHealthy";

/// The annotations that remember a template.
pub(super) fn hash_of(template: &Value) -> [(&'static str, String); 2] {
    [
        (HASH_ANNOTATION, nodepool_hash::hash(template)),
        (VERSION_ANNOTATION, nodepool_hash::VERSION.to_owned()),
    ]
}

/// What is not so any more.
pub(super) fn tend(mirror: &Mirror, name: &Name) -> Vec<Call> {
    let Some(written) = mirror.object(Kind::NodePool, name) else { return Vec::new() };
    let mut calls = Vec::new();
    let mut annotations = Map::new();
    for (key, value) in hash_of(&written["spec"]["template"]) {
        if written["metadata"]["annotations"][key] != value {
            annotations.insert(key.to_owned(), json!(value));
        }
    }
    if !annotations.is_empty() {
        calls.push(patch(Resource::NodePool, name, false, json!({"metadata": {"annotations": annotations}})));
    }
    let status = status(mirror, name, written);
    let differs = |(field, value): (&String, &Value)| written["status"][field] != *value;
    if status.as_object().is_some_and(|status| status.iter().any(differs)) {
        // The hash above makes another version.
        let metadata = if calls.is_empty() { at_version(Some(written)) } else { json!({}) };
        calls.push(patch(Resource::NodePool, name, true, json!({"metadata": metadata, "status": status})));
    }
    calls
}

fn status(mirror: &Mirror, name: &Name, written: &Value) -> Value {
    let cluster = mirror.cluster();
    let mut pools = (0_u32..).zip(&cluster.declared.node_pools);
    let pool = pools.find(|(_, pool)| pool.name == *name).map(|(index, _)| index);
    let used = pool.map_or(Resources::ZERO, |pool| pool::used(cluster, pool));
    let class = written["spec"]["template"]["spec"]["nodeClassRef"]["name"].as_str().unwrap_or_default();
    let class = mirror.object(kwok::node_class(), &class.into());
    let generation = class.and_then(|class| class["metadata"]["generation"].as_i64());
    let mut conditions = Conditions::of(mirror, Some(written));
    let was_observed = written["status"]["nodeClassObservedGeneration"].as_i64() == generation;
    let valid = match pool {
        Some(_) => (Status::True, "ValidationSucceeded", ""),
        None => (Status::False, "NodePoolValidationFailed", "plimsoll cannot read it: see its log"),
    };
    conditions.set("ValidationSucceeded", valid);
    let class_ready = class_ready(class);
    conditions.set("NodeClassReady", class_ready);
    conditions.set(HEALTHY, health(cluster, pool, &conditions, was_observed));
    let ready = [valid.0, class_ready.0].iter().all(|status| *status == Status::True);
    conditions.set(
        "Ready",
        if ready { (Status::True, "Ready", "") } else { (Status::False, "UnhealthyDependents", "") },
    );
    let mut status = json!({
        "resources": wire::resources(&used), "nodes": used.get("nodes"), "conditions": conditions.written(),
    });
    if let Some(generation) = generation {
        status["nodeClassObservedGeneration"] = json!(generation);
    }
    status
}

/// Whether a pool's node class can be used.
fn class_ready(class: Option<&std::sync::Arc<Value>>) -> Said<'static> {
    let Some(class) = class else {
        return (Status::False, "NodeClassNotFound", "NodeClass not found on cluster");
    };
    if class["metadata"].get("deletionTimestamp").is_some_and(|at| !at.is_null()) {
        return (Status::False, "NodeClassTerminating", "NodeClass is Terminating");
    }
    let conditions = class["status"]["conditions"].as_array();
    match conditions.into_iter().flatten().find(|own| own["type"] == "Ready").map(|own| &own["status"]) {
        Some(status) if status == "True" => (Status::True, "NodeClassReady", ""),
        Some(status) if status == "False" => (Status::False, "NodeClassNotReady", "NodeClass is not ready"),
        _ => (Status::False, "NodeClassReadinessUnknown", "Node Class Readiness Unknown"),
    }
}

/// Healthy once a node has registered; unknown again when the pool or its class has changed.
fn health(
    cluster: &Cluster,
    pool: Option<u32>,
    conditions: &Conditions,
    was_observed: bool,
) -> Said<'static> {
    let known = conditions.status(HEALTHY).filter(|_| was_observed && conditions.is_current(HEALTHY));
    let registered = |claim: &cluster::NodeClaim| {
        pool.is_some()
            && claim.pool == pool
            && matches!(claim.stage, ClaimStage::Registered | ClaimStage::Initialized)
    };
    match known {
        None => AWAITING,
        Some(Status::Unknown) if !cluster.claims.iter().any(registered) => AWAITING,
        Some(_) => (Status::True, HEALTHY, ""),
    }
}
