//! Node objects of a live dump.

use cluster::network::NodeNetwork;
use cluster::node::NodeImage;
use cluster::{FieldPath, Labels, Name, Node, NodeId, Timestamp};
use k8s_openapi::api::core::v1 as core;

use crate::amounts::resources;
use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::selector::{names, taints};

/// A Node object.
pub(crate) fn node(object: &Object, reporter: &mut Reporter<'_>) -> Option<Node> {
    let wire: core::Node = decode(object, Strictness::Prune, reporter)?;
    let spec = wire.spec.unwrap_or_default();
    let status = wire.status.unwrap_or_default();
    let status_path = FieldPath::of("/status");
    let capacity = resources(status.capacity.as_ref(), &status_path.child("capacity"), reporter);
    let allocatable = match &status.allocatable {
        Some(list) => resources(Some(list), &status_path.child("allocatable"), reporter),
        None => capacity.clone(),
    };
    let ready = status.conditions.iter().flatten().find(|condition| condition.type_ == "Ready");
    let is_true = |condition: &core::NodeCondition| condition.status == "True";
    let images = status.images.iter().flatten().map(|image| NodeImage {
        names: names(image.names.as_deref()),
        size_bytes: image.size_bytes.unwrap_or(0),
    });
    let label = |keys: [&str; 2]| first_label(&object.labels, keys);
    let node = Node {
        id: NodeId(0),
        name: object.key.name.clone(),
        location: object.place.at(""),
        group: None,
        claim: None,
        instance_type: label(["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"]),
        zone: label(["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"]),
        labels: object.labels.clone(),
        annotations: object.annotations.clone(),
        taints: taints(spec.taints.as_deref(), &FieldPath::of("/spec/taints"), reporter),
        unschedulable: spec.unschedulable.unwrap_or(false),
        capacity,
        allocatable,
        // A kubelet is Ready only once the CNI, whichever it is, has written its configuration.
        network: NodeNetwork { cni_ready: ready.is_some_and(is_true), ..NodeNetwork::default() },
        volume_drivers: Vec::new(),
        images: images.collect(),
        created: Timestamp::ZERO,
        ready: ready.is_none_or(is_true),
        deleted: object.field("/metadata/deletionTimestamp").map(|_| Timestamp::ZERO),
        gone: false,
    };
    (!reporter.refused).then_some(node)
}

fn first_label(labels: &Labels, keys: [&str; 2]) -> Name {
    keys.iter().find_map(|key| labels.get(*key)).cloned().unwrap_or_default()
}
