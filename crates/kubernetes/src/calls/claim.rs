//! Calls about NodeClaims.

use autoscaler::{DrainStage, holding_volumes};
use cluster::node::POOL;
use cluster::node_claim::{ClaimStage, DriftReason, NewClaim};
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Cluster, Kind, Labels, NodeClaim};
use provisioning::disruption::candidate::consolidatable_at;
use provisioning::existing::View;
use serde_json::{Map, Value, json};

use super::conditions::{AWAITING, Conditions, Status};
use super::pool::hash_of;
use super::{Call, FINALIZER, TERMINATE_BY, at_version, delete as delete_of, patch};
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// The condition that says whether a node's pods are gone.
const DRAINED: &str = "Drained";
/// The condition that says whether their volumes are detached.
const DETACHED: &str = "VolumesDetached";

/// Creates a claim: what its pool's template says, narrowed to what was planned. Fields that the model does not need
/// come from the pool as it is in the API; nothing when the pool has gone since.
pub(super) fn create(mirror: &Mirror, new: &NewClaim) -> Option<Call> {
    let name = new.labels.get(POOL)?;
    let pool = mirror.cluster().declared.node_pools.iter().find(|pool| pool.name == *name)?;
    let written = mirror.object(Kind::NodePool, &pool.name)?;
    let template = written.pointer("/spec/template")?;
    let class = template.pointer("/spec/nodeClassRef").cloned().unwrap_or_default();
    let mut labels = pool.labels.clone();
    labels.insert(POOL.into(), pool.name.clone());
    let class_text = |field: &str| class.get(field).and_then(Value::as_str).unwrap_or_default();
    let class_label = format!("{}/{}", class_text("group"), class_text("kind").to_lowercase());
    labels.insert(class_label.as_str().into(), class_text("name").into());
    let mut spec = json!({
        "requirements": new.requirements.iter().map(wire::requirement).collect::<Vec<Value>>(),
        "resources": {},
        "nodeClassRef": class,
    });
    // Nothing that Go would leave out: whoever writes a claim back must not have changed its spec.
    let requests = wire::resources(&new.requests);
    if requests.as_object().is_some_and(|requests| !requests.is_empty()) {
        spec["resources"]["requests"] = requests;
    }
    for (field, taints) in [("taints", &new.taints), ("startupTaints", &new.startup_taints)] {
        if !taints.is_empty() {
            spec[field] = taints.iter().map(wire::taint).collect();
        }
    }
    if let Some(after) = template.pointer("/spec/expireAfter") {
        spec["expireAfter"] = after.clone();
    }
    if let Some(grace_ms) = pool.termination_grace_period_ms {
        spec["terminationGracePeriod"] = json!(wire::duration(grace_ms));
    }
    let mut annotations = wire::labels(&pool.annotations);
    hash_of(template).into_iter().for_each(|(key, value)| annotations[key] = json!(value));
    let body = json!({
        "apiVersion": Resource::NodeClaim.api_version(), "kind": Resource::NodeClaim.kind(),
        "metadata": {
            "name": new.name.as_str(),
            "labels": wire::labels(&labels),
            "annotations": annotations,
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
    let name = &mirror.cluster().claim(claim).name;
    let mut metadata = json!({"labels": wire::labels(labels)});
    // A claim that somebody made by hand.
    if let Some(facts) = mirror.claim_facts(name) {
        metadata["finalizers"] = with_finalizer(&facts.value);
    }
    let mut conditions = of(mirror, claim);
    conditions.set("Launched", (Status::True, "Launched", ""));
    for later in ["Registered", "Initialized", "Ready"] {
        conditions.set(later, AWAITING);
    }
    let status = json!({
        "providerID": provider_id,
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions.written(),
    });
    vec![
        patch(Resource::NodeClaim, name, false, json!({"metadata": metadata})),
        patch(Resource::NodeClaim, name, true, json!({"status": status})),
    ]
}

/// The claim's node is initialized; so is the claim, which is Ready with that. It is registered: the one who registered
/// the node may have been killed before it said so.
pub(super) fn initialize(mirror: &Mirror, claim: ClaimId) -> Vec<Call> {
    let mut conditions = of(mirror, claim);
    conditions.set("Registered", (Status::True, "Registered", ""));
    conditions.set("Initialized", (Status::True, "Initialized", ""));
    conditions.set("Ready", (Status::True, "Ready", ""));
    let node = mirror.cluster().claim(claim).node.map(|node| mirror.cluster().node(node));
    let label = json!({"metadata": {"labels": {"karpenter.sh/initialized": "true"}}});
    let mut calls: Vec<Call> =
        node.map(|node| patch(Resource::Node, &node.name, false, label)).into_iter().collect();
    let mut status = json!({"conditions": conditions.written()});
    node.into_iter().for_each(|node| status["nodeName"] = json!(node.name.as_str()));
    calls.push(status_with(mirror, claim, status));
    calls
}

/// The condition `Drifted`.
pub(super) fn drift(mirror: &Mirror, claim: ClaimId, why: Option<DriftReason>) -> Vec<Call> {
    let mut conditions = of(mirror, claim);
    match why {
        Some(why) => conditions.set("Drifted", (Status::True, why.as_str(), why.as_str())),
        None => conditions.clear("Drifted"),
    }
    vec![status(mirror, claim, conditions)]
}

/// What the end of the claim's node waits for, unless that is said already.
pub(super) fn draining(mirror: &Mirror, claim: ClaimId, stage: DrainStage) -> Option<Call> {
    let mut conditions = of(mirror, claim);
    let known = conditions.clone();
    match stage {
        DrainStage::Pods if conditions.status(DRAINED).is_none() => {
            conditions.set(DRAINED, (Status::Unknown, "Draining", "Draining"));
        }
        DrainStage::Pods => {}
        DrainStage::Volumes => {
            let waits = "AwaitingVolumeDetachment";
            conditions.set(DRAINED, (Status::True, DRAINED, ""));
            conditions.set(DETACHED, (Status::Unknown, waits, waits));
        }
    }
    (conditions != known).then(|| status(mirror, claim, conditions))
}

/// The claim's instance is being ended, and what was waited for before that has come, or its time is over.
pub(crate) fn terminating(mirror: &Mirror, claim: ClaimId) -> Call {
    let mut conditions = of(mirror, claim);
    if let Some(node) = mirror.cluster().claim(claim).node {
        let elapsed = "TerminationGracePeriodElapsed";
        let detached = match holding_volumes(mirror.cluster(), node).as_slice() {
            [] => (Status::True, DETACHED, ""),
            _ => (Status::False, elapsed, elapsed),
        };
        conditions.set(DRAINED, (Status::True, DRAINED, ""));
        conditions.set(DETACHED, detached);
    }
    conditions.set("InstanceTerminating", (Status::True, "InstanceTerminating", ""));
    status(mirror, claim, conditions)
}

/// What is not so any more: the hash of the template that it was made from (`pkg/controllers/nodepool/hash`), the end
/// of its grace period, conditions that it had, `Consolidatable`, and when its node last gained or lost a pod.
pub(super) fn tend(mirror: &Mirror, id: ClaimId) -> Vec<Call> {
    let cluster = mirror.cluster();
    let claim = cluster.claim(id);
    let Some(facts) = mirror.claim_facts(&claim.name).filter(|facts| facts.id == id) else {
        return Vec::new();
    };
    let mut calls = Vec::new();
    let annotations = annotations(mirror, claim, &facts.value);
    if !annotations.is_empty() {
        let body = json!({"metadata": {"annotations": annotations}});
        calls.push(patch(Resource::NodeClaim, &claim.name, false, body));
    }
    let mut changed = json!({});
    let mut conditions = of(mirror, id);
    if claim.stage == ClaimStage::Initialized && says_again(&mut conditions) {
        changed["conditions"] = json!(conditions.clone().written());
    }
    let consolidates = becomes_consolidatable(cluster, claim);
    if consolidates != (conditions.status("Consolidatable") == Some(Status::True)) {
        if consolidates {
            conditions.set("Consolidatable", (Status::True, "Consolidatable", ""));
        } else {
            conditions.clear("Consolidatable");
        }
        changed["conditions"] = json!(conditions.written());
    }
    let pod_event = wire::instant(mirror.unix_ms(claim.last_pod_event));
    if claim.last_pod_event > claim.created && facts.value["status"]["lastPodEventTime"] != pod_event {
        changed["lastPodEventTime"] = pod_event;
    }
    if changed.as_object().is_some_and(|changed| !changed.is_empty()) {
        let metadata = if calls.is_empty() { at_version(Some(&facts.value)) } else { json!({}) };
        let body = json!({"metadata": metadata, "status": changed});
        calls.push(patch(Resource::NodeClaim, &claim.name, true, body));
    }
    calls
}

/// A call that arrived late, a launch's say, may have written over what was true by then.
fn says_again(conditions: &mut Conditions) -> bool {
    let lost = |kind: &&str| conditions.status(kind) != Some(Status::True);
    let lost: Vec<&str> = ["Registered", "Initialized", "Ready"].into_iter().filter(lost).collect();
    lost.iter().for_each(|kind| conditions.set(kind, (Status::True, kind, "")));
    !lost.is_empty()
}

fn becomes_consolidatable(cluster: &Cluster, claim: &NodeClaim) -> bool {
    let node = claim.node.map(|node| cluster.node(node)).filter(|node| node.exists());
    let at = node.and_then(|node| consolidatable_at(cluster, &View::of_node(cluster, node)));
    claim.stage == ClaimStage::Initialized && at.is_some_and(|at| at <= cluster.now)
}

/// Annotations that a claim lacks.
fn annotations(mirror: &Mirror, claim: &NodeClaim, written: &Value) -> Map<String, Value> {
    let mut lacking = Map::new();
    let pool = mirror.cluster().declared.pool_of(claim);
    let template = pool.and_then(|pool| mirror.object(Kind::NodePool, &pool.name));
    let known = claim.template_hash.as_ref().map(|known| known.version.as_str());
    if let Some(template) = template.filter(|_| known != Some(api::nodepool_hash::VERSION)) {
        let [hash, version] = hash_of(&template["spec"]["template"]);
        // One that has drifted stays so: hashes of two versions cannot be compared.
        let hash = (claim.drifted.is_none()).then_some(hash);
        lacking.extend(hash.into_iter().chain([version]).map(|(key, value)| (key.to_owned(), json!(value))));
    }
    let ends = claim.deleted.zip(claim.termination_grace_period_ms).filter(|_| claim.terminate_by.is_none());
    if let Some(((deleted, _), grace)) =
        ends.filter(|_| written["metadata"]["annotations"][TERMINATE_BY].is_null())
    {
        lacking.insert(TERMINATE_BY.to_owned(), wire::instant(mirror.unix_ms(deleted.after_ms(grace))));
    }
    lacking
}

/// Asks a claim to go; one of an unhealthy node at once.
pub(super) fn delete(mirror: &Mirror, claim: ClaimId, why: Option<DisruptionReason>) -> Vec<Call> {
    let claim = mirror.cluster().claim(claim);
    let uid = mirror.claim_facts(&claim.name).map(|facts| facts.uid.to_string());
    let now = wire::instant(mirror.unix_ms(mirror.cluster().now));
    let by_force = (why == Some(DisruptionReason::Unhealthy)).then(|| {
        let body = json!({"metadata": {"annotations": {TERMINATE_BY: now}}});
        patch(Resource::NodeClaim, &claim.name, false, body)
    });
    let delete = delete_of(Resource::NodeClaim, &claim.name, uid);
    by_force.into_iter().chain([delete]).collect()
}

/// Takes the finalizer off: the claim goes at once.
pub(super) fn release(mirror: &Mirror, claim: ClaimId) -> Vec<Call> {
    let claim = mirror.cluster().claim(claim);
    let value = mirror.claim_facts(&claim.name).map(|facts| facts.value.as_ref());
    without_finalizer(Resource::NodeClaim, &claim.name, value)
}

/// An object's finalizers with ours.
pub(super) fn with_finalizer(value: &Value) -> Value {
    let mut all =
        value.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    if !all.iter().any(|own| own == FINALIZER) {
        all.push(json!(FINALIZER));
    }
    Value::Array(all)
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

/// A claim's conditions.
pub(super) fn of(mirror: &Mirror, claim: ClaimId) -> Conditions {
    let facts = mirror.claim_facts(&mirror.cluster().claim(claim).name);
    Conditions::of(mirror, facts.map(|facts| facts.value.as_ref()))
}

/// A patch of a claim's conditions as they are known: what somebody else wrote meanwhile is not lost.
pub(super) fn status(mirror: &Mirror, claim: ClaimId, conditions: Conditions) -> Call {
    status_with(mirror, claim, json!({"conditions": conditions.written()}))
}

/// A patch of a claim's status as it is known.
pub(super) fn status_with(mirror: &Mirror, claim: ClaimId, status: Value) -> Call {
    let name = &mirror.cluster().claim(claim).name;
    let known = mirror.claim_facts(name).map(|facts| facts.value.as_ref());
    patch(Resource::NodeClaim, name, true, json!({"metadata": at_version(known), "status": status}))
}
