//! Tests over made-up settings: whatever comes and goes, the CNI comes to rest, and no address is lost.

use cluster::network::{CiliumEniSettings, Cni, VpcCniSettings};
use cluster::{NodeId, PodId};
use proptest::prelude::*;

use crate::actors::cni_stage::{Stage, cilium, subnet, vpc_cni};
use crate::effect::Effect;

#[derive(Clone, Debug)]
enum Step {
    Node(&'static str),
    Pods(usize, u32),
    Delete(usize, usize),
    NodeGone(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let types = prop::sample::select(vec!["t4g.micro", "t3.small", "m7g.large", "m4.large", "m7g.xlarge"]);
    let step = prop_oneof![
        3 => types.prop_map(Step::Node),
        4 => (0usize..6, 1u32..30).prop_map(|(node, count)| Step::Pods(node, count)),
        2 => (0usize..200, 1usize..30).prop_map(|(first, count)| Step::Delete(first, count)),
        1 => (0usize..6).prop_map(Step::NodeGone),
        3 => (0i64..200_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..20)
}

fn vpc_settings() -> impl Strategy<Value = Cni> {
    let targets = (0u32..3, prop::option::of(0u32..12), prop::option::of(0u32..25), 0u32..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(1u32..4));
    (targets, flags).prop_map(|((eni, warm, minimum, prefix), (delegation, discovery, custom, max_eni))| {
        Cni::VpcCni(VpcCniSettings {
            warm_eni_target: eni,
            warm_ip_target: warm,
            minimum_ip_target: minimum,
            warm_prefix_target: prefix,
            prefix_delegation: delegation,
            subnet_discovery: discovery,
            custom_networking: custom,
            eni_configs: vec![("default".into(), "subnet-1".into())],
            max_eni,
            ..vpc_cni()
        })
    })
}

fn cilium_settings() -> impl Strategy<Value = Cni> {
    let counts = (prop::option::of(0u32..20), 0u32..20, 0u32..30, 0u32..10, 0u32..2);
    (counts, any::<bool>(), any::<bool>()).prop_map(|((pre, min, max, above, first), delegation, release)| {
        Cni::CiliumEni(CiliumEniSettings {
            pre_allocate: pre,
            min_allocate: min,
            max_allocate: max,
            max_above_watermark: above,
            first_interface_index: first,
            prefix_delegation: delegation,
            release_excess: release,
            ..cilium()
        })
    })
}

/// What is free and what nodes hold is all that the subnets had.
fn accounted(stage: &Stage) -> u32 {
    let free: u32 = stage.world.cluster.subnets.iter().map(|subnet| subnet.space.free).sum();
    free + stage.world.cluster.nodes.iter().map(|node| node.network.held()).sum::<u32>()
}

fn play(stage: &mut Stage, steps: &[Step]) {
    let mut pods: Vec<PodId> = Vec::new();
    for step in steps {
        let nodes: Vec<NodeId> = stage.world.cluster.live_nodes().map(|node| node.id).collect();
        match step {
            Step::Node(instance_type) if stage.world.cluster.subnets[0].space.free > 0 => {
                stage.node(instance_type, 110);
            }
            Step::Pods(node, count) if !nodes.is_empty() => {
                pods.extend(stage.pods(nodes[node % nodes.len()], *count));
            }
            Step::Delete(first, count) if !pods.is_empty() => {
                let first = first % pods.len();
                let end = pods.len().min(first + count);
                pods.drain(first..end).for_each(|pod| stage.delete(pod));
            }
            Step::NodeGone(node) if !nodes.is_empty() => {
                let gone = nodes[node % nodes.len()];
                let on_it: Vec<PodId> = stage.world.cluster.pods_on(gone).map(|pod| pod.id).collect();
                on_it.into_iter().for_each(|pod| stage.perform(Effect::PodGone(pod)));
                stage.perform(Effect::NodeGone(gone));
                pods.retain(|pod| stage.world.cluster.pod(*pod).node != Some(gone));
            }
            Step::Wait(ms) => {
                let until = stage.now().0 + ms;
                stage.run(until);
            }
            _ => {}
        }
    }
}

fn check(cni: Cni, steps: &[Step], length: u8) -> Result<(), TestCaseError> {
    let subnets = vec![subnet(0, &format!("10.0.0.0/{length}")), subnet(1, "100.64.0.0/25")];
    let mut stage = Stage::new(cni, subnets, &[]);
    let before = accounted(&stage);
    play(&mut stage, steps);
    let end = stage.now().0 + 24 * 60 * 60 * 1000;
    prop_assert!(stage.run(end), "not at rest after a day");
    prop_assert_eq!(accounted(&stage), before);
    for node in stage.world.cluster.live_nodes() {
        let addressed = stage.world.cluster.pods_on(node.id).filter(|pod| pod.addressed).count();
        prop_assert_eq!(addressed, node.network.assigned() as usize);
        let free = addressing::assignable(&node.network, stage.now());
        let waiting = stage.world.cluster.pods_on(node.id).any(|pod| !pod.addressed);
        prop_assert!(!(waiting && node.network.cni_ready && free > 0), "a pod waits beside a free address");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_vpc_cni_comes_to_rest(cni in vpc_settings(), steps in steps(), length in 24u8..=27) {
        check(cni, &steps, length)?;
    }

    #[test]
    fn cilium_comes_to_rest(cni in cilium_settings(), steps in steps(), length in 24u8..=27) {
        check(cni, &steps, length)?;
    }
}
