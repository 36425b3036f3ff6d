//! One step of the CNI on every node of a large cluster.

use std::hint::black_box;

use addressing::cilium::{Operator, allocate};
use addressing::ec2;
use addressing::vpc_cni::Ipamd;
use addressing::vpc_cni::grow::Step;
use catalog::{Catalog, InstanceType};
use cluster::network::{
    AddressSpace, CiliumEniSettings, Cni, EniCall, NodeNetwork, Subnet, SubnetId, VpcCniSettings,
};
use cluster::{Kind, Labels, Location, Node, NodeId, ObjectKey, Resources, Timestamp};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const NODES: u32 = 5_000;

fn location() -> Location {
    Location::object(ObjectKey::new(Kind::Cluster, "", "bench"))
}

fn vpc_cni() -> VpcCniSettings {
    VpcCniSettings {
        location: location(),
        warm_eni_target: 1,
        warm_ip_target: None,
        minimum_ip_target: None,
        warm_prefix_target: 1,
        max_eni: None,
        prefix_delegation: false,
        custom_networking: false,
        eni_configs: Vec::new(),
        eni_config_label: "topology.kubernetes.io/zone".into(),
        pod_eni: false,
        subnet_discovery: true,
        cooldown_ms: 30_000,
    }
}

fn cilium() -> CiliumEniSettings {
    CiliumEniSettings {
        location: location(),
        prefix_delegation: false,
        pre_allocate: None,
        min_allocate: 0,
        max_allocate: 0,
        max_above_watermark: 0,
        first_interface_index: 0,
        use_primary_address: false,
        release_excess: false,
        subnet_tags: Labels::new(),
        subnet_ids: Vec::new(),
        own_endpoints: 2,
        replaces_kube_proxy: true,
    }
}

fn node(index: u32) -> Node {
    let resources = Resources { pods: 29, ..Resources::ZERO };
    Node {
        id: NodeId(index),
        name: format!("node-{index}").into(),
        instance_type: "m7g.large".into(),
        zone: "us-west-2a".into(),
        capacity: resources.clone(),
        allocatable: resources,
        network: NodeNetwork { subnet: Some(SubnetId(index % 3)), ..NodeNetwork::default() },
        ..Node::ready(location())
    }
}

/// Nodes with a full first interface and three pods each, in three /16 subnets.
fn nodes(instance_type: &InstanceType) -> (Vec<Node>, Vec<Subnet>) {
    let subnet = |index: u32| {
        addressing::space::filled(&Subnet {
            id: SubnetId(index),
            name: format!("subnet-{index}").into(),
            location: location(),
            zone: "us-west-2a".into(),
            cidr: format!("10.{index}.0.0/16").parse().unwrap_or_default(),
            tags: Labels::new(),
            declared_free: None,
            declared_free_prefixes: None,
            reservations: Vec::new(),
            space: AddressSpace::default(),
        })
    };
    let mut subnets: Vec<Subnet> = (0..3).map(subnet).collect();
    let mut nodes: Vec<Node> = (0..NODES).map(node).collect();
    let cni = Cni::VpcCni(vpc_cni());
    for node in &mut nodes {
        let fill = EniCall::Assign { interface: 0, count: 9, prefixes: false };
        ec2::perform(&fill, &mut node.network, &mut subnets, Some(instance_type), Timestamp::ZERO);
        for _ in 0..3 {
            addressing::assign(&mut node.network, Timestamp::ZERO, &cni);
        }
    }
    (nodes, subnets)
}

fn steps(criterion: &mut Criterion) {
    let Some(instance_type) = Catalog::embedded().instance_type("m7g.large") else { return };
    let (start, spaces) = nodes(instance_type);
    let (ipamd_settings, operator_settings) = (vpc_cni(), cilium());
    criterion.bench_function("ipamd grows 5,000 nodes by an interface", |bencher| {
        let begin = || (start.clone(), spaces.clone());
        bencher.iter_batched(
            begin,
            |(mut nodes, mut subnets)| {
                for node in &mut nodes {
                    let ipamd = Ipamd::of(node, Some(instance_type), &ipamd_settings);
                    let own = [node.network.subnet];
                    if let Step::Call(call) = ipamd.grow(&node.network, Timestamp::ZERO, &own, &[]) {
                        let network = &mut node.network;
                        black_box(ec2::perform(
                            &call,
                            network,
                            &mut subnets,
                            Some(instance_type),
                            Timestamp::ZERO,
                        ));
                    }
                }
                (nodes, subnets)
            },
            BatchSize::LargeInput,
        );
    });
    criterion.bench_function("ipamd looks at 5,000 nodes for something to give back", |bencher| {
        bencher.iter(|| {
            for node in &start {
                let ipamd = Ipamd::of(node, Some(instance_type), &ipamd_settings);
                black_box(ipamd.give_back(&node.network, Timestamp::ZERO));
                black_box(ipamd.drop_interface(&node.network, Timestamp::ZERO));
            }
        });
    });
    criterion.bench_function("the Cilium operator passes over 5,000 nodes", |bencher| {
        bencher.iter(|| {
            for node in &start {
                let operator = Operator::of(node, Some(instance_type), &operator_settings);
                let subnet = allocate::subnet_for_interface(node, &operator, &spaces);
                black_box(operator.allocate(&node.network, &spaces, 3, subnet, &[]));
            }
        });
    });
}

criterion_group!(benches, steps);
criterion_main!(benches);
