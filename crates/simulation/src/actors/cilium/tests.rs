//! Cilium's ENI mode in a run: the same rules as on paper, with time and with somebody who has to act.

use cluster::capability::Capability;
use cluster::change::Fault;
use cluster::network::{CiliumEniSettings, Cni, EniCall, Subnet};
use cluster::pod::Stage as PodStage;
use cluster::role::Program;
use cluster::waiting::AddressShortage;
use cluster::{Change, NodeId, Taint, Waiting};

use crate::actors::cni_stage::{Stage, cilium, subnet};
use crate::effect::Effect;

const PROGRAMS: [Program; 2] = [Program::CiliumAgent, Program::CiliumOperator];

fn stage(settings: CiliumEniSettings, free: u32) -> Stage {
    stage_in(settings, free, "10.0.0.0/22")
}

fn stage_in(settings: CiliumEniSettings, free: u32, cidr: &str) -> Stage {
    let mut stage = Stage::new(Cni::CiliumEni(settings), vec![subnet(0, cidr)], &PROGRAMS);
    stage.set_free(free);
    stage
}

/// A node with an agent.
fn node(stage: &mut Stage, max_pods: i64) -> NodeId {
    let node = stage.node("m7g.large", max_pods);
    stage.program(node, Program::CiliumAgent);
    node
}

#[test]
fn twenty_five_pods_on_an_m7g_large() {
    let mut stage = stage(cilium(), 1000);
    let node = node(&mut stage, 110);
    stage.program(node, Program::CiliumOperator);
    let pods = stage.pods(node, 30);
    stage.settle();
    assert_eq!((stage.addressed(&pods), stage.network(node).allocated()), (25, 27));
    let full = AddressShortage::NodeFull { capacity: 27, own: 2, assigned: 25 };
    assert_eq!(stage.waits(pods[29]), Some(Waiting::NoAddress(full)));
    assert!(stage.world.cluster.node(node).ready);
}

#[test]
fn an_agent_waits_for_the_operator() {
    let mut stage = stage(cilium(), 1000);
    let node = node(&mut stage, 29);
    let pod = stage.pod(node);
    stage.settle();
    assert_eq!(stage.waits(pod), Some(Waiting::CniNotReady));
    assert!(!stage.world.cluster.node(node).ready);
    stage.program(node, Program::CiliumOperator);
    stage.settle();
    assert_eq!(stage.addressed(&[pod]), 1);
}

#[test]
fn pods_beyond_the_pool_wait_for_the_operator() {
    let mut stage = stage(cilium(), 1000);
    let node = node(&mut stage, 29);
    let operator = stage.program(node, Program::CiliumOperator);
    stage.settle();
    assert_eq!(stage.network(node).allocated(), 10, "eight to spare beside router and health");
    stage.delete(operator);
    stage.settle();
    let pods = stage.pods(node, 12);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 8);
    let missing = AddressShortage::NoAllocator(Capability::AddressAllocation);
    assert_eq!(stage.waits(pods[11]), Some(Waiting::NoAddress(missing)));
    stage.program(node, Program::CiliumOperator);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 12);
}

#[test]
fn the_operator_needs_ec2() {
    let mut stage = stage(cilium(), 1000);
    let node = node(&mut stage, 29);
    stage.program(node, Program::CiliumOperator);
    stage.settle();
    let fault = Fault::Service { service: "ec2".into(), code: "RequestLimitExceeded".into() };
    stage.perform(Effect::Fault(fault.clone(), true));
    let pods = stage.pods(node, 12);
    stage.settle();
    let missing = Capability::AwsService("ec2".into());
    let waits = Waiting::NoAddress(AddressShortage::NoAllocator(missing.clone()));
    assert_eq!((stage.addressed(&pods), stage.waits(pods[11])), (8, Some(waits)));
    assert!(
        stage
            .log
            .iter()
            .any(|(_, change)| matches!(change, Change::Blocked { needs, .. } if *needs == missing))
    );
    stage.perform(Effect::Fault(fault, false));
    stage.settle();
    assert_eq!(stage.addressed(&pods), 12);
    assert!(stage.world.cluster.blocked.is_empty());
}

#[test]
fn an_exhausted_subnet_keeps_the_agent_from_starting() {
    let mut stage = stage(cilium(), 5);
    let node = node(&mut stage, 29);
    stage.program(node, Program::CiliumOperator);
    let pod = stage.pod(node);
    stage.settle();
    assert!(!stage.world.cluster.node(node).ready, "the opposite of the VPC CNI");
    assert_eq!((stage.network(node).allocated(), stage.waits(pod)), (4, Some(Waiting::CniNotReady)));
}

#[test]
fn prefixes_do_not_rescue_a_node_that_holds_addresses() {
    let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
    let mut stage = stage(prefixes, 1000);
    let old = stage.node("m7g.large", 110);
    let plain = EniCall::Assign { interface: 0, count: 8, prefixes: false };
    stage.perform(Effect::CallEni(old, plain));
    stage.program(old, Program::CiliumAgent);
    let fresh = node(&mut stage, 110);
    stage.program(old, Program::CiliumOperator);
    let (on_old, on_fresh) = (stage.pods(old, 40), stage.pods(fresh, 108));
    stage.settle();
    assert_eq!((stage.addressed(&on_old), stage.addressed(&on_fresh)), (25, 108));
    assert_eq!(
        stage.network(fresh).held(),
        7 * 16 + 1 + 16,
        "110 used and eight to spare need eight prefixes"
    );
}

#[test]
fn a_fragmented_subnet_ends_prefixes_on_the_node() {
    let prefixes = CiliumEniSettings { prefix_delegation: true, ..cilium() };
    let mut stage = stage(prefixes, 1000);
    let fragmented = |subnet: &mut Subnet| {
        (subnet.declared_free, subnet.declared_free_prefixes) = (Some(500), Some(0));
        assert!(addressing::fragmentation::meet_declared(subnet));
    };
    fragmented(&mut stage.world.cluster.subnets[0]);
    let node = node(&mut stage, 110);
    stage.program(node, Program::CiliumOperator);
    let pods = stage.pods(node, 40);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 25);
    assert!(stage.network(node).interfaces.iter().flat_map(|i| &i.slots).all(|slot| !slot.prefix));
}

#[test]
fn the_taint_goes_when_agent_and_operator_run() {
    let mut stage = stage(cilium(), 1000);
    let node = node(&mut stage, 29);
    let (key, effect) = (addressing::cilium::NOT_READY_TAINT.into(), cluster::Effect::NoExecute);
    let patch = cluster::change::NodePatch::with([Taint { key, value: "true".into(), effect }]);
    stage.perform(Effect::PatchNode(node, Box::new(patch)));
    stage.settle();
    assert_eq!(stage.world.cluster.node(node).taints.len(), 1);
    stage.program(node, Program::CiliumOperator);
    stage.settle();
    assert!(stage.world.cluster.node(node).taints.is_empty());
}

#[test]
fn excess_is_released_after_three_minutes() {
    let releasing = CiliumEniSettings { release_excess: true, ..cilium() };
    let mut stage = stage(releasing, 1000);
    let node = node(&mut stage, 29);
    stage.program(node, Program::CiliumOperator);
    let pods = stage.pods(node, 20);
    stage.settle();
    let before = stage.network(node).allocated();
    pods.iter().for_each(|pod| stage.delete(*pod));
    let deleted = stage.now().0;
    stage.run(deleted + 170_000);
    assert_eq!(stage.network(node).allocated(), before);
    stage.settle();
    assert!(stage.network(node).allocated() < before);
    assert!(stage.network(node).allocated() >= 10);
}

#[test]
fn a_subnet_tag_that_nothing_has_leaves_one_interface() {
    let mut tagged = cilium();
    tagged.subnet_tags.insert("pods".into(), "yes".into());
    let mut stage = stage(tagged, 1000);
    let node = node(&mut stage, 29);
    stage.program(node, Program::CiliumOperator);
    let pods = stage.pods(node, 10);
    stage.settle();
    assert_eq!((stage.addressed(&pods), stage.network(node).interfaces.len()), (7, 1));
}

#[test]
fn an_input_without_agents_still_gets_addresses() {
    let mut stage = Stage::new(Cni::CiliumEni(cilium()), vec![subnet(0, "10.0.0.0/22")], &[]);
    let node = stage.node("m7g.large", 29);
    let pods = stage.pods(node, 25);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 25);
    assert!(pods.iter().all(|pod| stage.world.cluster.pod(*pod).stage == PodStage::Ready));
}

/// Two bootstrap nodes and a catalog that needs more addresses than they have, through the whole engine.
fn bootstrap(settings: CiliumEniSettings, app_pods: u32) -> crate::Run {
    use crate::actors::stage_hand;
    use cluster::network::NodeNetwork;

    let daemon = |program: Program, kind, shape| {
        let mut template = stage_hand::template(&program.to_string());
        (template.role, template.host_network) = (stage_hand::role(program), true);
        template.tolerations = vec![cluster::Toleration::everything()];
        let mut workload = stage_hand::workload(kind, &program.to_string(), shape, template);
        workload.arrival.existing = true;
        workload
    };
    let deployment = |replicas| cluster::workload::Shape::Deployment {
        replicas,
        recreate: false,
        max_surge: 1,
        max_unavailable: 0,
    };
    let workloads = vec![
        daemon(Program::CiliumAgent, cluster::Kind::DaemonSet, cluster::workload::Shape::DaemonSet),
        daemon(Program::CiliumOperator, cluster::Kind::Deployment, deployment(1)),
        stage_hand::deployment("catalog", app_pods),
    ];
    let node = |index: u32| {
        let mut node = stage_hand::node(&format!("bootstrap-{index}"));
        node.ready = false;
        let (cpu_millis, memory_bytes) = (1_930, 7 << 30);
        node.allocatable = cluster::Resources { cpu_millis, memory_bytes, ..node.allocatable.clone() };
        node.capacity = node.allocatable.clone();
        node.network = NodeNetwork { subnet: Some(cluster::network::SubnetId(0)), ..NodeNetwork::default() };
        node
    };
    let mut declared = stage_hand::declared(workloads, vec![node(0), node(1)]);
    declared.cni = Cni::CiliumEni(settings);
    let mut unfilled = subnet(0, "10.0.0.0/24");
    unfilled.declared_free = Some(180);
    declared.profile.subnets = vec![unfilled];
    crate::run(&std::sync::Arc::new(declared), catalog::Catalog::embedded(), &crate::Options::default())
}

#[test]
fn two_bootstrap_nodes_have_fifty_pod_addresses() {
    let run = bootstrap(cilium(), 60);
    let pods = || run.cluster.pods.iter().filter(|pod| pod.template.needs_address());
    assert_eq!(pods().filter(|pod| pod.stage == PodStage::Ready).count(), 50, "{:?}", run.end);
    let full = AddressShortage::NodeFull { capacity: 27, own: 2, assigned: 25 };
    let stuck = pods()
        .filter(|pod| pod.waiting.as_ref().is_some_and(|(_, why)| *why == Waiting::NoAddress(full.clone())));
    assert_eq!(stuck.count(), 10);
    assert_eq!(run.end, crate::End::Quiescent);
    let used: u32 = run.cluster.nodes.iter().map(|node| node.network.held()).sum();
    assert_eq!(
        run.cluster.subnets[0].space.free,
        180 + 2 * 12 - used,
        "ten addresses on two interfaces each at t=0"
    );
}

#[test]
fn prefixes_on_fresh_bootstrap_nodes_are_enough() {
    let run = bootstrap(CiliumEniSettings { prefix_delegation: true, ..cilium() }, 60);
    assert!(run.converged(), "{:?}", run.end);
}
