//! Calls about NodeClaims.

use cluster::node_claim::{DriftReason, NewClaim};
use cluster::{ClaimId, Kind, Labels};
use serde_json::{Value, json};

use super::{Call, FINALIZER, at_version, patch};
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// Creates a claim: what its pool's template says, narrowed to what was planned. Fields that the model does not need
/// come from the pool as it is in the API.
pub(super) fn create(mirror: &Mirror, new: &NewClaim) -> Option<Call> {
    let pool = mirror.cluster().declared.node_pools.get(new.pool as usize)?;
    let written = mirror.object(Kind::NodePool, &pool.name)?;
    let template = written.pointer("/spec/template")?;
    let class = template.pointer("/spec/nodeClassRef").cloned().unwrap_or_default();
    let mut labels = pool.labels.clone();
    labels.insert("karpenter.sh/nodepool".into(), pool.name.clone());
    let class_text = |field: &str| class.get(field).and_then(Value::as_str).unwrap_or_default();
    let class_label = format!("{}/{}", class_text("group"), class_text("kind").to_lowercase());
    labels.insert(class_label.as_str().into(), class_text("name").into());
    let mut spec = json!({
        "requirements": new.requirements.iter().map(wire::requirement).collect::<Vec<Value>>(),
        "resources": {"requests": wire::resources(&new.requests)},
        "taints": new.taints.iter().map(wire::taint).collect::<Vec<Value>>(),
        "startupTaints": new.startup_taints.iter().map(wire::taint).collect::<Vec<Value>>(),
        "nodeClassRef": class,
    });
    for field in ["expireAfter", "terminationGracePeriod"] {
        if let Some(value) = template.pointer(&format!("/spec/{field}")) {
            spec[field] = value.clone();
        }
    }
    let body = json!({
        "apiVersion": Resource::NodeClaim.api_version(), "kind": Resource::NodeClaim.kind(),
        "metadata": {
            "name": new.name.as_str(),
            "labels": wire::labels(&labels),
            "annotations": wire::labels(&pool.annotations),
            "finalizers": [FINALIZER],
            "ownerReferences": [{
                "apiVersion": Resource::NodePool.api_version(), "kind": Resource::NodePool.kind(),
                "name": pool.name.as_str(), "uid": written.pointer("/metadata/uid"),
                "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    });
    Some(Call::Create(Resource::NodeClaim, body))
}

/// A claim's instance is launched: its labels first, then its status, which everybody waits for.
pub fn launched(
    mirror: &Mirror,
    claim: ClaimId,
    labels: &Labels,
    provider_id: &str,
    (capacity, allocatable): (Value, Value),
) -> Vec<Call> {
    let name = mirror.cluster().claim(claim).name.as_str();
    let status = json!({
        "providerID": provider_id,
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions(mirror, claim, &[("Launched", true, "Launched", "")]),
    });
    vec![
        patch(Resource::NodeClaim, name, false, json!({"metadata": {"labels": wire::labels(labels)}})),
        patch(Resource::NodeClaim, name, true, json!({"status": status})),
    ]
}

/// The claim's node is initialized; so is the claim, which is Ready with that. It is registered: the one who registered
/// the node may have been killed before it said so.
pub(super) fn initialize(mirror: &Mirror, claim: ClaimId) -> Vec<Call> {
    let claim = mirror.cluster().claim(claim);
    let conditions = conditions(
        mirror,
        claim.id,
        &[
            ("Registered", true, "Registered", ""),
            ("Initialized", true, "Initialized", ""),
            ("Ready", true, "Ready", ""),
        ],
    );
    let node = claim.node.map(|node| mirror.cluster().node(node));
    let node_name = node.map(|node| node.name.as_str());
    let label = json!({"metadata": {"labels": {"karpenter.sh/initialized": "true"}}});
    let mut calls: Vec<Call> =
        node.map(|node| patch(Resource::Node, &node.name, false, label)).into_iter().collect();
    calls.push(status(mirror, claim.id, json!({"nodeName": node_name, "conditions": conditions})));
    calls
}

/// The condition `Drifted`.
pub(super) fn drift(mirror: &Mirror, claim: ClaimId, why: Option<DriftReason>) -> Vec<Call> {
    let reason = why.map_or("Drifted", DriftReason::as_str);
    let conditions = conditions(mirror, claim, &[("Drifted", why.is_some(), reason, "")]);
    vec![status(mirror, claim, json!({"conditions": conditions}))]
}

/// Asks a claim to go.
pub(super) fn delete(mirror: &Mirror, claim: ClaimId) -> Vec<Call> {
    let claim = mirror.cluster().claim(claim);
    let uid = mirror.claim_facts(&claim.name).map(|facts| facts.uid.to_string());
    let name = claim.name.to_string();
    vec![Call::Delete { resource: Resource::NodeClaim, namespace: String::new(), name, uid }]
}

/// Takes the finalizer off: the claim goes at once.
pub(super) fn release(mirror: &Mirror, claim: ClaimId) -> Vec<Call> {
    let claim = mirror.cluster().claim(claim);
    let value = mirror.claim_facts(&claim.name).map(|facts| facts.value.as_ref());
    without_finalizer(Resource::NodeClaim, &claim.name, value)
}

/// Takes our finalizer off an object, if it is there.
pub(super) fn without_finalizer(resource: Resource, name: &str, value: Option<&Value>) -> Vec<Call> {
    let all = value.and_then(|value| value.pointer("/metadata/finalizers")).and_then(Value::as_array);
    let Some(all) = all.filter(|all| all.iter().any(|own| own == FINALIZER)) else { return Vec::new() };
    let others: Vec<&Value> = all.iter().filter(|own| *own != FINALIZER).collect();
    let mut metadata = at_version(value);
    metadata["finalizers"] = json!(others);
    vec![patch(resource, name, false, json!({"metadata": metadata}))]
}

/// A patch of a claim's status as it is known: conditions that somebody else wrote meanwhile are not lost.
pub(super) fn status(mirror: &Mirror, claim: ClaimId, status: Value) -> Call {
    let name = &mirror.cluster().claim(claim).name;
    let known = mirror.claim_facts(name).map(|facts| facts.value.as_ref());
    patch(Resource::NodeClaim, name, true, json!({"metadata": at_version(known), "status": status}))
}

/// A claim's conditions with these set: type, whether it holds, reason, message. A merge patch replaces the list, so
/// the others are written again as they are; one that holds already keeps its instant.
pub(super) fn conditions(mirror: &Mirror, claim: ClaimId, set: &[(&str, bool, &str, &str)]) -> Vec<Value> {
    let name = &mirror.cluster().claim(claim).name;
    let facts = mirror.claim_facts(name);
    let known = facts.and_then(|facts| facts.value.pointer("/status/conditions")).and_then(Value::as_array);
    let generation = facts.and_then(|facts| facts.value.pointer("/metadata/generation")).cloned();
    let now = mirror.unix_ms(mirror.cluster().now);
    let mut conditions = known.cloned().unwrap_or_default();
    for (kind, holds, reason, message) in set {
        let mut new = condition(kind, *holds, reason, message, now);
        if let Some(generation) = &generation {
            new["observedGeneration"] = generation.clone();
        }
        match conditions.iter_mut().find(|own| own["type"] == *kind) {
            Some(own) => {
                if own["status"] == new["status"] {
                    new["lastTransitionTime"] = own["lastTransitionTime"].clone();
                }
                *own = new;
            }
            None => conditions.push(new),
        }
    }
    conditions
}

/// A condition.
pub fn condition(kind: &str, holds: bool, reason: &str, message: &str, now_unix_ms: i64) -> Value {
    json!({
        "type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
        "lastTransitionTime": wire::instant(now_unix_ms),
    })
}
