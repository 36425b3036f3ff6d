//! What a live dump shows of the running cluster: pods where they are, nodes of groups, bound claims.

use std::collections::BTreeMap;

use cluster::declared::DeclaredPod;
use cluster::network::SubnetId;
use cluster::pod::Stage;
use cluster::profile::Profile;
use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::workload::Shape;
use cluster::{Declared, Kind, Name, Node, ObjectKey, WorkloadId};
use serde_json::Value;

use crate::object::Object;
use crate::owners::Owners;
use crate::storage::WrittenClaim;

/// The profile's group that a Node object belongs to.
pub(crate) fn group_of(node: &Node, profile: &Profile) -> Option<u32> {
    let label = |key: &str| node.labels.get(key).map(Name::as_str);
    let managed = label("eks.amazonaws.com/nodegroup").or_else(|| label("alpha.eksctl.io/nodegroup-name"));
    let pool = label("karpenter.sh/nodepool");
    let groups = (0u32..).zip(&profile.node_groups);
    let found = groups.clone().find(|(_, group)| managed == Some(group.name.as_str()));
    found
        .or_else(|| {
            groups
                .clone()
                .find(|(_, group)| !group.node_pool.is_empty() && pool == Some(group.node_pool.as_str()))
        })
        .map(|(index, _)| index)
}

/// The subnet of a Node object: the one that its group names in its zone, else the only one of its zone.
pub(crate) fn subnet_of(node: &Node, profile: &Profile) -> Option<SubnetId> {
    let in_zone =
        |index: &u32| profile.subnets.get(*index as usize).is_some_and(|subnet| subnet.zone == node.zone);
    if let Some(group) = node.group.and_then(|group| profile.node_groups.get(group as usize)) {
        return group.subnets.iter().copied().find(in_zone).map(SubnetId);
    }
    let count = u32::try_from(profile.subnets.len()).unwrap_or(u32::MAX);
    let mut candidates = (0..count).filter(in_zone);
    candidates.next().filter(|_| candidates.next().is_none()).map(SubnetId)
}

/// Pods of the dump that belong to a workload.
pub(crate) fn add_pods(
    objects: &[&Object],
    owners: &Owners,
    workloads: &BTreeMap<ObjectKey, u32>,
    declared: &mut Declared,
) {
    for object in objects.iter().filter(|object| object.key.kind == Kind::Pod && object.live) {
        let Some(owner) = owners.workload_of(object) else { continue };
        let Some(id) = workloads.get(&owner) else { continue };
        let text =
            |pointer: &str| object.field(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let node = text("/spec/nodeName").map(Name::from);
        let stage = stage(object, node.is_some());
        if matches!(stage, Stage::Succeeded | Stage::Failed) {
            continue;
        }
        declared.pods.push(DeclaredPod {
            workload: WorkloadId(*id),
            ordinal: ordinal(object),
            name: object.key.name.clone(),
            addressed: text("/status/podIP").is_some(),
            node,
            stage,
        });
    }
}

/// How far a pod of a dump had come.
pub(crate) fn stage(object: &Object, bound: bool) -> Stage {
    let conditions =
        object.field("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let holds = |name: &str| {
        conditions.iter().any(|condition| condition["type"] == name && condition["status"] == "True")
    };
    match object.field("/status/phase").and_then(Value::as_str).unwrap_or_default() {
        "Succeeded" => Stage::Succeeded,
        "Failed" => Stage::Failed,
        "Running" if holds("Ready") => Stage::Ready,
        "Running" => Stage::Running,
        _ if holds("PodReadyToStartContainers") => Stage::Starting,
        _ if bound => Stage::Bound,
        _ => Stage::Pending,
    }
}

/// A StatefulSet's ordinal or a Job's completion index; 0 for the others.
fn ordinal(object: &Object) -> u32 {
    let label = ["apps.kubernetes.io/pod-index", "batch.kubernetes.io/job-completion-index"];
    let labelled = label.iter().find_map(|key| object.labels.get(*key)).and_then(|text| text.parse().ok());
    let stateful = matches!(object.controller(), Some(("StatefulSet", _)));
    let from_name =
        || object.key.name.rsplit('-').next().filter(|_| stateful).and_then(|text| text.parse().ok());
    labelled.or_else(from_name).unwrap_or(0)
}

/// Claims with the default class and their volumes filled in. A claim that a live cluster has bound to a volume
/// that is not in the dump gets one that can be used everywhere.
pub(crate) fn add_claims(written: Vec<WrittenClaim>, declared: &mut Declared) {
    let default = declared.default_storage_class().map(|class| class.name.clone());
    for WrittenClaim { mut claim, wants_default, volume_name, bound } in written {
        if wants_default && !bound {
            claim.storage_class = default.clone();
        }
        let position = |name: &Name| declared.volumes.iter().position(|volume| volume.name == *name);
        let index = match &volume_name {
            Some(name) => {
                position(name).or_else(|| bound.then(|| add_volume(name.clone(), &claim, declared)))
            }
            None => None,
        };
        claim.volume = index.filter(|_| bound).and_then(|index| u32::try_from(index).ok());
        if let Some(volume) = index.and_then(|index| declared.volumes.get_mut(index)) {
            volume.claim_ref.get_or_insert_with(|| (claim.namespace.clone(), claim.name.clone()));
        }
        claim.id = VolumeClaimId(u32::try_from(declared.volume_claims.len()).unwrap_or(u32::MAX));
        declared.volume_claims.push(claim);
    }
}

fn add_volume(name: Name, claim: &VolumeClaim, declared: &mut Declared) -> usize {
    let class = claim.storage_class.as_ref().and_then(|class| declared.storage_class(class));
    declared.volumes.push(Volume {
        name,
        location: None,
        driver: class.map(|class| class.provisioner.clone()).unwrap_or_default(),
        claim_ref: Some((claim.namespace.clone(), claim.name.clone())),
        storage_class: claim.storage_class.clone(),
        node_affinity: Vec::new(),
        labels: cluster::Labels::new(),
        attached: Vec::new(),
        traits: claim.wish.traits.clone(),
        reserved: true,
        deleting: false,
    });
    declared.volumes.len() - 1
}

/// The nodes that the scheduler had chosen for claims.
pub(crate) fn select_nodes(objects: &[&Object], declared: &mut Declared) {
    for object in objects.iter().filter(|object| object.key.kind == Kind::PersistentVolumeClaim) {
        let Some(name) = object.annotations.get("volume.kubernetes.io/selected-node") else { continue };
        let node = declared.nodes.iter().find(|node| node.name == *name).map(|node| node.id);
        let own = |claim: &&mut VolumeClaim| {
            claim.namespace == object.key.namespace && claim.name == object.key.name
        };
        if let Some(claim) = declared.volume_claims.iter_mut().find(own) {
            claim.selected_node = node;
        }
    }
}

/// Lowers a count of pods to what is left.
pub(crate) fn cap(shape: &mut Shape, left: u32) {
    match shape {
        Shape::Deployment { replicas, .. }
        | Shape::ReplicaSet { replicas }
        | Shape::StatefulSet { replicas, .. } => *replicas = left.min(*replicas),
        Shape::Job { parallelism, .. } => *parallelism = left.min(*parallelism),
        Shape::DaemonSet | Shape::CronJob { .. } | Shape::Pod => {}
    }
}
