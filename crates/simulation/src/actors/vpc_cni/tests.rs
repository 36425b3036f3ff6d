//! ipamd in a run: the same rules as on paper, with time.

use cluster::capability::Capability;
use cluster::change::{Fault, NodePatch};
use cluster::network::{Cni, EniCall, EniOutcome, Shortage, VpcCniSettings};
use cluster::role::Program;
use cluster::waiting::AddressShortage;
use cluster::{Change, Waiting};

use crate::actors::cni_stage::{Stage, subnet, vpc_cni};
use crate::effect::Effect;

fn ec2_fault() -> Fault {
    Fault::Service { service: "ec2".into(), code: "RequestLimitExceeded".into() }
}

#[test]
fn a_fresh_node_fills_one_interface_and_the_first_pod_takes_a_second() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m7g.large", 29);
    stage.settle();
    assert!(stage.network(node).cni_ready && stage.world.cluster.node(node).ready);
    assert_eq!(stage.network(node).held(), 10);
    let pod = stage.pod(node);
    stage.settle();
    assert_eq!((stage.network(node).held(), stage.addressed(&[pod])), (20, 1));
}

#[test]
fn ninety_eight_addresses_for_one_pod() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m6a.32xlarge", 737);
    let pod = stage.pod(node);
    stage.settle();
    assert_eq!((stage.network(node).allocated(), stage.network(node).held()), (98, 100));
    stage.delete(pod);
    stage.settle();
    assert_eq!(
        stage.network(node).held(),
        50,
        "without pods the second interface is dropped when it is old enough"
    );
}

#[test]
fn twenty_seven_of_twenty_eight() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m7g.large", 29);
    let pods = stage.pods(node, 28);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 27);
    let full = AddressShortage::NodeFull { capacity: 27, own: 0, assigned: 27 };
    assert_eq!(stage.waits(pods[27]), Some(Waiting::NoAddress(full)));
}

#[test]
fn a_freed_address_cools_down_before_the_next_pod_gets_it() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m7g.large", 29);
    let pods = stage.pods(node, 27);
    stage.settle();
    let freed_at = stage.now().0;
    stage.delete(pods[0]);
    let next = stage.pod(node);
    stage.run(freed_at + 5_000);
    assert_eq!(stage.waits(next), Some(Waiting::NoAddress(AddressShortage::Transient)));
    stage.settle();
    let got_at = stage.when(&Change::PodAddressed(next)).unwrap();
    assert!((freed_at + 30_000..=freed_at + 45_000).contains(&got_at), "{got_at} {freed_at}");
}

#[test]
fn a_full_subnet_leaves_a_ready_node_without_addresses() {
    let mut stage = Stage::vpc(vpc_cni(), 1);
    let node = stage.node("m7g.large", 29);
    let pod = stage.pod(node);
    stage.settle();
    assert!(stage.world.cluster.node(node).ready, "Ready by design");
    assert_eq!(stage.network(node).allocated(), 0);
    let subnet_full = |free| {
        let (subnet, code) = ("subnet-0".into(), Shortage::Addresses);
        Waiting::NoAddress(AddressShortage::SubnetFull { subnet, code, free, free_prefixes: 0 })
    };
    assert_eq!(stage.waits(pod), Some(subnet_full(0)));
    // Room elsewhere: a node goes, and the one that waits is served after its back-off.
    let before = stage.now();
    addressing::space::release_address(&mut stage.world.cluster.subnets[0].space, 20);
    stage.perform(Effect::Fault(ec2_fault(), false));
    stage.settle();
    assert_eq!(stage.addressed(&[pod]), 1, "one address drained by the retry for a single one");
    assert!(stage.now() > before);
    assert_eq!(stage.world.cluster.subnets[0].space.free, 0);
}

#[test]
fn the_hoarders_keep_what_the_victim_needs() {
    // 13 nodes of 98 for one pod each take 1,300 addresses to the last one.
    let mut stage = Stage::new(Cni::VpcCni(vpc_cni()), vec![subnet(0, "10.0.0.0/20")], &[]);
    stage.set_free(1301);
    let victim = stage.node("m7g.large", 29);
    stage.world.cluster.nodes[victim.0 as usize].unschedulable = true;
    for _ in 0..13 {
        let node = stage.node("m6a.32xlarge", 737);
        stage.pod(node);
    }
    stage.settle();
    let free = stage.world.cluster.subnets[0].space.free;
    let networks = || stage.world.cluster.nodes.iter().map(|node| &node.network);
    let held: u32 = networks().map(|network| network.held()).sum();
    let (allocated, assigned): (u32, u32) = (
        networks().map(|network| network.allocated()).sum(),
        networks().map(|network| network.assigned()).sum(),
    );
    assert_eq!((free, held, allocated, assigned), (0, 1301, 13 * 98, 13));
    stage.perform(Effect::PatchNode(victim, uncordon()));
    let pods = stage.pods(victim, 10);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 0);
    let (subnet, code) = ("subnet-0".into(), Shortage::Addresses);
    let full = AddressShortage::SubnetFull { subnet, code, free: 0, free_prefixes: 0 };
    assert_eq!(stage.waits(pods[9]), Some(Waiting::NoAddress(full)));
}

fn uncordon() -> Box<NodePatch> {
    Box::new(NodePatch { unschedulable: Some(false), ..NodePatch::default() })
}

#[test]
fn nothing_is_asked_while_ec2_cannot_be_reached() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m7g.large", 29);
    stage.settle();
    stage.perform(Effect::Fault(ec2_fault(), true));
    let pods = stage.pods(node, 12);
    stage.settle();
    assert_eq!(stage.addressed(&pods), 9);
    let missing = Capability::AwsService("ec2".into());
    let waits = Waiting::NoAddress(AddressShortage::NoAllocator(missing));
    assert_eq!(stage.waits(pods[11]), Some(waits));
    stage.perform(Effect::Fault(ec2_fault(), false));
    stage.settle();
    assert_eq!(stage.addressed(&pods), 12);
}

#[test]
fn a_node_does_not_become_ready_while_ec2_cannot_be_reached() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    stage.perform(Effect::Fault(ec2_fault(), true));
    let node = stage.node("m7g.large", 29);
    let pod = stage.pod(node);
    stage.settle();
    assert!(!stage.world.cluster.node(node).ready);
    assert_eq!(stage.waits(pod), Some(Waiting::CniNotReady));
    stage.perform(Effect::Fault(ec2_fault(), false));
    stage.settle();
    assert_eq!(stage.addressed(&[pod]), 1);
}

#[test]
fn ipamd_starts_with_its_pod() {
    let subnets = vec![subnet(0, "10.0.0.0/22")];
    let mut stage = Stage::new(Cni::VpcCni(vpc_cni()), subnets, &[Program::VpcCni]);
    let node = stage.node("m7g.large", 29);
    let pod = stage.pod(node);
    stage.settle();
    assert_eq!(stage.waits(pod), Some(Waiting::CniNotReady));
    let daemon = stage.program(node, Program::VpcCni);
    stage.settle();
    assert_eq!(stage.addressed(&[pod]), 1);
    stage.delete(daemon);
    stage.settle();
    let next = stage.pod(node);
    stage.settle();
    let missing = AddressShortage::NoAllocator(Capability::AddressAllocation);
    assert_eq!(stage.waits(next), Some(Waiting::NoAddress(missing)));
    stage.program(node, Program::VpcCni);
    stage.settle();
    assert_eq!(stage.addressed(&[next]), 1);
}

#[test]
fn custom_networking_without_an_eni_config_never_starts() {
    let settings = VpcCniSettings { custom_networking: true, ..vpc_cni() };
    let mut stage = Stage::vpc(settings.clone(), 1019);
    let node = stage.node("m7g.large", 29);
    stage.settle();
    assert!(!stage.network(node).cni_ready);
    let configured = VpcCniSettings { eni_configs: vec![("default".into(), "subnet-1".into())], ..settings };
    let subnets = vec![subnet(0, "10.0.0.0/22"), subnet(1, "100.64.0.0/20")];
    let mut stage = Stage::new(Cni::VpcCni(configured), subnets, &[]);
    let node = stage.node("m7g.large", 29);
    let pod = stage.pod(node);
    stage.settle();
    assert_eq!(stage.addressed(&[pod]), 1);
    assert_eq!(stage.world.cluster.subnets[0].space.free, 1018, "the node itself takes one address");
    assert_eq!(stage.world.cluster.subnets[1].space.free, 4091 - 20);
}

#[test]
fn a_cordoned_node_does_not_grow() {
    let mut stage = Stage::vpc(vpc_cni(), 1019);
    let node = stage.node("m7g.large", 29);
    stage.settle();
    let cordon = |on| Box::new(NodePatch { unschedulable: Some(on), ..NodePatch::default() });
    stage.perform(Effect::PatchNode(node, cordon(true)));
    let pods = stage.pods(node, 10);
    stage.settle();
    assert_eq!((stage.addressed(&pods), stage.network(node).allocated()), (9, 9));
    stage.perform(Effect::PatchNode(node, cordon(false)));
    stage.settle();
    assert_eq!(stage.addressed(&pods), 10);
}

#[test]
fn warm_addresses_are_given_back_after_the_cooldown() {
    let settings = VpcCniSettings { warm_ip_target: Some(2), minimum_ip_target: Some(5), ..vpc_cni() };
    let mut stage = Stage::vpc(settings, 1019);
    let node = stage.node("m7g.large", 29);
    let pods = stage.pods(node, 12);
    stage.settle();
    assert_eq!(stage.network(node).allocated(), 14);
    pods[2..].iter().for_each(|pod| stage.delete(*pod));
    stage.settle();
    assert_eq!((stage.network(node).allocated(), stage.network(node).held()), (5, 6));
}

#[test]
fn prefixes_are_slots_of_sixteen() {
    let settings = VpcCniSettings { prefix_delegation: true, ..vpc_cni() };
    let mut stage = Stage::vpc(settings, 1019);
    let node = stage.node("m7g.large", 110);
    let pods = stage.pods(node, 108);
    stage.settle();
    assert_eq!((stage.addressed(&pods), stage.network(node).held()), (108, 113));
}

#[test]
fn the_trap_code_is_asked_again_only_when_there_is_room() {
    let settings = VpcCniSettings { prefix_delegation: true, ..vpc_cni() };
    let mut stage = Stage::vpc(settings, 1019);
    let node = stage.node("t4g.micro", 110);
    let pods = stage.pods(node, 17);
    stage.set_free(100);
    stage.world.cluster.subnets[0].declared_free_prefixes = Some(0);
    stage.world.cluster.subnets[0].declared_free = Some(60);
    addressing::fragmentation::meet_declared(&mut stage.world.cluster.subnets[0]);
    stage.settle();
    let codes: Vec<_> = stage
        .log
        .iter()
        .filter_map(|(_, change)| match change {
            Change::EniCalled { outcome: EniOutcome::Short(code), call, .. } => Some((call.clone(), *code)),
            _ => None,
        })
        .collect();
    assert_eq!(codes[0].1, Shortage::Prefixes, "on the existing interface");
    assert!(
        codes
            .iter()
            .any(|(call, code)| matches!(call, EniCall::Attach { .. })
                && *code == Shortage::AddressesOrPrefixes),
        "{codes:?}"
    );
    assert_eq!(stage.addressed(&pods), 0);
    let told = stage.waits(pods[0]);
    assert!(
        matches!(told, Some(Waiting::NoAddress(AddressShortage::SubnetFull { free_prefixes: 0, .. }))),
        "{told:?}"
    );
}

#[test]
fn the_addresses_of_a_node_that_goes_serve_those_that_wait() {
    let mut stage = Stage::vpc(vpc_cni(), 31);
    let first = stage.node("m7g.large", 29);
    let kept = stage.pods(first, 15);
    stage.settle();
    let second = stage.node("m7g.large", 29);
    let waiting = stage.pods(second, 5);
    stage.settle();
    assert_eq!((stage.addressed(&kept), stage.addressed(&waiting)), (15, 0));
    stage.perform(Effect::NodeGone(first));
    stage.settle();
    assert_eq!(stage.addressed(&waiting), 5);
}
