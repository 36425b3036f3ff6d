//! Karpenter's NodeClaims of a live dump.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1/{nodeclaim,nodeclaim_status}.go`.

use std::collections::BTreeMap;

use cluster::node_claim::{ClaimStage, DriftReason, LaunchOption, Launched};
use cluster::{
    ClaimId, Declared, FieldPath, Kind, Labels, Name, NodeClaim, NodeId, SelectorOperator,
    SelectorRequirement, Timestamp,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Deserialize;
use serde_json::Value;

use crate::amounts;
use crate::decode::{Strictness, decode};
use crate::node_pool::{self, WireClassRef};
use crate::nodepool_hash;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::requirement::{self, WireRequirement, WireTaint};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "fields that are only accepted")]
struct Wire {
    api_version: String,
    kind: String,
    metadata: Value,
    #[serde(default)]
    spec: WireSpec,
    #[serde(default)]
    status: WireStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct WireSpec {
    taints: Option<Vec<WireTaint>>,
    startup_taints: Option<Vec<WireTaint>>,
    requirements: Option<Vec<WireRequirement>>,
    resources: WireResources,
    node_class_ref: Option<WireClassRef>,
    expire_after: Option<String>,
    termination_grace_period: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireResources {
    requests: Option<BTreeMap<String, Quantity>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(dead_code, reason = "fields that are only accepted")]
struct WireStatus {
    node_name: Option<String>,
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    capacity: Option<BTreeMap<String, Quantity>>,
    allocatable: Option<BTreeMap<String, Quantity>>,
    conditions: Value,
    last_pod_event_time: Option<String>,
}

/// Reads the claims and ties nodes to them. A claim whose pool is not in the input is left out: it may be in the
/// cluster that the input tells only a part of.
pub(crate) fn read(objects: &[&Object], declared: &mut Declared, problems: &mut Problems) {
    for object in objects.iter().filter(|object| object.key.kind == Kind::NodeClaim) {
        let read = claim(object, declared, &mut Reporter::new(problems, object));
        let Some(claim) = read.filter(|claim| claim.pool.is_some()) else { continue };
        if let Some(node) = claim.node.and_then(|node| declared.nodes.get_mut(node.0 as usize)) {
            node.claim = Some(claim.id);
        }
        declared.claims.push(claim);
    }
}

pub(crate) fn claim(object: &Object, declared: &Declared, reporter: &mut Reporter<'_>) -> Option<NodeClaim> {
    let wire: Wire = decode(object, Strictness::Refuse, reporter)?;
    let pool_name = object.labels.get("karpenter.sh/nodepool");
    let pool = pool_name.and_then(|name| declared.node_pools.iter().position(|pool| pool.name == *name));
    let at = |field: &str| FieldPath::of("/spec").child(field);
    let mut seen = Vec::new();
    let taints = requirement::taints(
        wire.spec.taints.as_deref().unwrap_or_default(),
        &at("taints"),
        &mut seen,
        reporter,
    );
    let startup = wire.spec.startup_taints.as_deref().unwrap_or_default();
    let startup_taints = requirement::taints(startup, &at("startupTaints"), &mut seen, reporter);
    // A claim's requirements use keys that are restricted in pools.
    let mut ignored = Problems::default();
    let wires = wire.spec.requirements.as_deref().unwrap_or_default();
    let requirements =
        requirement::requirements(wires, &at("requirements"), &mut Reporter::new(&mut ignored, object));
    let requests = amounts::resources(
        wire.spec.resources.requests.as_ref(),
        &at("resources").child("requests"),
        reporter,
    );
    let expire_after_ms = match &wire.spec.expire_after {
        None => pool.and_then(|pool| declared.node_pools[pool].expire_after_ms),
        Some(text) => node_pool::nillable(text, &at("expireAfter"), reporter),
    };
    let grace = wire.spec.termination_grace_period.as_deref();
    let termination_grace_period_ms =
        grace.and_then(|text| node_pool::plain(text, &at("terminationGracePeriod"), reporter));
    let options = options(&requirements, &object.labels);
    let node = node_of(&wire.status, declared);
    let stage = stage(&wire.status, object);
    // One that goes may never have had an instance.
    let has_instance =
        stage >= ClaimStage::Launched && (stage != ClaimStage::Terminating || is_launched(&wire.status));
    let launched = has_instance.then(|| launched(&wire.status, object, node, declared, reporter)).flatten();
    (!reporter.refused).then(|| NodeClaim {
        id: ClaimId(u32::try_from(declared.claims.len()).unwrap_or(u32::MAX)),
        name: object.key.name.clone(),
        pool: pool.and_then(|pool| u32::try_from(pool).ok()),
        labels: object.labels.clone(),
        taints,
        startup_taints,
        options,
        requests,
        expire_after_ms,
        termination_grace_period_ms,
        created: Timestamp::ZERO,
        stage,
        launched,
        node,
        deleted: object.field("/metadata/deletionTimestamp").map(|_| (Timestamp::ZERO, None)),
        last_pod_event: Timestamp::ZERO,
        made_under: None,
        template_hash: nodepool_hash::remembered(&object.annotations),
        terminate_by: None,
        drifted: drifted(&wire.status, stage),
    })
}

fn node_of(status: &WireStatus, declared: &Declared) -> Option<NodeId> {
    let name = status.node_name.as_deref()?;
    declared.nodes.iter().find(|node| node.name == name).map(|node| node.id)
}

fn stage(status: &WireStatus, object: &Object) -> ClaimStage {
    let holds = |name: &str| holds(status, name);
    if object.field("/metadata/deletionTimestamp").is_some() {
        ClaimStage::Terminating
    } else if holds("Initialized") {
        ClaimStage::Initialized
    } else if holds("Registered") {
        ClaimStage::Registered
    } else if is_launched(status) {
        ClaimStage::Launched
    } else {
        ClaimStage::Created
    }
}

fn is_launched(status: &WireStatus) -> bool {
    holds(status, "Launched") || status.provider_id.as_deref().is_some_and(|id| !id.is_empty())
}

/// A claim that drifted before the dump has done so since before everything else.
fn drifted(status: &WireStatus, stage: ClaimStage) -> Option<(Timestamp, DriftReason)> {
    let is_so = stage >= ClaimStage::Launched && holds(status, "Drifted");
    is_so.then_some((Timestamp::ZERO, DriftReason::Condition))
}

fn holds(status: &WireStatus, name: &str) -> bool {
    let mut conditions = status.conditions.as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == name && condition["status"] == "True")
}

fn launched(
    status: &WireStatus,
    object: &Object,
    node: Option<NodeId>,
    declared: &Declared,
    reporter: &mut Reporter<'_>,
) -> Option<Launched> {
    let label = |key: &str| object.labels.get(key).cloned();
    let at = FieldPath::of("/status");
    let subnet =
        node.and_then(|node| declared.nodes.get(node.0 as usize)).and_then(|node| node.network.subnet);
    Some(Launched {
        option: LaunchOption {
            instance_type: label("node.kubernetes.io/instance-type")?,
            zone: label("topology.kubernetes.io/zone").unwrap_or_default(),
            capacity_type: label("karpenter.sh/capacity-type").unwrap_or_else(|| "on-demand".into()),
            price_micro_usd: 0,
        },
        subnet,
        capacity: amounts::resources(status.capacity.as_ref(), &at.child("capacity"), reporter),
        allocatable: amounts::resources(status.allocatable.as_ref(), &at.child("allocatable"), reporter),
    })
}

/// The types, zones and capacity types that a claim's requirements name. Prices are not in the object.
fn options(requirements: &[SelectorRequirement], labels: &Labels) -> Vec<LaunchOption> {
    let values = |key: &str| -> Vec<Name> {
        let listed = requirements
            .iter()
            .find(|requirement| requirement.key == key && requirement.operator == SelectorOperator::In);
        let values = listed.map(|requirement| requirement.values.clone());
        values.or_else(|| labels.get(key).map(|value| vec![value.clone()])).unwrap_or_default()
    };
    let (zones, capacity_types) =
        (values("topology.kubernetes.io/zone"), values("karpenter.sh/capacity-type"));
    let mut options = Vec::new();
    for instance_type in values("node.kubernetes.io/instance-type") {
        for zone in &zones {
            for capacity_type in &capacity_types {
                let (zone, capacity_type) = (zone.clone(), capacity_type.clone());
                options.push(LaunchOption {
                    instance_type: instance_type.clone(),
                    zone,
                    capacity_type,
                    price_micro_usd: 0,
                });
            }
        }
    }
    options
}
