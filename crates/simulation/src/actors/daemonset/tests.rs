//! DaemonSets with kubelets around them.

use super::*;
use crate::actors::kubelet::Kubelets;
use cluster::pod::Stage;

use crate::actors::stage_hand::{StageHand, declared, node, template, workload};
use cluster::taint::Effect as TaintEffect;
use cluster::{Kind, Name, Node, Taint, Toleration};

const AGENT: WorkloadId = WorkloadId(0);
const HOUR: Timestamp = Timestamp(3_600_000);

fn taint(key: &str, effect: TaintEffect) -> Taint {
    Taint { key: key.into(), value: Name::default(), effect }
}

fn hand(nodes: Vec<Node>) -> StageHand {
    let declared =
        declared(vec![workload(Kind::DaemonSet, "agent", Shape::DaemonSet, template("agent"))], nodes);
    let actors: Vec<Box<dyn Actor>> =
        vec![Box::new(DaemonSets::default()), Box::new(Kubelets::new(|_, _| None))];
    let mut hand = StageHand::new(declared, actors);
    hand.arrive_all();
    hand
}

#[test]
fn every_node_gets_one_pod_also_those_that_come_later() {
    let mut hand = hand(vec![node("a"), node("b"), node("c")]);
    hand.run(HOUR);
    hand.perform(Effect::RegisterNode(Box::new(node("d"))));
    assert!(hand.run(HOUR));
    let mut nodes: Vec<u32> = hand.cluster.live_pods().map(|pod| pod.node.unwrap().0).collect();
    nodes.sort_unstable();
    assert_eq!(nodes, [0, 1, 2, 3]);
}

#[test]
fn taints_that_the_controller_tolerates_do_not_keep_pods_away() {
    let mut lost = node("lost");
    lost.taints = vec![
        taint("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
        taint("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
    ];
    let mut own = node("own");
    own.taints = vec![taint("dedicated", TaintEffect::NoSchedule)];
    let mut soft = node("soft");
    soft.taints = vec![taint("dedicated", TaintEffect::PreferNoSchedule)];
    let template = daemon_template(&template("agent"));
    assert_eq!(should_run(&template, &lost), (true, true));
    assert_eq!(should_run(&template, &own), (false, true));
    assert_eq!(should_run(&template, &soft), (true, true));
    let mut network = node("network");
    network.taints = vec![taint("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule)];
    assert_eq!(should_run(&template, &network), (false, true));
}

#[test]
fn the_added_tolerations_replace_those_with_seconds() {
    let mut limited = template("agent");
    limited.tolerations = vec![Toleration {
        key: "node.kubernetes.io/not-ready".into(),
        exists: true,
        value: Name::default(),
        effect: Some(TaintEffect::NoExecute),
        seconds: Some(300),
    }];
    let tolerations = daemon_template(&limited).tolerations;
    assert_eq!(tolerations.iter().filter(|t| t.key == "node.kubernetes.io/not-ready").count(), 1);
    assert!(tolerations.iter().all(|toleration| toleration.seconds.is_none()));
}

#[test]
fn a_no_execute_taint_removes_the_pod_and_its_end_brings_it_back() {
    let mut hand = hand(vec![node("a")]);
    hand.run(HOUR);
    let evil = taint("evil", TaintEffect::NoExecute);
    let patch = cluster::change::NodePatch::with([evil.clone()]);
    hand.perform(Effect::PatchNode(NodeId(0), Box::new(patch)));
    assert!(hand.run(HOUR));
    assert!(hand.stages(AGENT).is_empty());
    hand.perform(Effect::PatchNode(NodeId(0), Box::new(cluster::change::NodePatch::without([&evil]))));
    assert!(hand.run(HOUR));
    assert_eq!(hand.stages(AGENT), [Stage::Ready]);
}

#[test]
fn a_new_template_is_rolled_out_one_node_at_a_time() {
    let mut hand = hand((0..4).map(|index| node(&format!("n{index}"))).collect());
    hand.run(HOUR);
    let before = hand.log.len();
    hand.change_workload(AGENT, |agent| agent.template = Arc::new(template("agent:2")));
    assert!(hand.run(HOUR));
    assert!(hand.cluster.live_pods().all(|pod| pod.revision == 1 && pod.stage == Stage::Ready));
    assert_eq!(hand.cluster.live_pods().count(), 4);
    let mut unready = 0i32;
    for (_, change) in &hand.log[before..] {
        match change {
            Change::PodDeleting { .. } => unready += 1,
            Change::PodStage(_, Stage::Ready) => unready -= 1,
            _ => {}
        }
        assert!(unready <= 1);
    }
}
