//! Claims, volumes and where they can be used.

use std::sync::Arc;

use cluster::storage::Volume;
use cluster::template::NodeSelectorTerm;
use cluster::{Labels, PodId};

use super::*;
use crate::testing::{add_bound, add_node, add_pod, empty, selector, template, zoned};
use crate::{Attempt, ClaimChoice, TieBreak, attempt};

const ZONE: &str = "topology.kubernetes.io/zone";

fn in_zone(zone: &str) -> Vec<NodeSelectorTerm> {
    vec![NodeSelectorTerm { match_expressions: selector(ZONE, zone).requirements, match_fields: vec![] }]
}

fn class(name: &str, wait_for_consumer: bool) -> StorageClass {
    StorageClass {
        name: name.into(),
        location: zoned("x", "x").location,
        provisioner: "ebs.csi.aws.com".into(),
        wait_for_consumer,
        is_default: false,
        allowed_topologies: vec![],
    }
}

fn volume(name: &str, zone: &str) -> Volume {
    Volume {
        name: name.into(),
        location: None,
        driver: "ebs.csi.aws.com".into(),
        claim_ref: None,
        storage_class: Some("later".into()),
        node_affinity: in_zone(zone),
        labels: Labels::new(),
        attached: vec![],
        traits: Default::default(),
        reserved: false,
        deleting: false,
    }
}

/// Nodes in zones a and b; classes `later` (waits) and `now`.
fn cluster() -> Cluster {
    let mut cluster = empty();
    add_node(&mut cluster, zoned("a", "a"));
    add_node(&mut cluster, zoned("b", "b"));
    let mut declared = (*cluster.declared).clone();
    declared.storage_classes = vec![class("later", true), class("now", false)];
    cluster.declared = Arc::new(declared);
    cluster
}

fn claim(cluster: &mut Cluster, name: &str, class: &str) -> VolumeClaimId {
    let id = VolumeClaimId(u32::try_from(cluster.volume_claims.len()).unwrap());
    cluster.volume_claims.push(VolumeClaim {
        id,
        namespace: "default".into(),
        name: name.into(),
        location: zoned("x", "x").location,
        storage_class: Some(class.into()),
        single_node: true,
        single_pod: false,
        selected_node: None,
        volume: None,
        wish: Default::default(),
    });
    id
}

fn using(claims: &[&str]) -> Arc<PodTemplate> {
    let volumes = claims.iter().map(|name| PodVolume::Claim((*name).into())).collect();
    Arc::new(PodTemplate { volumes, ..template(100, 0) })
}

fn tried(cluster: &Cluster, pod: PodId) -> Attempt {
    attempt(&mut Placements::new(cluster), cluster, pod, TieBreak::Lowest)
}

fn bound(cluster: &mut Cluster, claims: &[&str]) -> (NodeId, Vec<ClaimChoice>) {
    let pod = add_pod(cluster, &using(claims));
    match tried(cluster, pod) {
        Attempt::Bind(placement) => (placement.node, placement.claims),
        other => panic!("{other:?}"),
    }
}

fn message(cluster: &mut Cluster, claims: &[&str]) -> String {
    let pod = add_pod(cluster, &using(claims));
    match tried(cluster, pod) {
        Attempt::Reject { rejection, .. } => rejection.message,
        other => panic!("{other:?}"),
    }
}

/// What is said after a plugin kept the pod off all nodes.
const UNASKED: &str = " not found";
const UNHELPFUL: &str = " no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";

#[test]
fn claims_must_exist_and_be_bound_unless_they_wait() {
    let mut cluster = cluster();
    assert_eq!(
        message(&mut cluster, &["data"]),
        format!("0/2 nodes are available: persistentvolumeclaim \"data\" not found.{UNASKED}")
    );
    claim(&mut cluster, "data", "now");
    assert_eq!(
        message(&mut cluster, &["data"]),
        format!("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.{UNASKED}")
    );
    let ephemeral = PodVolume::Template { name: "tmp".into(), storage_class: None, stateful: false };
    let pod = add_pod(&mut cluster, &Arc::new(PodTemplate { volumes: vec![ephemeral], ..template(1, 0) }));
    let Attempt::Reject { rejection, .. } = tried(&cluster, pod) else { panic!() };
    let name = format!("pod-{}-tmp", pod.0);
    assert_eq!(
        rejection.message,
        format!(
            "0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\".{UNASKED}"
        )
    );
}

#[test]
fn bound_volumes_decide_the_zone() {
    let mut cluster = cluster();
    let id = claim(&mut cluster, "data", "later");
    cluster.volumes.push(volume("pv", "b"));
    cluster.volume_claims[id.0 as usize].volume = Some(0);
    assert_eq!(bound(&mut cluster, &["data"]), (NodeId(1), vec![]));
    cluster.nodes[1].unschedulable = true;
    assert_eq!(
        message(&mut cluster, &["data"]),
        format!(
            "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 node(s) were unschedulable.{UNHELPFUL}"
        )
    );
}

#[test]
fn waiting_claims_are_provisioned_where_the_class_allows() {
    let mut cluster = cluster();
    let id = claim(&mut cluster, "data", "later");
    assert_eq!(bound(&mut cluster, &["data"]), (NodeId(0), vec![ClaimChoice::Provision(id)]));
    let mut declared = (*cluster.declared).clone();
    declared.storage_classes[0].allowed_topologies = in_zone("b");
    cluster.declared = Arc::new(declared.clone());
    assert_eq!(bound(&mut cluster, &["data"]), (NodeId(1), vec![ClaimChoice::Provision(id)]));
    cluster.volume_claims[id.0 as usize].selected_node = Some(NodeId(0));
    declared.storage_classes[0].allowed_topologies = vec![];
    cluster.declared = Arc::new(declared.clone());
    assert_eq!(bound(&mut cluster, &["data"]).0, NodeId(0));
    declared.storage_classes[0].provisioner = NO_PROVISIONER.into();
    cluster.declared = Arc::new(declared);
    assert_eq!(
        message(&mut cluster, &["data"]),
        format!(
            "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.{UNHELPFUL}"
        )
    );
}

#[test]
fn free_volumes_are_taken_before_new_ones_are_made_and_only_once() {
    let mut cluster = cluster();
    let (one, two) = (claim(&mut cluster, "one", "later"), claim(&mut cluster, "two", "later"));
    cluster.volumes = vec![volume("other", "a"), volume("mine", "a")];
    cluster.volumes[1].claim_ref = Some(("default".into(), "two".into()));
    let expected = vec![ClaimChoice::Bind(one, 0), ClaimChoice::Bind(two, 1)];
    assert_eq!(bound(&mut cluster, &["one", "two"]), (NodeId(0), expected));
    let pod = add_pod(&mut cluster, &using(&["one"]));
    let mut index = Placements::new(&cluster);
    index.reserve_claims(NodeId(0), &[ClaimChoice::Bind(two, 0)]);
    let Attempt::Bind(placement) = attempt(&mut index, &cluster, pod, TieBreak::Lowest) else { panic!() };
    assert_eq!(placement.claims, [ClaimChoice::Provision(one)]);
}

#[test]
fn limits_count_volumes_once_and_those_still_attached() {
    let mut cluster = cluster();
    cluster.nodes[1].unschedulable = true;
    cluster.nodes[0].volume_drivers = vec![("ebs.csi.aws.com".into(), Some(2))];
    for (number, name) in [(0, "x"), (1, "y"), (2, "z")] {
        let id = claim(&mut cluster, name, "later");
        cluster.volumes.push(volume(name, "a"));
        cluster.volume_claims[id.0 as usize].volume = Some(number);
    }
    add_bound(&mut cluster, &using(&["x"]), NodeId(0));
    assert_eq!(bound(&mut cluster, &["x", "y"]).0, NodeId(0));
    let refused = "0/2 nodes are available: 1 node(s) exceed max volume count, 1 node(s) were unschedulable.";
    assert!(message(&mut cluster, &["y", "z"]).starts_with(refused));
    cluster.volumes[2].attached = vec![NodeId(0)];
    assert!(message(&mut cluster, &["y"]).starts_with(refused));
    cluster.nodes[0].volume_drivers = vec![("other".into(), Some(0)), ("ebs.csi.aws.com".into(), None)];
    assert_eq!(bound(&mut cluster, &["y", "z"]).0, NodeId(0));
}

#[test]
fn a_claim_for_one_pod_is_not_shared() {
    let mut cluster = cluster();
    let id = claim(&mut cluster, "data", "later");
    cluster.volumes.push(volume("pv", "a"));
    cluster.volume_claims[id.0 as usize].volume = Some(0);
    cluster.volume_claims[id.0 as usize].single_pod = true;
    assert_eq!(bound(&mut cluster, &["data"]).0, NodeId(0));
    add_bound(&mut cluster, &using(&["data"]), NodeId(0));
    assert!(message(&mut cluster, &["data"]).starts_with(
        "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access \
         mode already in-use by another pod."
    ));
}

#[test]
fn zone_labels_of_volumes_must_be_met() {
    let mut cluster = cluster();
    let id = claim(&mut cluster, "data", "later");
    let labels = Labels::from([("failure-domain.beta.kubernetes.io/zone".into(), "b__c".into())]);
    cluster.volumes.push(Volume { node_affinity: vec![], labels, ..volume("pv", "b") });
    cluster.volume_claims[id.0 as usize].volume = Some(0);
    assert_eq!(bound(&mut cluster, &["data"]).0, NodeId(1));
    cluster.nodes[1].unschedulable = true;
    assert!(message(&mut cluster, &["data"]).starts_with(
        "0/2 nodes are available: 1 node(s) had no available volume zone, 1 node(s) were unschedulable."
    ));
    cluster.nodes[0].labels.clear();
    assert_eq!(bound(&mut cluster, &["data"]).0, NodeId(0));
}

#[test]
fn claims_of_templates_are_named_after_pod_and_template() {
    let of = |stateful| PodVolume::Template { name: "data".into(), storage_class: None, stateful };
    let template = PodTemplate { volumes: vec![of(true), of(false)], ..template(0, 0) };
    assert_eq!(claim_names(&template, "db-0"), [("data-db-0".into(), false), ("db-0-data".into(), true)]);
}
