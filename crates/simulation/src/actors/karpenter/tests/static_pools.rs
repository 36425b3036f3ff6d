//! Static pools: nodes without pods, up and down with their replicas, one for one when they drift.

use super::drift::changed;
use super::*;

/// A spoke with a static pool and nothing that waits.
fn fixed(replicas: u32) -> Declared {
    let mut spoke = spoke(vec![]);
    spoke.karpenter.static_capacity = true;
    let pool = &mut spoke.node_pools[0];
    (pool.replicas, pool.limits, pool.arrival) = (Some(replicas), vec![], Arrival::default());
    pool.budgets = vec![Budget { nodes: BudgetNodes::Percent(100), reasons: vec![], schedule: None }];
    spoke
}

fn live(run: &Run) -> usize {
    run.cluster.claims.iter().filter(|claim| claim.stage == ClaimStage::Initialized).count()
}

fn later(run: &Run) -> Vec<&'static str> {
    story(run, claims).into_iter().filter(|(at, _)| *at >= 600_000).map(|(_, what)| what).collect()
}

#[test]
fn a_static_pool_has_its_nodes_without_any_pod() {
    let run = play(fixed(3));
    assert_eq!((&run.end, live(&run)), (&End::Settled, 3));
    assert_eq!(run.cluster.claims.len(), 3, "each is asked for once, and none is consolidated");
}

#[test]
fn without_the_gate_it_does_nothing() {
    let mut spoke = fixed(3);
    spoke.karpenter.static_capacity = false;
    assert_eq!(play(spoke).cluster.claims.len(), 0);
}

#[test]
fn pods_take_its_nodes_and_bring_none_about() {
    let mut spoke = fixed(1);
    spoke.workloads.push(app("web", 3, 900));
    let run = play(spoke);
    assert_eq!(live(&run), 1);
    let placed = run.cluster.pods.iter().filter(|pod| pod.node == run.cluster.claims[0].node);
    assert_eq!(placed.count(), 2, "t3a.small holds two of them, and the pool stays what it is");
    assert!(!run.converged());
}

#[test]
fn the_limit_on_nodes_holds() {
    let mut spoke = fixed(4);
    spoke.node_pools[0].limits = vec![("nodes".into(), 2)];
    assert_eq!(live(&play(spoke)), 2);
}

#[test]
fn replicas_go_up_and_down() {
    let up = changed(fixed(1), |declared| declared.node_pools[0].replicas = Some(3));
    assert_eq!((live(&up), later(&up).len()), (3, 6));
    let down = changed(fixed(3), |declared| declared.node_pools[0].replicas = Some(1));
    assert_eq!((live(&down), later(&down)), (1, vec!["deleting", "deleting", "gone", "gone"]));
}

#[test]
fn drifted_nodes_are_replaced_one_for_one() {
    let run = changed(fixed(2), |declared| {
        declared.node_pools[0].labels.insert("team".into(), "a".into());
    });
    let told = later(&run);
    assert_eq!(told[..2], ["created", "created"], "both at once, before any goes: {told:?}");
    assert_eq!(told.iter().filter(|what| **what == "gone").count(), 2);
    assert_eq!((live(&run), run.cluster.claims.len()), (2, 4));
}

#[test]
fn what_nobody_sells_is_asked_for_again_without_keeping_the_run_going() {
    let mut spoke = fixed(1);
    let everything =
        Unavailable { instance_type: Name::default(), zone: Name::default(), capacity_type: Name::default() };
    spoke.profile.aws.unavailable = vec![everything];
    spoke.profile.until_horizon = true;
    let failed = |run: &Run| story(run, claims).into_iter().filter(|(_, what)| *what == "failed").count();
    let run = play(spoke.clone());
    assert!(matches!(run.end, End::Looping { .. }), "{:?}", run.end);
    assert!((5..=20).contains(&failed(&run)), "every three minutes: {}", failed(&run));
    spoke.profile.until_horizon = false;
    let run = play(spoke);
    assert_eq!((&run.end, failed(&run)), (&End::Settled, 1));
}

#[test]
fn nodes_expire_when_nothing_else_goes_on() {
    let mut spoke = fixed(1);
    spoke.node_pools[0].expire_after_ms = Some(3_600_000);
    spoke.profile.until_horizon = true;
    let run = play(spoke);
    let expired = |change: &Change| match change {
        Change::ClaimDeleting(_, Some(DisruptionReason::Expired)) => Some("expired"),
        _ => None,
    };
    let at: Vec<i64> = story(&run, expired).into_iter().map(|(at, _)| at / 60_000).collect();
    assert_eq!(at, [60, 120], "the one that follows is an hour old at the horizon");
}

#[test]
fn a_device_that_an_overlay_promises_is_bought_and_there() {
    let mut spoke = spoke(vec![app("web", 1, 500)]);
    let mut template = (*spoke.workloads[2].template).clone();
    template.requests.set("smarter-devices/fuse", 1);
    spoke.workloads[2].template = Arc::new(template);
    assert!(!play(spoke.clone()).converged());
    spoke.node_overlays = vec![cluster::NodeOverlay {
        name: "fuse".into(),
        location: Location::object(ObjectKey::new(Kind::NodePool, "", "fuse")),
        weight: 0,
        requirements: vec![wants("node.kubernetes.io/instance-type", &["t3.medium"])],
        price: None,
        capacity: vec![("smarter-devices/fuse".into(), 2)],
    }];
    assert!(!play(spoke.clone()).converged(), "not without the gate");
    spoke.karpenter.node_overlay = true;
    let run = play(spoke);
    assert!(run.converged(), "{:?} {:?}", run.end, run.unmet);
    let node = run.cluster.live_nodes().find(|node| node.claim.is_some()).unwrap();
    assert_eq!((node.instance_type.as_str(), node.allocatable.get("smarter-devices/fuse")), ("t3.medium", 2));
}
