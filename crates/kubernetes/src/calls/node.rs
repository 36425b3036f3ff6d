//! Calls about Nodes.

use cluster::change::NodePatch;
use cluster::{Node, NodeId, Taint};
use provisioning::existing::UNREGISTERED;
use serde_json::{Value, json};

use super::claim::{self, status_with, with_finalizer, without_finalizer};
use super::conditions::Status;
use super::{Call, at_version, delete as delete_of, patch as patch_of};
use crate::mirror::Mirror;
use crate::{Resource, wire};

/// A claim's node has joined: it gets what its claim says, our finalizer and its owner; then pods may go there.
pub(super) fn register(mirror: &Mirror, node: NodeId) -> Vec<Call> {
    let cluster = mirror.cluster();
    let node = cluster.node(node);
    let Some(claim) = node.claim.map(|claim| cluster.claim(claim)) else { return Vec::new() };
    let (Some(facts), Some(value)) = (mirror.claim_facts(&claim.name), mirror.node_value(&node.name)) else {
        return Vec::new();
    };
    let mut labels = claim.labels.clone();
    labels.insert("karpenter.sh/registered".into(), "true".into());
    let mut taints: Vec<Taint> = node.taints.clone();
    taints.retain(|taint| taint.key != UNREGISTERED);
    let missing =
        claim.taints.iter().chain(&claim.startup_taints).filter(|own| {
            !node.taints.iter().any(|taint| taint.key == own.key && taint.effect == own.effect)
        });
    taints.extend(missing.cloned());
    let mut metadata = at_version(Some(value));
    metadata["labels"] = wire::labels(&labels);
    metadata["annotations"] = wire::labels(&facts.annotations);
    metadata["finalizers"] = with_finalizer(value);
    metadata["ownerReferences"] = json!([{
        "apiVersion": Resource::NodeClaim.api_version(), "kind": Resource::NodeClaim.kind(),
        "name": claim.name.as_str(), "uid": facts.uid.as_str(), "blockOwnerDeletion": true,
    }]);
    let body = json!({"metadata": metadata, "spec": {"taints": written(&taints)}});
    let mut conditions = claim::of(mirror, claim.id);
    conditions.set("Registered", (Status::True, "Registered", ""));
    let joined = json!({"nodeName": node.name.as_str(), "conditions": conditions.written()});
    vec![patch_of(Resource::Node, &node.name, false, body), status_with(mirror, claim.id, joined)]
}

/// Changes taints and labels. The list of taints is written whole, so the node must be as it is known.
pub(super) fn patch(mirror: &Mirror, node: NodeId, patch: &NodePatch) -> Vec<Call> {
    let node = mirror.cluster().node(node);
    let mut metadata = json!({});
    let mut body = json!({});
    let mut taints = node.taints.clone();
    patch.change_taints(&mut taints);
    if taints != node.taints {
        metadata = at_version(mirror.node_value(&node.name));
        body["spec"] = json!({"taints": written(&taints)});
    }
    if !patch.labels.is_empty() {
        metadata["labels"] = wire::labels(&patch.labels);
    }
    body["metadata"] = metadata;
    if let Some(unschedulable) = patch.unschedulable {
        body["spec"]["unschedulable"] = json!(unschedulable);
    }
    vec![patch_of(Resource::Node, &node.name, false, body)]
}

fn written(taints: &[Taint]) -> Vec<Value> {
    taints.iter().map(wire::taint).collect()
}

/// Asks a node to go.
pub(super) fn delete(mirror: &Mirror, node: NodeId) -> Vec<Call> {
    let node: &Node = mirror.cluster().node(node);
    let uid = mirror.node_facts(&node.name).map(|facts| facts.uid.to_string());
    vec![delete_of(Resource::Node, &node.name, uid)]
}

/// Takes the finalizer off: the node goes at once.
pub(super) fn release(mirror: &Mirror, node: NodeId) -> Vec<Call> {
    let node = mirror.cluster().node(node);
    without_finalizer(Resource::Node, &node.name, mirror.node_value(&node.name))
}
