//! What plimsoll does where Karpenter would not.

use cluster::network::{Cni, VpcCniSettings};
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
