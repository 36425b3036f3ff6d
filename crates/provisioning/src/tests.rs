//! What stock Karpenter would do, restated as black-box cases.

mod blind_spots;

use cluster::labels::SelectorOperator;
use cluster::rejection::PoolReason;
use cluster::template::{HostPort, NodeSelectorTerm, PodAffinityTerm};
use cluster::{Effect, Name};

use crate::Solution;
use crate::testing::*;

/// Each new claim as `pods:cheapest type` with its zones when narrowed.
fn shown(solution: &Solution) -> Vec<String> {
    let claim = |claim: &crate::PlannedClaim| {
        let zone =
            claim.requirements.get(crate::market::ZONE).map(|zone| format!(" {}", zone.values.join("|")));
        format!("{}:{}{}", claim.pods.len(), claim.types[claim.options[0]].name, zone.unwrap_or_default())
    };
    let mut shown: Vec<String> = solution.new_claims.iter().map(claim).collect();
    shown.sort();
    shown
}

fn reasons(solution: &Solution) -> Vec<PoolReason> {
    solution.refused.iter().flat_map(|(_, pools)| pools.iter().map(|pool| pool.reason.clone())).collect()
}

#[test]
fn the_cheapest_type_that_holds_all_pods_is_first() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.pending(3, template(1000, GIB));
    let solution = fixture.solve();
    assert_eq!(shown(&solution), ["3:m.04"]);
    assert!(solution.refused.is_empty());
    let claim = solution.new_claims[0].new_claim(&fixture.cluster, "default-0".into());
    let types: Vec<&str> = claim.options.iter().map(|option| option.instance_type.as_str()).collect();
    assert_eq!((types[0], types[types.len() - 1]), ("m.04", "m.16"));
    assert_eq!(claim.options[0].price_micro_usd, 28_000);
    assert_eq!(claim.labels["karpenter.sh/nodepool"], "default");
}

#[test]
fn daemons_take_their_share_of_every_new_node() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.daemon_set(template(500, GIB));
    fixture.pending(1, template(500, GIB));
    // One vCPU has 900m: the daemon and the pod need 1000m.
    assert_eq!(shown(&fixture.solve()), ["1:g.02"]);
}

#[test]
fn daemons_that_fill_a_pool_are_named() {
    let mut small = pool("small");
    small.requirements = vec![wants("node.kubernetes.io/instance-type", SelectorOperator::In, &["m.01"])];
    let mut fixture = Fixture::new(vec![small]);
    fixture.daemon_set(template(900, GIB));
    fixture.pending(1, template(100, GIB));
    assert_eq!(reasons(&fixture.solve()), [PoolReason::FilledByDaemons { resource: "cpu".into() }]);
}

#[test]
fn a_pod_too_large_for_every_type_is_refused_with_its_numbers() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.daemon_set(template(100, GIB));
    fixture.pending(1, template(20_000, GIB));
    let expected = PoolReason::TooLarge { resource: "cpu".into(), requested: 20_100, largest: 15_900 };
    assert_eq!(reasons(&fixture.solve()), [expected]);
}

#[test]
fn another_architecture_is_a_requirement_on_it() {
    let mut only_amd = pool("default");
    only_amd.requirements = vec![wants("kubernetes.io/arch", SelectorOperator::In, &["amd64"])];
    let mut fixture = Fixture::new(vec![only_amd]);
    let mut arm = template(100, GIB);
    arm.node_selector = labels(&[("kubernetes.io/arch", "arm64")]);
    fixture.pending(1, arm);
    let wanted = wants("kubernetes.io/arch", SelectorOperator::In, &["arm64"]);
    let offered = Some(wants("kubernetes.io/arch", SelectorOperator::In, &["amd64"]));
    let key = Name::from("kubernetes.io/arch");
    assert_eq!(reasons(&fixture.solve()), [PoolReason::Requirement { key, wanted, offered }]);
}

#[test]
fn an_architecture_that_no_type_of_the_pool_has_is_one_too() {
    let mut typed = pool("default");
    typed.requirements = vec![wants("karpenter.k8s.aws/instance-family", SelectorOperator::In, &["m"])];
    let mut fixture = Fixture::new(vec![typed]);
    let mut arm = template(100, GIB);
    arm.node_selector = labels(&[("kubernetes.io/arch", "arm64")]);
    fixture.pending(1, arm);
    let offered = Some(wants("kubernetes.io/arch", SelectorOperator::In, &["amd64"]));
    assert!(
        matches!(&reasons(&fixture.solve())[..], [PoolReason::Requirement { offered: found, .. }] if *found == offered)
    );
}

#[test]
fn pods_that_avoid_provisioned_nodes_are_refused_for_it() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut karpenter = template(100, GIB);
    let unmanaged = wants("karpenter.sh/nodepool", SelectorOperator::DoesNotExist, &[]);
    let term = NodeSelectorTerm { match_expressions: vec![unmanaged.clone()], match_fields: vec![] };
    karpenter.required_node_affinity = Some(vec![term]);
    fixture.pending(1, karpenter);
    let offered = Some(wants("karpenter.sh/nodepool", SelectorOperator::In, &["default"]));
    let key = Name::from("karpenter.sh/nodepool");
    assert_eq!(reasons(&fixture.solve()), [PoolReason::Requirement { key, wanted: unmanaged, offered }]);
}

#[test]
fn taints_keep_pods_out_and_startup_taints_do_not() {
    let mut tainted = pool("default");
    tainted.taints = vec![taint("dedicated", Effect::NoSchedule)];
    tainted.startup_taints = vec![taint("starting", Effect::NoSchedule)];
    let mut fixture = Fixture::new(vec![tainted]);
    fixture.pending(1, template(100, GIB));
    let mut tolerant = template(200, GIB);
    tolerant.tolerations = vec![tolerates("dedicated")];
    fixture.pending(1, tolerant);
    let solution = fixture.solve();
    assert_eq!(reasons(&solution), [PoolReason::Taint(taint("dedicated", Effect::NoSchedule))]);
    assert_eq!(shown(&solution), ["1:m.01"]);
}

#[test]
fn prefer_no_schedule_is_tolerated_last() {
    let mut soft = pool("soft");
    soft.taints = vec![taint("avoid", Effect::PreferNoSchedule)];
    soft.weight = 10;
    let mut fixture = Fixture::new(vec![soft.clone(), pool("default")]);
    fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().new_claims[0].pool, 1);
    let mut fixture = Fixture::new(vec![soft]);
    fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().new_claims.len(), 1);
}

#[test]
fn heavier_pools_are_tried_first_and_equal_ones_from_the_last_name() {
    let mut heavy = pool("heavy");
    heavy.weight = 5;
    let mut fixture = Fixture::new(vec![pool("a"), pool("b"), heavy]);
    fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().new_claims[0].pool, 2);
    let mut fixture = Fixture::new(vec![pool("a"), pool("b")]);
    fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().new_claims[0].pool, 1);
}

#[test]
fn limits_are_counted_with_the_largest_type_a_claim_may_become() {
    let mut limited = pool("default");
    limited.limits = vec![("cpu".into(), 16_000)];
    let mut fixture = Fixture::new(vec![limited]);
    let mut alone = template(100, GIB);
    alone.host_ports = vec![HostPort { ip: "".into(), port: 80, protocol: "TCP".into() }];
    fixture.pending(2, alone);
    // The first claim may become m.16, so nothing is left for the second in this round.
    let solution = fixture.solve();
    assert_eq!(solution.new_claims.len(), 1);
    let expected = PoolReason::Limit { resource: "cpu".into(), limit: 16_000, used: 16_000, wanted: 1000 };
    assert_eq!(reasons(&solution), [expected]);
}

#[test]
fn limits_leave_out_types_that_would_pass_them() {
    let mut limited = pool("default");
    limited.limits = vec![("cpu".into(), 3_000), ("memory".into(), 100 * GIB)];
    let mut fixture = Fixture::new(vec![limited]);
    fixture.pending(3, template(900, GIB));
    let solution = fixture.solve();
    // 3 cores allow one- and two-core types; the claim is charged as a two-core one.
    assert_eq!(shown(&solution), ["1:m.01", "2:g.02"]);
}

#[test]
fn pools_that_are_not_ready_say_why() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.not_ready.insert("default".into(), "no subnet".into());
    fixture.pending(1, template(100, GIB));
    assert_eq!(reasons(&fixture.solve()), [PoolReason::NotReady { why: "no subnet".into() }]);
}

#[test]
fn nodes_that_are_there_come_first() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("n1", "z1", 2);
    fixture.running(node, template(1000, GIB));
    let pods = fixture.pending(2, template(600, GIB));
    let solution = fixture.solve();
    assert_eq!(solution.on_existing, [(pods[0], cluster::change::ClaimOrNode::Node(node))]);
    assert_eq!(shown(&solution), ["1:m.01"]);
}

#[test]
fn daemons_that_have_not_started_are_kept_room_for() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.node("n1", "z1", 1);
    fixture.daemon_set(template(500, GIB));
    fixture.pending(1, template(600, GIB));
    assert!(fixture.solve().on_existing.is_empty());
}

#[test]
fn zones_are_filled_evenly() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut spreading = template(900, GIB);
    spreading.topology_spread = vec![spread(crate::market::ZONE, "a")];
    fixture.pending(6, spreading);
    // Two pods a zone; claims with the fewest pods are tried first.
    let solution = fixture.solve();
    let zones: Vec<String> = shown(&solution);
    assert_eq!(zones, ["2:g.02 z1", "2:g.02 z2", "2:g.02 z3"], "{:?}", solution.refused);
}

#[test]
fn a_spread_over_zones_that_the_pool_cannot_make_is_topology() {
    let mut one_zone = pool("default");
    one_zone.requirements = vec![wants(crate::market::ZONE, SelectorOperator::In, &["z1"])];
    let mut other = pool("other");
    other.requirements = vec![wants(crate::market::ZONE, SelectorOperator::In, &["z2"])];
    other.taints = vec![taint("other", Effect::NoSchedule)];
    let mut fixture = Fixture::new(vec![one_zone, other]);
    let mut spreading = template(100, GIB);
    spreading.topology_spread = vec![spread(crate::market::ZONE, "a")];
    fixture.pending(2, spreading);
    // The other pool's zone counts as a domain although its taint keeps these pods out.
    let solution = fixture.solve();
    assert_eq!(shown(&solution), ["1:m.01 z1"]);
    let found = reasons(&solution);
    assert!(found.contains(&PoolReason::Topology { key: crate::market::ZONE.into() }), "{found:?}");
    assert!(found.contains(&PoolReason::Taint(taint("other", Effect::NoSchedule))));
}

#[test]
fn anti_affinity_on_the_host_name_puts_each_pod_on_a_node_of_its_own() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("n1", "z1", 4);
    let term = PodAffinityTerm {
        selector: Some(selector(&[("app", "a")])),
        namespaces: vec!["apps".into()],
        namespace_selector: None,
        topology_key: "kubernetes.io/hostname".into(),
    };
    let mut lonely = template(100, GIB);
    lonely.pod_anti_affinity.required = vec![term];
    fixture.running(node, lonely.clone());
    fixture.pending(3, lonely);
    assert_eq!(shown(&fixture.solve()), ["1:m.01", "1:m.01", "1:m.01"]);
}

#[test]
fn a_running_pods_anti_affinity_keeps_others_away() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("n1", "z1", 4);
    let mut jealous = template(100, GIB);
    jealous.labels = labels(&[("app", "jealous")]);
    jealous.pod_anti_affinity.required = vec![PodAffinityTerm {
        selector: Some(selector(&[("app", "a")])),
        namespaces: vec!["apps".into()],
        namespace_selector: None,
        topology_key: "kubernetes.io/hostname".into(),
    }];
    fixture.running(node, jealous);
    fixture.pending(1, template(100, GIB));
    assert_eq!(shown(&fixture.solve()), ["1:m.01"]);
}

#[test]
fn affinity_to_itself_begins_somewhere_and_stays_there() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut together = template(900, GIB);
    together.pod_affinity.required = vec![PodAffinityTerm {
        selector: Some(selector(&[("app", "a")])),
        namespaces: vec!["apps".into()],
        namespace_selector: None,
        topology_key: crate::market::ZONE.into(),
    }];
    fixture.pending(20, together);
    let zones: std::collections::BTreeSet<String> = shown(&fixture.solve())
        .iter()
        .filter_map(|claim| claim.split(' ').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(zones.len(), 1, "{zones:?}");
}

#[test]
fn preferences_are_given_up_one_by_one() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut choosy = template(100, GIB);
    let prefers = |zone: &str| NodeSelectorTerm {
        match_expressions: vec![wants(crate::market::ZONE, SelectorOperator::In, &[zone])],
        match_fields: vec![],
    };
    choosy.preferred_node_affinity = vec![(1, prefers("z2")), (50, prefers("nowhere"))];
    fixture.pending(1, choosy);
    assert_eq!(shown(&fixture.solve()), ["1:m.01 z2"]);
}

#[test]
fn required_terms_are_alternatives() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut choosy = template(100, GIB);
    let needs = |zone: &str| NodeSelectorTerm {
        match_expressions: vec![wants(crate::market::ZONE, SelectorOperator::In, &[zone])],
        match_fields: vec![],
    };
    choosy.required_node_affinity = Some(vec![needs("nowhere"), needs("z3")]);
    fixture.pending(1, choosy);
    assert_eq!(shown(&fixture.solve()), ["1:m.01 z3"]);
}

#[test]
fn min_values_keep_enough_families() {
    let mut flexible = pool("default");
    let mut families = wants("karpenter.k8s.aws/instance-family", SelectorOperator::Exists, &[]);
    families.min_values = Some(2);
    flexible.requirements = vec![families];
    let mut fixture = Fixture::new(vec![flexible]);
    fixture.pending(1, template(3000, GIB));
    // Only family m has more than two vCPUs.
    let key = Name::from("karpenter.k8s.aws/instance-family");
    assert_eq!(reasons(&fixture.solve()), [PoolReason::MinValues { key }]);
    fixture.declared.karpenter.min_values_best_effort = true;
    assert_eq!(shown(&fixture.solve()), ["1:m.04"]);
}

#[test]
fn an_offering_without_capacity_is_no_offering() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    for offered in &mut fixture.types {
        offered.offerings.iter_mut().filter(|o| o.zone == "z1").for_each(|o| o.available = false);
    }
    let mut pinned = template(100, GIB);
    pinned.node_selector = labels(&[(crate::market::ZONE, "z1")]);
    fixture.pending(1, pinned);
    assert_eq!(reasons(&fixture.solve()), [PoolReason::NoOffering]);
}

#[test]
fn an_unknown_label_is_a_requirement_that_nobody_offers() {
    let mut labelled = pool("apps");
    labelled.labels = labels(&[("workload-type", "application")]);
    let mut fixture = Fixture::new(vec![labelled, pool("default")]);
    let mut app = template(100, GIB);
    app.node_selector = labels(&[("workload-type", "application")]);
    fixture.pending(1, app);
    assert_eq!(fixture.solve().new_claims[0].pool, 0);
    let mut other = template(50, GIB);
    other.node_selector = labels(&[("team", "x")]);
    fixture.pending(1, other);
    let found = reasons(&fixture.solve());
    assert!(
        found.iter().all(|reason| matches!(reason, PoolReason::Requirement { offered: None, .. })),
        "{found:?}"
    );
}

#[test]
fn rules_of_small_pods_hold_beside_larger_pods_without_rules() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let mut spreading = template(200, GIB);
    spreading.topology_spread = vec![spread("kubernetes.io/hostname", "a")];
    spreading.topology_spread[0].max_skew = 1;
    fixture.pending(3, spreading);
    let mut plain = template(700, GIB);
    plain.labels = labels(&[("app", "b")]);
    fixture.pending(1, plain);
    // The larger pod comes first in the queue, its class second: the three still go to three nodes.
    assert_eq!(fixture.solve().new_claims.len(), 3);
}

#[test]
fn every_pod_is_placed_once_or_refused() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.node("n1", "z1", 4);
    let mut spreading = template(700, GIB);
    spreading.topology_spread = vec![spread("kubernetes.io/hostname", "a")];
    fixture.pending(7, spreading);
    fixture.pending(5, template(300, 2 * GIB));
    fixture.pending(1, template(99_000, GIB));
    let solution = fixture.solve();
    let mut seen: Vec<u32> = solution.on_existing.iter().map(|(pod, _)| pod.0).collect();
    seen.extend(solution.new_claims.iter().flat_map(|claim| claim.pods.iter().map(|pod| pod.0)));
    seen.extend(solution.refused.iter().map(|(pod, _)| pod.0));
    seen.sort_unstable();
    assert_eq!(seen, (0..13).collect::<Vec<_>>());
    // No claim holds more than its cheapest type can.
    for claim in &solution.new_claims {
        let room = &claim.types[claim.options[0]].allocatable;
        assert!(claim.requests.exceeds(room).is_none());
    }
}
