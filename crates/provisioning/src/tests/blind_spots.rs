//! Where Karpenter does what one would not expect, found by running it beside the engine.

use cluster::change::ClaimOrNode;
use cluster::labels::SelectorOperator;
use cluster::template::{NodeSelectorTerm, PodAffinityTerm};
use cluster::{Effect, Name, PodId, PodTemplate, Taint, Timestamp, Toleration};

use crate::Reservation;
use crate::market::{CAPACITY_TYPE, RESERVATION};
use crate::testing::*;

/// One reserved offering of the 2-vCPU type, with this many instances left, besides the usual ones.
fn with_reservation(count: u32) -> Fixture {
    let mut fixture = Fixture::new(vec![pool("default")]);
    fixture.declared.karpenter.reserved_capacity = true;
    let two = fixture.types.iter_mut().find(|offered| offered.name == "m.02").unwrap();
    let mut offering = offering("z1", "reserved", 1);
    offering.reservation = Some(Reservation { id: "cr-1".into(), count });
    two.offerings.push(offering);
    fixture
}

/// A pod that only a node of its own of the 2-vCPU type holds.
fn filling() -> PodTemplate {
    let mut pod = template(1_500, GIB);
    pod.node_selector = labels(&[("node.kubernetes.io/instance-type", "m.02")]);
    pod
}

#[test]
fn a_claim_that_may_use_a_reservation_must() {
    let mut fixture = with_reservation(2);
    fixture.pending(2, filling());
    let solution = fixture.solve();
    assert_eq!(solution.new_claims.len(), 2);
    for claim in &solution.new_claims {
        assert_eq!(claim.requirements.get(CAPACITY_TYPE).unwrap().values, ["reserved"]);
        assert_eq!(claim.requirements.get(RESERVATION).unwrap().values, ["cr-1"]);
    }
}

#[test]
fn pods_wait_for_reserved_capacity_that_other_claims_hold() {
    let mut fixture = with_reservation(1);
    let pods = fixture.pending(2, filling());
    let solution = fixture.solve();
    assert_eq!(solution.new_claims.len(), 1);
    assert_eq!(solution.refused.iter().map(|(pod, _)| *pod).collect::<Vec<PodId>>(), pods[1..]);
    // Without the feature the offering is one like any other.
    fixture.declared.karpenter.reserved_capacity = false;
    let solution = fixture.solve();
    assert_eq!((solution.new_claims.len(), solution.refused.len()), (2, 0));
    assert!(solution.new_claims[0].requirements.get(RESERVATION).is_none());
}

#[test]
fn without_a_pool_that_is_ready_nodes_that_are_there_are_not_planned_for_either() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("a", "z1", 4);
    let pods = fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().on_existing, [(pods[0], ClaimOrNode::Node(node))]);
    fixture.not_ready.insert("default".into(), "no subnet".into());
    let solution = fixture.solve();
    assert_eq!((solution.on_existing.len(), solution.refused.len()), (0, 1));
}

#[test]
fn a_pod_that_is_being_deleted_still_gets_a_node() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let pods = fixture.pending(1, template(100, GIB));
    fixture.cluster.pods[pods[0].0 as usize].deleted = Some(Timestamp::ZERO);
    assert_eq!(fixture.solve().new_claims.len(), 1);
    fixture.cluster.pods[pods[0].0 as usize].stage = cluster::pod::Stage::Gone;
    assert_eq!(fixture.solve().new_claims.len(), 0);
}

fn away_from_others(topology_key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        topology_key: topology_key.into(),
        selector: Some(selector(&[("app", "a")])),
        namespaces: vec!["apps".into()],
        namespace_selector: None,
    }
}

#[test]
fn the_anti_affinity_of_a_pod_that_leaves_still_keeps_others_away() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("a", "z1", 4);
    let mut alone = template(100, GIB);
    alone.pod_anti_affinity.required = vec![away_from_others("kubernetes.io/hostname")];
    let there = fixture.running(node, alone);
    fixture.cluster.pods[there.0 as usize].deleted = Some(Timestamp::ZERO);
    fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().on_existing, []);
    fixture.cluster.pods[there.0 as usize].stage = cluster::pod::Stage::Gone;
    assert_eq!(fixture.solve().on_existing.len(), 1);
}

/// The rule's key is in nobody's requirements: the node's own value counts all the same.
#[test]
fn the_anti_affinity_of_running_pods_leaves_the_other_zones() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let taken = fixture.node("a", "z1", 4);
    let free = fixture.node("b", "z2", 4);
    let mut alone = template(100, GIB);
    alone.pod_anti_affinity.required = vec![away_from_others(crate::market::ZONE)];
    fixture.running(taken, alone);
    let pods = fixture.pending(1, template(100, GIB));
    assert_eq!(fixture.solve().on_existing, [(pods[0], ClaimOrNode::Node(free))]);
}

/// A DaemonSet with two alternatives, of which the first fits the last type only: Karpenter has forgotten it by then.
#[test]
fn a_daemon_s_alternative_that_failed_once_is_forgotten() {
    let term = |name: &str| NodeSelectorTerm {
        match_expressions: vec![wants("node.kubernetes.io/instance-type", SelectorOperator::In, &[name])],
        match_fields: vec![],
    };
    let requests = |first: &str, second: &str| {
        let mut small = pool("small");
        small.requirements =
            vec![wants("node.kubernetes.io/instance-type", SelectorOperator::In, &["m.01", "m.02"])];
        let mut fixture = Fixture::new(vec![small]);
        let mut daemon = template(100, GIB);
        daemon.required_node_affinity = Some(vec![term(first), term(second)]);
        fixture.daemon_set(daemon);
        let mut pod = template(1_000, GIB);
        pod.node_selector = labels(&[("node.kubernetes.io/instance-type", "m.02")]);
        fixture.pending(1, pod);
        fixture.solve().new_claims[0].requests.cpu_millis
    };
    assert_eq!(requests("m.01", "m.02"), 1_100);
    assert_eq!(requests("m.02", "m.16"), 1_000, "m.01 was tried first, and took the first term with it");
}

/// DaemonSets are taken to tolerate `PreferNoSchedule` on nodes that are there too, once a pool was tried.
#[test]
fn a_preference_does_not_keep_daemons_off_a_node() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    let node = fixture.node("a", "z1", 2);
    let taint = Taint { key: "soft".into(), value: Name::default(), effect: Effect::PreferNoSchedule };
    fixture.cluster.nodes[node.0 as usize].taints = vec![taint];
    fixture.daemon_set(template(1_000, GIB));
    let mut pod = template(1_500, GIB);
    pod.tolerations = vec![Toleration {
        key: "soft".into(),
        exists: true,
        value: Name::default(),
        effect: None,
        seconds: None,
    }];
    fixture.pending(1, pod);
    assert_eq!(fixture.solve().on_existing, [], "the daemon's share is kept free");
}
