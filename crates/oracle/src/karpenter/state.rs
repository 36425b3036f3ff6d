//! The cluster that an input stands for, through the path that a user's manifests take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Result, bail};
use api::{RawObject, Severity};
use catalog::Catalog;
use cluster::node_claim::{ClaimStage, DriftReason};
use cluster::pod::Stage;
use cluster::rejection::Rejection;
use cluster::{
    Cluster, Declared, FieldPath, Kind, Name, NodeClaim, ObjectKey, Pod, PodId, PodTemplate, Timestamp,
    Waiting, WorkloadId,
};
use provisioning::Market;
use provisioning::disruption::drift;
use serde_json::Value;

use super::question;

/// How long the run has lasted when the question is asked: nothing in an input is older.
const SINCE_START_MS: i64 = 100_000_000;

/// The cluster; an error when the API server would refuse something in it.
pub fn cluster(objects: &[Value]) -> Result<Cluster> {
    let raw: Vec<RawObject> = question::kubernetes(objects)
        .map(|object| RawObject { value: Arc::new(object.clone()), root: FieldPath::root(), document: 0 })
        .collect();
    let lowered = api::lower(&raw, Catalog::embedded());
    if let Some(problem) = lowered.problems.iter().find(|problem| problem.severity == Severity::Error) {
        bail!("refused: {}", problem.message);
    }
    let mut declared = lowered.declared;
    crate::whole::forget_assumed(&mut declared);
    let settings = question::settings(objects);
    declared.karpenter.ignore_preferences = settings["ignorePreferences"] == true;
    declared.karpenter.min_values_best_effort = settings["minValuesBestEffort"] == true;
    declared.karpenter.spot_to_spot = settings["spotToSpot"] == true;
    declared.karpenter.node_overlay = settings["nodeOverlay"] == true;
    declared.karpenter.capacity_buffer = settings["capacityBuffer"] == true;
    declared.karpenter.reserved_capacity = settings["reservedCapacity"] == true;
    let now_ms = question::now(objects).saturating_mul(1000);
    declared.profile.now_unix_ms = now_ms - SINCE_START_MS;
    Ok(start(declared, objects))
}

/// What the provider's side of drift is, in an annotation of claims.
pub const DRIFTED: &str = "oracle/drifted";

/// Notes which claims have drifted, as Karpenter's controller does: what is new is so since now.
pub fn note_drift(cluster: &mut Cluster, market: &Market, objects: &[Value]) {
    let started_ms = cluster.declared.profile.now_unix_ms;
    let reason = |claim: &NodeClaim| {
        let core = drift::reason(cluster, claim);
        let lost = claim.stage >= ClaimStage::Launched && drift::lost_its_type(cluster, market, claim);
        // Karpenter asks the provider last.
        match core {
            Some(DriftReason::Condition) | None if lost => Some(DriftReason::InstanceTypeNotFound),
            core => core,
        }
    };
    let reasons: Vec<Option<DriftReason>> = cluster.claims.iter().map(reason).collect();
    for (claim, reason) in cluster.claims.iter_mut().zip(reasons) {
        let since = condition(named(objects, "NodeClaim", "", &claim.name), "Drifted", started_ms);
        claim.drifted = reason.map(|why| (since.unwrap_or(cluster.now), why));
    }
}

fn start(declared: Declared, objects: &[Value]) -> Cluster {
    let started_ms = declared.profile.now_unix_ms;
    let mut claims = declared.claims.clone();
    for claim in &mut claims {
        let wire = named(objects, "NodeClaim", "", &claim.name);
        let event = instant(wire, "/status/lastPodEventTime", started_ms);
        claim.last_pod_event =
            event.or_else(|| condition(wire, "Initialized", started_ms)).unwrap_or(Timestamp::ZERO);
        claim.created = instant(wire, "/metadata/creationTimestamp", started_ms).unwrap_or(Timestamp::ZERO);
        // What the provider finds is told by an annotation; without it the condition would be taken back.
        if wire["metadata"]["annotations"][DRIFTED] != "true" {
            claim.drifted = None;
        }
    }
    let pods = pods(&declared, objects, started_ms);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let written: BTreeSet<(String, String)> =
        objects.iter().map(|object| (text(&object["kind"]), text(&object["metadata"]["name"]))).collect();
    let arrived =
        declared.node_pools.iter().map(|pool| ObjectKey::new(Kind::NodePool, "", pool.name.clone())).chain(
            declared
                .node_classes
                .iter()
                .map(|class| ObjectKey::new(Kind::Ec2NodeClass, "", class.name.clone())),
        );
    Cluster {
        now: Timestamp(SINCE_START_MS),
        pods,
        nodes: declared.nodes.clone(),
        claims,
        volume_claims: declared.volume_claims.clone(),
        volumes: declared.volumes.clone(),
        // Add-ons that a profile would bring are not in the input.
        arrived: declared
            .workloads
            .iter()
            .map(|workload| written.contains(&written_as(&workload.key)))
            .collect(),
        arrived_objects: arrived.collect(),
        ..Cluster::empty(Arc::new(declared))
    }
}

fn written_as(key: &ObjectKey) -> (String, String) {
    (format!("{:?}", key.kind), key.name.to_string())
}

fn named<'v>(objects: &'v [Value], kind: &str, namespace: &str, name: &str) -> &'v Value {
    let found = objects.iter().find(|object| {
        object["kind"] == kind
            && object["metadata"]["name"] == name
            && object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
    });
    found.unwrap_or(&Value::Null)
}

fn instant(object: &Value, pointer: &str, started_ms: i64) -> Option<Timestamp> {
    let at: jiff::Timestamp = object.pointer(pointer)?.as_str()?.parse().ok()?;
    Some(Timestamp(at.as_millisecond() - started_ms))
}

/// Since when a condition is what it is.
fn condition(claim: &Value, kind: &str, started_ms: i64) -> Option<Timestamp> {
    let conditions = claim["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    instant(found, "/lastTransitionTime", started_ms)
}

/// Pods in the order of their uids: that is the order of their ids.
fn pods(declared: &Declared, objects: &[Value], started_ms: i64) -> Vec<Pod> {
    let mut wires: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "Pod").collect();
    wires.sort_by_key(|pod| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned());
    let origins = origins(declared);
    let mut pods = Vec::new();
    for wire in wires {
        let text = |field: &str| Name::from(wire["metadata"][field].as_str().unwrap_or_default());
        let namespace = if text("namespace").is_empty() { Name::from("default") } else { text("namespace") };
        let Some(&workload) = origins.get(&(namespace.clone(), text("name"))) else { continue };
        let template = Arc::clone(&declared.workload(workload).template);
        let id = PodId(u32::try_from(pods.len()).unwrap_or(u32::MAX));
        pods.push(pod(declared, wire, id, (namespace, text("name")), (workload, template), started_ms));
    }
    pods
}

/// What each pod was made from, by namespace and name: itself, or its owner.
fn origins(declared: &Declared) -> BTreeMap<(Name, Name), WorkloadId> {
    let made = declared.pods.iter().map(|pod| {
        let namespace = declared.workload(pod.workload).key.namespace.clone();
        ((namespace, pod.name.clone()), pod.workload)
    });
    let bare = declared.workload_ids().filter(|(_, workload)| workload.key.kind == Kind::Pod);
    let bare = bare.map(|(id, workload)| ((workload.key.namespace.clone(), workload.key.name.clone()), id));
    made.chain(bare).collect()
}

fn pod(
    declared: &Declared,
    wire: &Value,
    id: PodId,
    (namespace, name): (Name, Name),
    (workload, template): (WorkloadId, Arc<PodTemplate>),
    started_ms: i64,
) -> Pod {
    let node_name = wire["spec"]["nodeName"].as_str().unwrap_or_default();
    let node = declared.nodes.iter().find(|node| node.name == node_name).map(|node| node.id);
    let conditions = wire["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().any(|own| own["type"] == "Ready" && own["status"] == "True");
    let waits =
        conditions.iter().any(|own| own["type"] == "PodScheduled" && own["reason"] == "Unschedulable");
    let stage = match (wire["status"]["phase"].as_str(), node) {
        (Some("Running"), Some(_)) if ready => Stage::Ready,
        (Some("Running"), Some(_)) => Stage::Running,
        (_, Some(_)) => Stage::Bound,
        (_, None) => Stage::Pending,
    };
    let rejection = Rejection { nodes: 0, reasons: vec![], preemption: vec![], message: String::new() };
    let created = instant(wire, "/metadata/creationTimestamp", started_ms).unwrap_or(Timestamp::ZERO);
    Pod {
        id,
        namespace,
        name,
        workload: Some(workload),
        template,
        revision: 1,
        ordinal: 0,
        for_node: None,
        created,
        stage,
        since: created,
        node,
        nominated: None,
        addressed: node.is_some(),
        restarts: 0,
        deleted: instant(wire, "/metadata/deletionTimestamp", started_ms),
        waiting: (waits && node.is_none()).then(|| (created, Waiting::Unschedulable(Box::new(rejection)))),
    }
}
