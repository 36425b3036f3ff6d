//! Never one for all: what cannot be placed, bought or launched holds nobody else back.

use cluster::node_claim::{ClaimId, ClaimStage, NodeClaim};
use cluster::{Timestamp, labels::Labels};

use super::*;

/// A claim that nothing was launched for, or that never joined.
fn stuck(fixture: &mut Fixture, stage: ClaimStage) {
    let id = ClaimId(fixture.cluster.claims.len() as u32);
    fixture.cluster.claims.push(NodeClaim {
        id,
        name: format!("stuck-{}", id.0).into(),
        pool: Some(0),
        labels: Labels::new(),
        taints: vec![],
        startup_taints: vec![],
        options: vec![],
        requests: resources(100, GIB),
        created: Timestamp::ZERO,
        stage,
        launched: None,
        node: None,
        deleted: (stage == ClaimStage::Terminating).then_some((Timestamp::ZERO, None)),
        expire_after_ms: None,
        termination_grace_period_ms: None,
        made_under: None,
        template_hash: None,
        terminate_by: None,
        drifted: None,
        last_pod_event: Timestamp::ZERO,
    });
}

fn placed(solution: &Solution) -> usize {
    solution.new_claims.iter().map(|claim| claim.pods.len()).sum::<usize>() + solution.on_existing.len()
}

#[test]
fn claims_that_are_stuck_hold_nobody_back() {
    let mut fixture = Fixture::new(vec![pool("default")]);
    stuck(&mut fixture, ClaimStage::Created);
    stuck(&mut fixture, ClaimStage::Terminating);
    fixture.pending(30, template(500, GIB));
    let solution = fixture.solve_address_aware();
    assert_eq!((placed(&solution), solution.refused.len()), (30, 0));
}

#[test]
fn a_pool_at_its_limit_leaves_the_others_theirs() {
    let mut full = pool("full");
    full.weight = 100;
    full.limits = vec![("cpu".into(), 0)];
    let mut fixture = Fixture::new(vec![full, pool("default")]);
    fixture.pending(30, template(500, GIB));
    let solution = fixture.solve_address_aware();
    assert_eq!((placed(&solution), solution.refused.len()), (30, 0));
    assert!(solution.new_claims.iter().all(|claim| claim.pool == 1));
}

#[test]
fn a_full_subnet_leaves_the_other_zones_theirs() {
    let mut fixture = fixture_with(vec![real_type("m7g.large", 2)]);
    fixture.subnet("z1", "10.0.0.0/28");
    fixture.subnet("z2", "10.0.1.0/24");
    let mut here = template(1500, GIB);
    here.node_selector = labels(&[(ZONE, "z1")]);
    let first = fixture.pending(3, here);
    fixture.pending(6, template(1000, GIB));
    let solution = fixture.solve_address_aware();
    assert!(!solution.refused.is_empty(), "three nodes are more than the zone can feed");
    assert!(solution.refused.iter().all(|(pod, _)| first.contains(pod)), "all others have a place");
}

/// One of the ways in which a pod has no place at all.
fn impossible(kind: usize) -> cluster::PodTemplate {
    let mut pod = template(300, GIB);
    match kind {
        0 => pod.requests.cpu_millis = 1_000_000,
        1 => pod.requests.memory_bytes = 1 << 50,
        2 => pod.node_selector = labels(&[(ZONE, "nowhere")]),
        3 => pod.node_selector = labels(&[("example.com/unknown", "a")]),
        _ => pod.requests.set("example.com/device", 1),
    }
    pod
}

proptest! {
    /// Pods without any place are refused; all others are placed, and at no more than Karpenter asks for them alone.
    #[test]
    fn the_impossible_are_refused_alone(
        pods in prop::collection::vec((1usize..20, 50i64..4000, 1i64..12, any::<bool>()), 1..6),
        bad in prop::collection::vec(0usize..5, 1..5),
    ) {
        let mut fixture = Fixture::new(vec![pool("default")]);
        let mut good = 0;
        for (count, cpu_millis, gib, spread_out) in pods {
            let mut pod = template(cpu_millis, gib * GIB);
            if spread_out {
                pod.topology_spread = vec![spread(ZONE, "a")];
            }
            good += fixture.pending(count, pod).len();
        }
        let alone = fixture.solve();
        prop_assert_eq!(placed(&alone), good);
        let mut bad_pods = Vec::new();
        for kind in bad {
            bad_pods.extend(fixture.pending(1, impossible(kind)));
        }
        let solution = fixture.solve_address_aware();
        prop_assert_eq!(placed(&solution), good);
        prop_assert_eq!(solution.refused.iter().map(|(pod, _)| *pod).collect::<Vec<_>>(), bad_pods);
        prop_assert!(price_micro_usd(&solution) <= price_micro_usd(&alone));
    }
}
