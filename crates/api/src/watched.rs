//! Objects of a live cluster, one at a time, as watches bring them.
//!
//! Pods, nodes and claims change all the time and are read one by one; everything else is lowered together
//! ([`crate::lower`]) when one of them changes. What cannot be read is an error with the field: the caller says it
//! and goes on without the object.

use std::sync::Arc;

use cluster::pod::Stage;
use cluster::{Declared, FieldPath, Kind, Labels, Name, Node, NodeClaim, PodTemplate};
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::context::Context;
use crate::decode::{Strictness, decode};
use crate::object::{Object, RawObject, read_all};
use crate::pod::Owner;
use crate::problem::{Problem, Problems, Reporter, Severity};
use crate::{claims, live, node};

/// A pod as it is now. Instants are milliseconds of the Unix epoch.
#[derive(Clone, Debug)]
pub struct WatchedPod {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// `metadata.uid`.
    pub uid: Name,
    /// What it asks for.
    pub template: PodTemplate,
    /// Kind and name of its controller.
    pub owner: Option<(Name, Name)>,
    /// How far it has come.
    pub stage: Stage,
    /// `spec.nodeName`.
    pub node: Option<Name>,
    /// `status.nominatedNodeName`.
    pub nominated: Option<Name>,
    /// The scheduler found no node: the condition's message.
    pub unschedulable: Option<Name>,
    /// `status.podIP` is set.
    pub addressed: bool,
    /// `metadata.creationTimestamp`.
    pub created_unix_ms: i64,
    /// When it was asked to go: `deletionTimestamp` less the grace period.
    pub deleted_unix_ms: Option<i64>,
}

/// A node as it is now.
#[derive(Clone, Debug)]
pub struct WatchedNode {
    /// The node, without a place in the model: ids, its claim and instants are the caller's.
    pub node: Node,
    /// `metadata.uid`.
    pub uid: Name,
    /// `spec.providerID`.
    pub provider_id: Name,
    /// `metadata.creationTimestamp`, milliseconds of the Unix epoch.
    pub created_unix_ms: i64,
    /// Asked to go.
    pub deleting: bool,
    /// Since when its condition `Ready` has been False or Unknown, milliseconds of the Unix epoch.
    pub unready_since_unix_ms: Option<i64>,
}

/// A NodeClaim as it is now.
#[derive(Clone, Debug)]
pub struct WatchedClaim {
    /// The claim, without a place in the model: ids, its node and instants are the caller's.
    pub claim: NodeClaim,
    /// `metadata.uid`.
    pub uid: Name,
    /// `status.providerID`.
    pub provider_id: Name,
    /// `status.nodeName`.
    pub node_name: Name,
    /// `metadata.creationTimestamp`, milliseconds of the Unix epoch.
    pub created_unix_ms: i64,
    /// `metadata.deletionTimestamp`, milliseconds of the Unix epoch.
    pub deleted_unix_ms: Option<i64>,
    /// `status.lastPodEventTime`, milliseconds of the Unix epoch.
    pub last_pod_event_unix_ms: Option<i64>,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// The condition `Registered` holds.
    pub registered: bool,
    /// The condition `Initialized` holds.
    pub initialized: bool,
}

/// Reads a pod.
///
/// # Errors
/// What the API server would not have accepted, with the field.
pub fn pod(value: &Arc<Value>) -> Result<WatchedPod, Vec<Problem>> {
    let (object, mut problems) = header(value)?;
    let mut reporter = Reporter::new(&mut problems, &object);
    let read = decode::<core::Pod>(&object, Strictness::Prune, &mut reporter).map(|wire| {
        let owner = Owner {
            object: &object,
            path: FieldPath::root(),
            added_labels: Labels::new(),
            restart_policies: &["Always", "OnFailure", "Never"],
        };
        let spec = wire.spec.unwrap_or_default();
        let admission = Context::default().admission;
        let template = crate::pod::template(Some(&wire.metadata), &spec, &owner, &admission, &mut reporter);
        let text = |path: &str| text(&object, path).map(Name::from);
        let node = text("/spec/nodeName");
        let grace_ms = object
            .field("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            .saturating_mul(1_000);
        WatchedPod {
            namespace: object.key.namespace.clone(),
            name: object.key.name.clone(),
            uid: text("/metadata/uid").unwrap_or_default(),
            owner: object.controller().map(|(kind, name)| (kind.into(), name.into())),
            stage: live::stage(&object, node.is_some()),
            node,
            nominated: text("/status/nominatedNodeName"),
            unschedulable: unschedulable(&object),
            addressed: text("/status/podIP").is_some(),
            created_unix_ms: instant(&object, "/metadata/creationTimestamp").unwrap_or(0),
            deleted_unix_ms: instant(&object, "/metadata/deletionTimestamp")
                .map(|at| at.saturating_sub(grace_ms)),
            template,
        }
    });
    read.ok_or(()).or_else(|()| refuse(problems))
}

/// Reads a node.
///
/// # Errors
/// As [`pod`].
pub fn node(value: &Arc<Value>) -> Result<WatchedNode, Vec<Problem>> {
    let (object, mut problems) = header(value)?;
    let read = node::node(&object, &mut Reporter::new(&mut problems, &object));
    read.map(|node| WatchedNode {
        node,
        uid: text(&object, "/metadata/uid").unwrap_or_default().into(),
        provider_id: text(&object, "/spec/providerID").unwrap_or_default().into(),
        created_unix_ms: instant(&object, "/metadata/creationTimestamp").unwrap_or(0),
        deleting: object.field("/metadata/deletionTimestamp").is_some(),
        unready_since_unix_ms: unready_since(&object),
    })
    .ok_or(())
    .or_else(|()| refuse(problems))
}

/// Reads a claim; its pool is one of `declared`, if it is there.
///
/// # Errors
/// As [`pod`].
pub fn claim(value: &Arc<Value>, declared: &Declared) -> Result<WatchedClaim, Vec<Problem>> {
    let (object, mut problems) = header(value)?;
    let read = claims::claim(&object, declared, &mut Reporter::new(&mut problems, &object));
    let Some(claim) = read else { return refuse(problems) };
    let text = |path: &str| Name::from(text(&object, path).unwrap_or_default());
    Ok(WatchedClaim {
        claim,
        uid: text("/metadata/uid"),
        provider_id: text("/status/providerID"),
        node_name: text("/status/nodeName"),
        created_unix_ms: instant(&object, "/metadata/creationTimestamp").unwrap_or(0),
        deleted_unix_ms: instant(&object, "/metadata/deletionTimestamp"),
        last_pod_event_unix_ms: instant(&object, "/status/lastPodEventTime"),
        annotations: object.annotations.clone(),
        registered: holds(&object, "Registered"),
        initialized: holds(&object, "Initialized"),
    })
}

fn header(value: &Arc<Value>) -> Result<(Object, Problems), Vec<Problem>> {
    let raw = RawObject { value: Arc::clone(value), root: FieldPath::root(), document: 0 };
    let mut problems = Problems::default();
    match read_all(&[raw], &mut problems).pop() {
        // Whatever it lacks: a watch brought it.
        Some(object) => Ok((Object { live: true, ..object }, problems)),
        None => Err(problems.finish()),
    }
}

fn refuse<T>(problems: Problems) -> Result<T, Vec<Problem>> {
    Err(problems.finish().into_iter().filter(|problem| problem.severity == Severity::Error).collect())
}

fn text<'o>(object: &'o Object, path: &str) -> Option<&'o str> {
    object.field(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// An instant of an object, in milliseconds of the Unix epoch.
fn instant(object: &Object, path: &str) -> Option<i64> {
    unix_ms(text(object, path)?)
}

/// An RFC 3339 instant in milliseconds of the Unix epoch.
pub fn unix_ms(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// When a node's condition `Ready` became what it is, unless it holds.
fn unready_since(object: &Object) -> Option<i64> {
    let conditions = object.field("/status/conditions")?.as_array()?;
    let ready = conditions.iter().find(|own| own["type"] == "Ready" && own["status"] != "True")?;
    unix_ms(ready["lastTransitionTime"].as_str()?)
}

/// Whether a condition of the status is true.
fn holds(object: &Object, condition: &str) -> bool {
    let conditions = object.field("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|own| own["type"] == condition && own["status"] == "True")
}

/// `PodScheduled=False` with the reason `Unschedulable`: its message.
fn unschedulable(object: &Object) -> Option<Name> {
    let conditions = object.field("/status/conditions")?.as_array()?;
    let condition = conditions.iter().find(|condition| {
        condition["type"] == "PodScheduled"
            && condition["status"] == "False"
            && condition["reason"] == "Unschedulable"
    })?;
    Some(condition["message"].as_str().unwrap_or_default().into())
}

/// Whether objects of a kind are read one by one, by the functions here.
pub fn is_watched_alone(kind: &Kind) -> bool {
    matches!(kind, Kind::Pod | Kind::Node | Kind::NodeClaim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_found_no_node() {
        let value = Arc::new(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "1970-01-01T00:00:02Z",
                "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "controller": true}],
                "deletionTimestamp": "1970-01-01T00:00:40Z", "deletionGracePeriodSeconds": 30},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]},
        }));
        let pod = pod(&value).unwrap();
        assert_eq!((pod.stage, pod.unschedulable.as_deref()), (Stage::Pending, Some("0/1 nodes")));
        assert_eq!((pod.created_unix_ms, pod.deleted_unix_ms), (2_000, Some(10_000)));
        assert_eq!(pod.owner, Some(("ReplicaSet".into(), "r".into())));
        assert_eq!(pod.template.requests.cpu_millis, 1_000);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_field() {
        let value = Arc::new(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": 3},
        }));
        let problems = pod(&value).unwrap_err();
        assert!(problems[0].path.0.contains("containers"), "{problems:?}");
        let none = Arc::new(json!({"kind": "Node"}));
        assert!(!node(&none).unwrap_err().is_empty());
    }

    #[test]
    fn a_claim_without_its_pool_is_not_ours() {
        let value = Arc::new(json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
            "metadata": {"name": "a", "labels": {"karpenter.sh/nodepool": "gone"}},
            "spec": {"requirements": [], "nodeClassRef": {"group": "g", "kind": "k", "name": "n"}},
        }));
        let declared = crate::testing::lowered("").declared;
        assert_eq!(claim(&value, &declared).unwrap().claim.pool, None);
    }
}
