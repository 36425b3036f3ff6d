//! Volumes of pods on nodes that go, and what nodes can attach.

use kubernetes::Resource;
use serde_json::{Value, json};

use crate::server::Server;
use crate::upkeep::{gates, names, with_replicas};
use crate::{class, condition, holds, pod, pool};

fn volume(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"},
            "claimRef": {"namespace": "shop", "name": "data"}},
        "status": {"phase": "Bound"}})
}

fn attachment(node: &str) -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "csi-1"},
        "spec": {"attacher": "ebs.csi.aws.com", "nodeName": node, "source": {"persistentVolumeName": "pv"}},
        "status": {"attached": true}})
}

/// One pod with its node, to which a volume is attached, of a pool with this grace period.
fn with_a_volume(grace: Option<&str>) -> (Server, String) {
    let mut server = Server::new();
    server.apply(Resource::KwokNodeClass, class());
    let mut pool = pool("default", "0s");
    if let Some(grace) = grace {
        pool["spec"]["template"]["spec"]["terminationGracePeriod"] = json!(grace);
    }
    server.apply(Resource::NodePool, pool);
    server.apply(Resource::PersistentVolume, volume("pv"));
    server.apply(Resource::Pod, pod("web-0", "1"));
    server.run_for_s(30);
    let node = names(&server, Resource::Node)[0].clone();
    server.apply(Resource::VolumeAttachment, attachment(&node));
    server.run_for_s(5);
    server.delete(Resource::Node, "", &node);
    server.run_for_s(60);
    (server, node)
}

/// A pod that moves finds its volume detached: the instance does not end before.
#[test]
fn an_instance_ends_when_its_volumes_are_detached() {
    let (mut server, node) = with_a_volume(None);
    let claim =
        server.all(Resource::NodeClaim).into_iter().find(|own| own["status"]["nodeName"] == *node).unwrap();
    assert!(holds(&claim, "Drained") && !holds(&claim, "InstanceTerminating"), "{claim:#}");
    assert_eq!(condition(&claim, "VolumesDetached")["reason"], "AwaitingVolumeDetachment");
    let said = server
        .all(Resource::Event)
        .into_iter()
        .find(|own| own["reason"] == "AwaitingVolumeDetachment")
        .unwrap();
    assert_eq!(said["message"], "Awaiting deletion of bound volumeattachments (csi-1)");
    // Nobody who takes over forgets it.
    server.replace_the_controller();
    server.run_for_s(60);
    assert!(server.get(Resource::Node, "", &node).is_some());
    server.delete(Resource::VolumeAttachment, "", "csi-1");
    server.run_for_s(20);
    assert!(server.get(Resource::Node, "", &node).is_none());
}

/// Unless its time is over.
#[test]
fn volumes_are_not_waited_for_beyond_the_grace_period() {
    let (mut server, node) = with_a_volume(Some("90s"));
    assert!(server.get(Resource::Node, "", &node).is_some());
    server.run_for_s(60);
    assert!(server.get(Resource::Node, "", &node).is_none(), "{:#}", server.all(Resource::NodeClaim)[0]);
    assert!(server.log.iter().any(|call| call.contains("TerminationGracePeriodElapsed")));
}

/// A node that has no room for another volume is not planned for, whichever of the two was seen first.
#[test]
fn a_node_s_drivers_are_known_with_their_limits() {
    let mut server = with_replicas(gates(), 1);
    let node = names(&server, Resource::Node)[0].clone();
    let drivers = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": node},
        "spec": {"drivers": [{"name": "ebs.csi.aws.com", "nodeID": "i", "topologyKeys": [], "allocatable": {"count": 3}}]}});
    server.apply(Resource::CsiNode, drivers);
    let known = |server: &mut Server| {
        server.run_for_s(2);
        let nodes = &server.edge().mirror().cluster().nodes;
        nodes.last().unwrap().volume_drivers.clone()
    };
    assert_eq!(known(&mut server), [("ebs.csi.aws.com".into(), Some(3))]);
    // A node's own updates do not bring them.
    server.change(Resource::Node, "", &node, |node| node["metadata"]["labels"]["a"] = json!("b"));
    assert_eq!(known(&mut server).len(), 1);
    server.replace_the_controller();
    assert_eq!(known(&mut server).len(), 1);
    server.delete(Resource::CsiNode, "", &node);
    assert!(known(&mut server).is_empty());
}
