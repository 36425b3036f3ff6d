//! Calls about NodePools: the hash of the template, and the status.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/nodepool/{counter,hash,readiness,registrationhealth,validation}`.
//! What makes a pool invalid beyond its CRD's rules keeps it out of the model, and is its condition's message.

use cluster::node_claim::ClaimStage;
use cluster::{Cluster, Kind, Name, Resources};
use provisioning::existing::View;
use serde_json::{Map, Value, json};

use super::conditions::{Conditions, Status};
use super::{Call, at_version, patch};
use crate::kwok;
use crate::mirror::Mirror;
use crate::{Resource, wire};

const HASH: &str = "karpenter.sh/nodepool-hash";
const HASH_VERSION: &str = "karpenter.sh/nodepool-hash-version";

/// The annotations that remember a template.
pub(super) fn hash_of(template: &Value) -> [(&'static str, String); 2] {
    [(HASH, api::nodepool_hash(template)), (HASH_VERSION, api::NODEPOOL_HASH_VERSION.to_owned())]
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
    let pool = (0_u32..).zip(&cluster.declared.node_pools).find(|(_, pool)| pool.name == *name);
    let used = used(cluster, pool.map(|(index, _)| index));
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
    conditions.set(
        "NodeRegistrationHealthy",
        health(cluster, pool.map(|(index, _)| index), &conditions, was_observed),
    );
    let ready = [valid.0, class_ready.0].iter().all(|status| *status == Status::True);
    conditions.set(
        "Ready",
        if ready { (Status::True, "Ready", "") } else { (Status::False, "UnhealthyDependents", "") },
    );
    let mut status = json!({
        "resources": wire::amounts(&used), "nodes": used.get("nodes"), "conditions": conditions.written(),
    });
    if let Some(generation) = generation {
        status["nodeClassObservedGeneration"] = json!(generation);
    }
    status
}

/// What a pool's nodes have.
fn used(cluster: &Cluster, pool: Option<u32>) -> Resources {
    let mut used = Resources::ZERO;
    for base in ["cpu", "memory", "pods", "ephemeral-storage", "nodes"] {
        used.set(base, 0);
    }
    let of_pool = |view: &View<'_>| pool.is_some() && view.claim.is_some_and(|claim| claim.pool == pool);
    for view in View::all(cluster).filter(of_pool) {
        used.add(&view.capacity());
        used.set("nodes", used.get("nodes").saturating_add(1));
    }
    used
}

/// Whether a pool's node class can be used.
fn class_ready(class: Option<&std::sync::Arc<Value>>) -> (Status, &'static str, &'static str) {
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
) -> (Status, &'static str, &'static str) {
    let unknown = (Status::Unknown, "AwaitingReconciliation", "object is awaiting reconciliation");
    let known = conditions
        .status("NodeRegistrationHealthy")
        .filter(|_| conditions.is_current("NodeRegistrationHealthy"));
    let Some(known) = known.filter(|_| was_observed) else { return unknown };
    let registered = |claim: &&cluster::NodeClaim| {
        pool.is_some()
            && claim.pool == pool
            && matches!(claim.stage, ClaimStage::Registered | ClaimStage::Initialized)
    };
    match known {
        Status::Unknown if !cluster.claims.iter().any(|claim| registered(&claim)) => unknown,
        _ => (Status::True, "NodeRegistrationHealthy", ""),
    }
}
