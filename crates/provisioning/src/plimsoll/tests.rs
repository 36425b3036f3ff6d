//! What plimsoll does where Karpenter would not.

mod starvation;

use cluster::network::{Cni, SubnetId, VpcCniSettings};
use cluster::rejection::PoolReason;
use proptest::prelude::*;

use super::portfolio::price_micro_usd;
use crate::market::{INSTANCE_TYPE, TypeOnOffer, ZONE};
use crate::testing::*;
use crate::{PlannedClaim, Solution};

fn vpc_cni() -> Cni {
    Cni::VpcCni(VpcCniSettings {
        location: location(),
        warm_eni_target: 1,
        warm_ip_target: None,
        minimum_ip_target: None,
        warm_prefix_target: 1,
        max_eni: None,
        prefix_delegation: false,
        custom_networking: false,
        eni_configs: vec![],
        eni_config_label: "k8s.amazonaws.com/eniConfig".into(),
        pod_eni: false,
        subnet_discovery: true,
        cooldown_ms: 30_000,
    })
}

/// A real type by name, so that the catalog knows its interfaces; room for 110 pods, as a kubelet may be told.
fn real_type(name: &str, vcpus: i64) -> TypeOnOffer {
    let mut offered = instance_type("m.x", "arm64", vcpus);
    offered.name = name.into();
    offered.allocatable.pods = 110;
    let mut requirements = (*offered.requirements).clone();
    requirements.set(cluster::requirements::Requirement::equal_to(INSTANCE_TYPE, name));
    offered.requirements = std::sync::Arc::new(requirements);
    offered
}

fn fixture_with(types: Vec<TypeOnOffer>) -> Fixture {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.declared.cni = vpc_cni();
    fixture.types = types;
    fixture
}

fn zones(solution: &Solution) -> Vec<String> {
    let zone = |claim: &PlannedClaim| {
        claim.requirements.get(ZONE).map_or(String::new(), |zone| zone.values.join("|"))
    };
    let mut zones: Vec<String> = solution.new_claims.iter().map(zone).collect();
    zones.sort();
    zones
}

#[test]
fn a_node_is_not_planned_for_more_pods_than_it_can_feed() {
    let mut fixture = fixture_with(vec![real_type("m7g.large", 2)]);
    fixture.pending(54, template(10, 1 << 20));
    assert_eq!(fixture.solve().new_claims.len(), 1, "Karpenter believes maxPods 110");
    let pods: Vec<usize> =
        fixture.solve_address_aware().new_claims.iter().map(|claim| claim.pods.len()).collect();
    assert_eq!(pods, [27, 27], "3 interfaces of 9");
}

#[test]
fn host_network_pods_take_no_address() {
    let mut fixture = fixture_with(vec![real_type("m7g.large", 2)]);
    let mut on_host = template(10, 1 << 20);
    on_host.host_network = true;
    fixture.pending(54, on_host);
    assert_eq!(fixture.solve_address_aware().new_claims.len(), 1);
}

#[test]
fn no_node_goes_where_the_subnet_cannot_feed_its_warm_pool() {
    let mut fixture = fixture_with(vec![real_type("m6a.32xlarge", 2)]);
    // One pod makes the first node hold 100 addresses: a /26 cannot feed it, a /24 can twice.
    fixture.subnet("z1", "10.0.0.0/26");
    fixture.subnet("z2", "10.0.1.0/24");
    let mut alone = template(1500, GIB);
    alone.host_network = false;
    fixture.pending(3, alone);
    let solution = fixture.solve_address_aware();
    assert_eq!(zones(&solution), ["z2", "z2"]);
    let (_, reasons) = &solution.refused[0];
    assert_eq!(reasons[0].reason, PoolReason::NoAddresses { needed: 100, free: 59 });
    assert_eq!(fixture.solve().new_claims.len(), 3, "Karpenter launches all three");
}

#[test]
fn nodes_are_spread_by_free_addresses() {
    let mut fixture = fixture_with(vec![real_type("m7g.large", 2)]);
    for (zone, cidr) in [("z1", "10.0.0.0/25"), ("z2", "10.0.1.0/25")] {
        fixture.subnet(zone, cidr);
    }
    fixture.pending(4, template(1500, GIB));
    assert_eq!(zones(&fixture.solve_address_aware()), ["z1", "z1", "z2", "z2"]);
}

#[test]
fn what_nodes_have_yet_to_take_is_kept_for_them() {
    let mut fixture = fixture_with(vec![real_type("m6a.32xlarge", 2)]);
    for (zone, cidr) in [("z1", "10.0.0.0/25"), ("z2", "10.0.1.0/25")] {
        fixture.subnet(zone, cidr);
    }
    let fresh = fixture.node("fresh", "z1", 2);
    let node = &mut fixture.cluster.nodes[fresh.0 as usize];
    node.instance_type = "m6a.32xlarge".into();
    node.network.subnet = Some(SubnetId(0));
    fixture.running(fresh, template(1500, GIB));
    fixture.pending(2, template(1500, GIB));
    let solution = fixture.solve_address_aware();
    assert_eq!(zones(&solution), ["z2"], "50 of 123 in z1 are the fresh node's, whose maxPods is 20");
    let (_, reasons) = &solution.refused[0];
    assert_eq!(reasons[0].reason, PoolReason::NoAddresses { needed: 100, free: 73 });
}

#[test]
fn freedom_of_choice_is_given_up_before_a_pod_is() {
    let mut fixture = fixture_with(vec![real_type("m6a.large", 2), real_type("m6a.32xlarge", 128)]);
    fixture.subnet("z1", "10.0.0.0/25");
    let mut alone = template(10, GIB);
    alone.topology_spread = vec![spread("kubernetes.io/hostname", "a")];
    fixture.pending(1, alone.clone());
    let types = |solution: &Solution| solution.new_claims[0].options.len();
    assert_eq!(types(&fixture.solve_address_aware()), 2, "there is room for either");
    fixture.pending(3, alone);
    let solution = fixture.solve_address_aware();
    assert_eq!((solution.new_claims.len(), solution.refused.len()), (4, 0));
    assert_eq!(types(&solution), 1, "four of 20 addresses, not of 100");
}

#[test]
fn as_many_pods_are_fed_as_can_be() {
    let mut fixture = fixture_with(vec![real_type("m7g.large", 2)]);
    let Cni::VpcCni(settings) = vpc_cni() else { unreachable!() };
    let (warm_ip_target, minimum_ip_target) = (Some(1), Some(1));
    fixture.declared.cni = Cni::VpcCni(VpcCniSettings { warm_ip_target, minimum_ip_target, ..settings });
    fixture.subnet("z1", "10.0.0.0/28");
    let pods = fixture.pending(20, template(10, 1 << 20));
    let solution = fixture.solve_address_aware();
    // 11 free: the interface's own, one warm, and the ninth pod would take a second interface.
    assert_eq!(solution.new_claims.len(), 1);
    assert_eq!(solution.new_claims[0].pods, pods[..8]);
    assert_eq!(solution.new_claims[0].requests.cpu_millis, 80);
    assert_eq!(solution.refused.len(), 12);
}

#[test]
fn nodes_that_share_a_subnet_do_not_share_its_addresses() {
    let mut fixture = fixture_with(vec![]);
    let Cni::VpcCni(settings) = vpc_cni() else { unreachable!() };
    let (warm_ip_target, minimum_ip_target) = (Some(0), Some(1));
    fixture.declared.cni = Cni::VpcCni(VpcCniSettings { warm_ip_target, minimum_ip_target, ..settings });
    // 11 free: each of two nodes takes an address for its interface and one for its pool.
    fixture.subnet("z1", "10.0.0.0/28");
    for name in ["a", "b"] {
        let id = fixture.node(name, "z1", 1);
        let node = &mut fixture.cluster.nodes[id.0 as usize];
        node.instance_type = "m7g.large".into();
        node.network.subnet = Some(SubnetId(0));
    }
    fixture.pending(14, template(60, 1 << 20));
    assert_eq!(fixture.solve().on_existing.len(), 14, "Karpenter sees 900 m on each");
    assert_eq!(fixture.solve_address_aware().on_existing.len(), 9);
}

#[test]
fn a_bad_pool_and_a_huge_pod_hold_nobody_back() {
    let mut first = pool("bad");
    first.weight = 100;
    let mut fixture = Fixture::new(vec![first, pool("default")]);
    fixture.not_ready.insert("bad".into(), "its node class does not exist".into());
    let huge = fixture.pending(1, template(1_000_000, GIB));
    fixture.pending(30, template(500, GIB));
    let solution = fixture.solve_address_aware();
    let placed: usize = solution.new_claims.iter().map(|claim| claim.pods.len()).sum();
    assert_eq!(placed, 30);
    let refused: Vec<_> = solution.refused.iter().map(|(pod, _)| *pod).collect();
    assert_eq!(refused, huge);
}

#[test]
fn memory_heavy_pods_get_memory() {
    let mut compute = instance_type("c.04", "amd64", 4);
    compute.allocatable.memory_bytes = 8 * GIB;
    let mut memory = instance_type("r.04", "amd64", 4);
    memory.allocatable.memory_bytes = 32 * GIB;
    memory.offerings.iter_mut().for_each(|offering| offering.price_micro_usd += 15_000);
    let mut large = instance_type("m.96", "amd64", 96);
    large.offerings.iter_mut().for_each(|offering| offering.price_micro_usd *= 3);
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.types = vec![compute, large, memory];
    fixture.pending(60, template(500, 4 * GIB));
    let (theirs, ours) = (fixture.solve(), fixture.solve_address_aware());
    assert!(price_micro_usd(&ours) < price_micro_usd(&theirs));
    assert!(ours.new_claims.iter().all(|claim| claim.types[claim.options[0]].name == "r.04"));
}

proptest! {
    /// The same pods have nodes, and they cost no more.
    #[test]
    fn never_dearer_than_karpenter(
        pods in prop::collection::vec((1usize..30, 50i64..4000, 1i64..12, any::<bool>()), 1..6),
        limit in prop::option::of(8_000i64..200_000),
    ) {
        let mut default = pool("default");
        default.limits = limit.into_iter().map(|limit| ("cpu".into(), limit)).collect();
        let mut fixture = Fixture::new(vec![default]);
        for (count, cpu_millis, gib, spread_out) in pods {
            let mut pod = template(cpu_millis, gib * GIB);
            if spread_out {
                pod.topology_spread = vec![spread(ZONE, "a")];
            }
            fixture.pending(count, pod);
        }
        let (theirs, ours) = (fixture.solve(), fixture.solve_address_aware());
        let again = fixture.solve_address_aware();
        prop_assert!(ours.refused.len() <= theirs.refused.len());
        if ours.refused.len() == theirs.refused.len() {
            prop_assert!(price_micro_usd(&ours) <= price_micro_usd(&theirs));
        }
        let pods = |solution: &Solution| solution.new_claims.iter().map(|claim| claim.pods.clone()).collect::<Vec<_>>();
        prop_assert_eq!(pods(&ours), pods(&again));
    }
}
