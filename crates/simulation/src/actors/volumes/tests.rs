//! From a claim to a Ready pod, with the kubelet, the controllers and a driver around it.

use cluster::pod::Stage;
use cluster::role::Program;
use cluster::storage::{StorageClass, Volume, VolumeClaim, VolumeClaimId};
use cluster::template::{NodeSelectorTerm, PodTemplate, PodVolume};
use cluster::waiting::AttachProblem;
use cluster::workload::Shape;
use cluster::*;

use super::attaching::Attacher;
use super::binding::Binder;
use super::drivers::NodePlugins;
use super::*;
use crate::actor::Actor;
use crate::actors::bare_pod::BarePods;
use crate::actors::daemonset::DaemonSets;
use crate::actors::deployment::Deployments;
use crate::actors::kubelet::Kubelets;
use crate::actors::stage_hand::{StageHand, container, declared, node, role, template, workload};
use crate::actors::statefulset::StatefulSets;
use crate::effect::Effect;

const HOUR: Timestamp = Timestamp(3_600_000);

fn class(name: &str, provisioner: &str, wait_for_consumer: bool) -> StorageClass {
    StorageClass {
        name: name.into(),
        location: Location::object(ObjectKey::new(Kind::StorageClass, "", name)),
        provisioner: provisioner.into(),
        wait_for_consumer,
        is_default: false,
        allowed_topologies: Vec::new(),
    }
}

fn claim(name: &str, class: &str) -> VolumeClaim {
    VolumeClaim {
        id: VolumeClaimId(0),
        namespace: "apps".into(),
        name: name.into(),
        location: Location::object(ObjectKey::new(Kind::PersistentVolumeClaim, "apps", name)),
        storage_class: Some(class.into()),
        single_node: true,
        single_pod: false,
        selected_node: None,
        volume: None,
        wish: Default::default(),
    }
}

fn volume(name: &str, driver: &str, class: &str) -> Volume {
    Volume {
        name: name.into(),
        location: None,
        driver: driver.into(),
        claim_ref: None,
        storage_class: Some(class.into()),
        node_affinity: Vec::new(),
        labels: Labels::new(),
        attached: Vec::new(),
        traits: Default::default(),
        reserved: false,
        deleting: false,
    }
}

fn pod_with(name: &str, claims: &[&str]) -> Workload {
    let volumes = claims.iter().map(|claim| PodVolume::Claim((*claim).into())).collect();
    workload(Kind::Pod, name, Shape::Pod, PodTemplate { volumes, ..template(name) })
}

/// The driver's controller and node plugin.
fn driver() -> Vec<Workload> {
    let controller =
        PodTemplate { role: role(Program::EbsCsiController), host_network: true, ..template("ebs-csi") };
    let plugin = PodTemplate {
        role: role(Program::EbsCsiNode),
        host_network: true,
        containers: vec![container("registry/aws-ebs-csi-driver:v1")],
        tolerations: vec![Toleration::everything()],
        ..template("ebs-csi-node")
    };
    let shape = Shape::Deployment { replicas: 1, recreate: false, max_surge: 1, max_unavailable: 0 };
    vec![
        workload(Kind::Deployment, "ebs-csi-controller", shape, controller),
        workload(Kind::DaemonSet, "ebs-csi-node", Shape::DaemonSet, plugin),
    ]
}

fn hand(workloads: Vec<Workload>, edit: impl FnOnce(&mut Declared)) -> StageHand {
    let mut declared = declared(workloads, vec![node("a")]);
    edit(&mut declared);
    for (index, claim) in (0u32..).zip(&mut declared.volume_claims) {
        claim.id = VolumeClaimId(index);
    }
    let actors: Vec<Box<dyn Actor>> = vec![
        Box::new(BarePods::default()),
        Box::new(Deployments::default()),
        Box::new(StatefulSets::default()),
        Box::new(DaemonSets::default()),
        Box::new(Binder::new(|_, _| None)),
        Box::new(NodePlugins::default()),
        Box::new(Attacher::new(|_, _| None)),
        Box::new(Kubelets::new(|_, _| None)),
    ];
    let mut hand = StageHand::new(declared, actors);
    hand.arrive_all();
    hand
}

fn find<'h>(hand: &'h StageHand, name: &str) -> &'h Pod {
    hand.cluster.pods.iter().rev().find(|pod| pod.name == name).expect("the pod exists")
}

fn waits(hand: &StageHand, name: &str) -> Option<Waiting> {
    find(hand, name).waiting.as_ref().map(|(_, why)| why.clone())
}

fn unattached(claim: &str, why: AttachProblem) -> Option<Waiting> {
    Some(Waiting::VolumeUnattached { claim: claim.into(), why })
}

#[test]
fn a_claim_is_provisioned_attached_and_mounted() {
    let mut workloads = driver();
    workloads.push(pod_with("db", &["data"]));
    let mut hand = hand(workloads, |declared| {
        declared.storage_classes = vec![class("gp3", "kubernetes.io/aws-ebs", false)];
        declared.volume_claims = vec![claim("data", "gp3")];
    });
    assert!(hand.run(HOUR));
    // The controller is Ready at 10 s; 3 s to provision, 2 s to attach; then the image and the start.
    assert_eq!(hand.reached(find(&hand, "db").id, Stage::Starting), Some(Timestamp(15_000)));
    assert_eq!(find(&hand, "db").stage, Stage::Ready);
    assert_eq!(hand.cluster.nodes[0].volume_drivers[0].0, EBS);
}

#[test]
fn without_the_drivers_controller_a_chosen_claim_waits_for_it() {
    let mut hand = hand(vec![pod_with("db", &["data"])], |declared| {
        declared.storage_classes = vec![class("gp3", EBS, true)];
        declared.volume_claims = vec![claim("data", "gp3")];
    });
    hand.schedules = false;
    hand.run(HOUR);
    assert_eq!(waits(&hand, "db"), None, "nobody has chosen a node");
    hand.perform(Effect::SelectVolumeNode(VolumeClaimId(0), NodeId(0)));
    assert!(hand.run(HOUR));
    let waits_for = Some(capability::Capability::Volumes(EBS.into()));
    assert_eq!(waits(&hand, "db"), Some(Waiting::VolumeUnbound { claim: "data".into(), waits_for }));
}

#[test]
fn volumes_of_the_input_are_bound_by_name_or_by_class_and_only_once() {
    let workloads = vec![pod_with("a", &["mine"]), pod_with("b", &["first"]), pod_with("c", &["second"])];
    let mut hand = hand(workloads, |declared| {
        declared.storage_classes = vec![class("manual", binding::NO_PROVISIONER, false)];
        declared.volume_claims =
            vec![claim("first", "manual"), claim("second", "manual"), claim("mine", "manual")];
        let mut reserved = volume("reserved", "nfs", "manual");
        reserved.claim_ref = Some(("apps".into(), "mine".into()));
        declared.volumes = vec![reserved, volume("free", "nfs", "manual")];
    });
    assert!(hand.run(HOUR));
    let bound: Vec<Option<u32>> = hand.cluster.volume_claims.iter().map(|claim| claim.volume).collect();
    assert_eq!(bound, [Some(1), None, Some(0)]);
    assert_eq!(find(&hand, "b").stage, Stage::Ready);
    assert_eq!(waits(&hand, "c"), Some(Waiting::VolumeUnbound { claim: "second".into(), waits_for: None }));
    assert_eq!(assumed_drivers(&hand.cluster), ["nfs"]);
}

#[test]
fn a_node_takes_only_as_many_volumes_as_its_limit() {
    let mut workloads = driver();
    workloads.extend(["a", "b", "c"].map(|name| pod_with(name, &[name])));
    let mut hand = hand(workloads, |declared| {
        declared.profile.volume_limits = vec![(EBS.into(), 2)];
        declared.storage_classes = vec![class("gp3", EBS, false)];
        declared.volume_claims = ["a", "b", "c"].map(|name| claim(name, "gp3")).to_vec();
        declared.nodes[0].instance_type = "unknown.type".into();
    });
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand, "c"), unattached("c", AttachProblem::LimitReached { limit: 2 }));
    let first = find(&hand, "a").id;
    hand.perform(Effect::DeletePod(first, change::DeletionCause::Owner));
    assert!(hand.run(HOUR));
    assert_eq!(find(&hand, "c").stage, Stage::Ready);
}

#[test]
fn a_volume_for_one_node_waits_until_the_other_lets_go() {
    let mut workloads = driver();
    let volumes =
        vec![PodVolume::Template { name: "data".into(), storage_class: Some("gp3".into()), stateful: true }];
    let template = PodTemplate { volumes, ..template("db") };
    workloads.push(workload(
        Kind::StatefulSet,
        "db",
        Shape::StatefulSet { replicas: 1, parallel: false },
        template,
    ));
    let mut hand = hand(workloads, |declared| {
        declared.nodes.push(node("b"));
        declared.storage_classes = vec![class("gp3", EBS, false)];
    });
    assert!(hand.run(HOUR));
    assert_eq!(find(&hand, "db-0").node, Some(NodeId(0)));
    // The node falls silent, and somebody deletes the pod by force: the volume stays for six minutes.
    let start = hand.cluster.now;
    hand.perform(Effect::NodeReady(NodeId(0), false));
    let pod = find(&hand, "db-0").id;
    hand.perform(Effect::DeletePod(pod, change::DeletionCause::NodeLost));
    hand.run(start.after_ms(100_000));
    assert_eq!(find(&hand, "db-0").node, Some(NodeId(1)));
    assert_eq!(waits(&hand, "db-0"), unattached("data-db-0", AttachProblem::HeldBy(NodeId(0))));
    assert!(hand.run(HOUR));
    assert_eq!(find(&hand, "db-0").stage, Stage::Ready);
    let attached =
        hand.log.iter().rev().find(|(_, change)| matches!(change, Change::VolumeAttached(_, NodeId(1))));
    assert_eq!(attached.unwrap().0, start.after_ms(360_000 + 2_000));
}

#[test]
fn a_volume_of_another_zone_is_never_attached() {
    let mut hand = hand(vec![pod_with("db", &["data"])], |declared| {
        let mut elsewhere = volume("v", EBS, "gp3");
        elsewhere.node_affinity = vec![NodeSelectorTerm {
            match_expressions: vec![SelectorRequirement {
                key: "topology.kubernetes.io/zone".into(),
                operator: SelectorOperator::In,
                values: vec!["us-west-2z".into()],
                min_values: None,
            }],
            match_fields: Vec::new(),
        }];
        declared.volumes = vec![elsewhere];
        declared.volume_claims = vec![claim("data", "gp3")];
    });
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand, "db"), unattached("data", AttachProblem::WrongZone));
}

#[test]
fn the_node_plugin_registers_the_driver_and_removes_the_startup_taint() {
    let mut hand = hand(driver(), |declared| {
        let taint =
            |key: &str| Taint { key: key.into(), value: Name::default(), effect: taint::Effect::NoExecute };
        declared.nodes[0].taints =
            vec![taint("ebs.csi.aws.com/agent-not-ready"), taint("other/agent-not-ready")];
    });
    assert!(hand.run(HOUR));
    let keys: Vec<&str> = hand.cluster.nodes[0].taints.iter().map(|taint| taint.key.as_str()).collect();
    assert_eq!(keys, ["other/agent-not-ready"]);
}

#[test]
fn an_ephemeral_claim_is_made_with_its_pod() {
    let volumes = vec![PodVolume::Template {
        name: "scratch".into(),
        storage_class: Some("fast".into()),
        stateful: false,
    }];
    let template = PodTemplate { volumes, ..template("web") };
    let one = workload(Kind::Pod, "web", Shape::Pod, template);
    let mut hand =
        hand(vec![one], |declared| declared.storage_classes = vec![class("fast", "other.driver", false)]);
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.volume_claims[0].name, "web-scratch");
    assert_eq!(find(&hand, "web").stage, Stage::Ready);
    assert_eq!(assumed_drivers(&hand.cluster), ["other.driver"]);
}
