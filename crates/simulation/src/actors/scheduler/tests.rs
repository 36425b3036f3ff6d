//! The scheduler among other actors, whose part a small world plays: it performs effects and tells the changes.

mod world;

use std::sync::Arc;

use cluster::pod::Stage;
use cluster::storage::{StorageClass, Volume, VolumeClaim, VolumeClaimId};
use cluster::template::{PodVolume, TopologySpread};
use cluster::{Name, PodTemplate, Taint};
use scheduling::testing::{add_bound, add_node, add_pod, empty, labelled, node, selector, template, zoned};

use super::*;
use world::{World, cpu, sized};

#[test]
fn pods_are_placed_by_priority_and_each_sees_those_before_it() {
    let mut cluster = empty();
    add_node(&mut cluster, sized("n", 1000));
    let low = add_pod(&mut cluster, &cpu(600, 0));
    let high = add_pod(&mut cluster, &cpu(600, 5));
    let mut world = World::new(cluster);
    let log = world.settle();
    assert_eq!(log[0], format!("bind {} to 0", high.0));
    assert!(
        log[1].starts_with(&format!("{} waits: 0/1 nodes are available: 1 Insufficient cpu.", low.0)),
        "{log:?}"
    );
    assert_eq!(log.len(), 2);
    assert_eq!(world.settle(), Vec::<String>::new());
}

#[test]
fn room_given_back_wakes_the_pods_that_lacked_it() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, sized("n", 1000));
    let there = add_bound(&mut cluster, &cpu(600, 0), n);
    let waits = add_pod(&mut cluster, &cpu(600, 0));
    let mut world = World::new(cluster);
    assert_eq!(world.settle().len(), 1);
    // A node without enough room, and one that the pod does not tolerate, help nothing.
    world.join(sized("small", 100));
    assert_eq!(world.settle(), Vec::<String>::new());
    world.end(there);
    assert_eq!(world.settle(), [format!("bind {} to 0", waits.0)]);
}

#[test]
fn a_taint_taken_off_wakes_the_pods_that_it_kept_out() {
    let mut cluster = empty();
    let mut tainted = node("n");
    tainted.taints =
        vec![Taint { key: "startup".into(), value: "".into(), effect: cluster::Effect::NoSchedule }];
    let n = add_node(&mut cluster, tainted);
    let pod = add_pod(&mut cluster, &cpu(100, 0));
    let mut world = World::new(cluster);
    assert_eq!(world.settle().len(), 1);
    world.cluster.nodes[0].ready = true;
    world.tell(Change::NodeReady(n, true));
    assert_eq!(world.settle(), Vec::<String>::new());
    world.cluster.nodes[0].taints.clear();
    world.tell(Change::NodeUpdated(n));
    assert_eq!(world.settle(), [format!("bind {} to 0", pod.0)]);
}

#[test]
fn preemption_nominates_evicts_waits_and_binds() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, sized("n", 1000));
    let victims = [add_bound(&mut cluster, &cpu(500, 0), n), add_bound(&mut cluster, &cpu(500, 0), n)];
    let high = add_pod(&mut cluster, &cpu(1000, 10));
    let mut world = World::new(cluster);
    assert_eq!(
        world.settle(),
        ["2 waits: 0/1 nodes are available: 1 Insufficient cpu.", "nominate 0 for 2", "delete 0", "delete 1",]
    );
    // Meanwhile a lesser pod may not take what becomes free, though it is tried first: the other backs off.
    world.end(victims[0]);
    let lesser = world.create(&cpu(400, 0));
    let log = world.settle();
    assert!(
        log[0].starts_with(&format!("{} waits: 0/1 nodes are available: 1 Insufficient cpu.", lesser.0)),
        "{log:?}"
    );
    assert!(log[1].contains("not eligible due to a terminating pod on the nominated node."), "{log:?}");
    world.end(victims[1]);
    let log = world.settle();
    assert_eq!(
        log.iter().filter(|line| line.starts_with("bind")).collect::<Vec<_>>(),
        [&format!("bind {} to 0", high.0)]
    );
    assert_eq!(world.pod(high).nominated, None);
}

#[test]
fn a_reservation_that_became_useless_is_given_up() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, sized("n", 1000));
    let victim = add_bound(&mut cluster, &cpu(1000, 0), n);
    let high = add_pod(&mut cluster, &cpu(1000, 10));
    let mut world = World::new(cluster);
    world.settle();
    world.cluster.nodes[0].unschedulable = true;
    world.tell(Change::NodeUpdated(n));
    world.end(victim);
    let log = world.settle();
    assert!(log[0].contains("1 node(s) were unschedulable"), "{log:?}");
    assert_eq!(log[1], format!("clear nomination of {}", high.0));
}

#[test]
fn gates_and_other_schedulers_keep_pods_out_of_the_queue() {
    let mut world = World::new(empty());
    world.join(node("n"));
    let gated = PodTemplate { scheduling_gates: vec!["example.com/wait".into()], ..template(1, 0) };
    let foreign = PodTemplate { scheduler_name: "volcano".into(), ..template(1, 0) };
    let fixed = PodTemplate { node_name: Some("n".into()), ..template(1, 0) };
    for template in [gated, foreign, fixed] {
        world.create(&Arc::new(template));
    }
    assert_eq!(world.settle(), ["0 waits: Gated", "1 waits: UnknownScheduler(\"volcano\")"]);
}

#[test]
fn without_any_node_pods_wait_for_the_first_and_then_for_the_grid() {
    let mut world = World::new(empty());
    let pod = world.create(&cpu(100, 0));
    assert_eq!(world.run_to(10_500), ["0 waits: no nodes available to schedule pods"]);
    assert_eq!(world.scheduler.wake_at(), None);
    world.join(node("n"));
    // Tried at 0, 2, 5, 10 and so next at 19: 8 s of back-off, and the flush after it.
    assert_eq!(world.run_to(60_000), [format!("19000: bind {} to 0", pod.0)]);
}

#[test]
fn daemon_pods_go_to_their_node_only() {
    let mut world = World::new(empty());
    world.join(node("a"));
    let mut full = node("b");
    full.allocatable.pods = 0;
    let b = world.join(full);
    let pod = add_pod(&mut world.cluster, &cpu(100, 0));
    world.pod(pod).for_node = Some(b);
    world.tell(Change::PodCreated(pod));
    assert_eq!(
        world.settle(),
        [
            "0 waits: 0/2 nodes are available: 1 Too many pods, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. no \
          new claims to deallocate, preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not \
          helpful for scheduling."
        ]
    );
    world.cluster.nodes[1].allocatable.pods = 10;
    world.tell(Change::NodeUpdated(b));
    assert_eq!(world.settle(), ["bind 0 to 1"]);
}

fn with_claim() -> (World, VolumeClaimId, PodId) {
    let mut cluster = empty();
    add_node(&mut cluster, zoned("a", "a"));
    let mut declared = (*cluster.declared).clone();
    declared.storage_classes = vec![StorageClass {
        name: "gp3".into(),
        location: cluster.nodes[0].location.clone(),
        provisioner: "ebs.csi.aws.com".into(),
        wait_for_consumer: true,
        is_default: true,
        allowed_topologies: vec![],
    }];
    cluster.declared = Arc::new(declared);
    let mut world = World::new(cluster);
    let volumes = vec![PodVolume::Claim("data".into())];
    let pod = world.create(&Arc::new(PodTemplate { volumes, ..template(100, 0) }));
    let claim = VolumeClaimId(0);
    let log = world.settle();
    assert!(log[0].contains("persistentvolumeclaim \"data\" not found"), "{log:?}");
    world.cluster.volume_claims.push(VolumeClaim {
        id: claim,
        namespace: "default".into(),
        name: "data".into(),
        location: world.cluster.nodes[0].location.clone(),
        storage_class: Some("gp3".into()),
        single_node: true,
        single_pod: false,
        selected_node: None,
        volume: None,
        wish: Default::default(),
    });
    world.tell(Change::VolumeClaimCreated(claim));
    (world, claim, pod)
}

fn provisioned(world: &mut World, claim: VolumeClaimId, zone: &str) {
    let term = cluster::template::NodeSelectorTerm {
        match_expressions: selector("topology.kubernetes.io/zone", zone).requirements,
        match_fields: vec![],
    };
    world.cluster.volumes.push(Volume {
        name: Name::from("pv"),
        location: None,
        driver: "ebs.csi.aws.com".into(),
        claim_ref: None,
        storage_class: Some("gp3".into()),
        node_affinity: vec![term],
        labels: cluster::Labels::new(),
        attached: vec![],
        traits: Default::default(),
        reserved: false,
        deleting: false,
    });
    world.cluster.volume_claims[claim.0 as usize].volume = Some(0);
    world.tell(Change::VolumeBound(claim));
}

#[test]
fn a_claim_is_given_its_node_and_the_pod_is_bound_at_the_poll_after_the_volume() {
    let (mut world, claim, pod) = with_claim();
    assert_eq!(world.settle(), ["select 0 for claim 0"]);
    world.cluster.now = Timestamp(2_300);
    // Its room is taken all the while.
    let big = world.create(&cpu(4000, 0));
    assert!(
        world.settle()[0]
            .starts_with(&format!("{} waits: 0/1 nodes are available: 1 Insufficient cpu.", big.0))
    );
    provisioned(&mut world, claim, "a");
    assert_eq!(world.settle(), [format!("after 700: bind {} to 0", pod.0)]);
    world.run_to(10_000);
    assert_eq!(world.pod(pod).node, Some(NodeId(0)));
}

#[test]
fn a_volume_in_the_wrong_place_fails_the_binding() {
    let (mut world, claim, pod) = with_claim();
    assert_eq!(world.settle(), ["select 0 for claim 0"]);
    provisioned(&mut world, claim, "b");
    let log = world.run_to(10_000);
    let expected =
        "2000: 0 waits: 0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.";
    assert!(log[0].starts_with(expected), "{log:?}");
    assert_eq!(world.pod(pod).node, None);
}

#[test]
fn a_node_that_goes_takes_its_waiting_bindings_with_it() {
    let (mut world, _, pod) = with_claim();
    world.settle();
    world.join(zoned("b", "b"));
    world.cluster.nodes[0].gone = true;
    world.tell(Change::NodeGone(NodeId(0)));
    assert_eq!(world.run_to(5_000), ["2000: select 1 for claim 0"]);
    world.pod(pod).deleted = Some(Timestamp(5_000));
    world.tell(Change::PodDeleting { pod, why: DeletionCause::Owner });
    let big = world.create(&cpu(4000, 0));
    assert_eq!(world.settle(), [format!("bind {} to 1", big.0)]);
}

#[test]
fn spreading_waits_for_a_domain_and_takes_it() {
    // Two zones are wanted and only one is there.
    let constraint = TopologySpread {
        max_skew: 1,
        min_domains: Some(2),
        topology_key: "topology.kubernetes.io/zone".into(),
        required: true,
        selector: Some(selector("app", "web")),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: false,
    };
    let web = Arc::new(PodTemplate { topology_spread: vec![constraint], ..labelled("web") });
    let mut cluster = empty();
    add_node(&mut cluster, zoned("a", "a"));
    let mut world = World::new(cluster);
    let pods = [world.create(&web), world.create(&web)];
    let log = world.settle();
    assert_eq!(log[0], format!("bind {} to 0", pods[0].0));
    assert!(log[1].contains("1 node(s) didn't match pod topology spread constraints."), "{log:?}");
    world.join(zoned("a2", "a"));
    assert!(world.settle()[0].contains("2 node(s) didn't match pod topology spread constraints."));
    world.join(zoned("b", "b"));
    assert_eq!(world.settle(), [format!("bind {} to 2", pods[1].0)]);
}

#[test]
fn bound_pods_without_an_address_are_no_relief() {
    // The node is out of addresses, which the scheduler does not see: it goes on binding, and preempts nobody.
    let mut cluster = empty();
    let n = add_node(&mut cluster, node("n"));
    for _ in 0..3 {
        let stuck = add_bound(&mut cluster, &cpu(10, 0), n);
        cluster.pods[stuck.0 as usize].stage = Stage::Bound;
    }
    let critical = add_pod(&mut cluster, &cpu(10, 2_000_000_000));
    let mut world = World::new(cluster);
    assert_eq!(world.settle(), [format!("bind {} to 0", critical.0)]);
}

#[test]
fn older_schedulers_sit_out_their_backoff() {
    for (minor, bound_at) in [(32, 3_000), (33, 2_100)] {
        let mut cluster = empty();
        let mut declared = (*cluster.declared).clone();
        declared.profile.kubernetes = (1, minor);
        cluster.declared = Arc::new(declared);
        let n = add_node(&mut cluster, sized("n", 1000));
        let there = add_bound(&mut cluster, &cpu(600, 0), n);
        let pod = add_pod(&mut cluster, &cpu(600, 0));
        let mut world = World::new(cluster);
        world.cluster.now = Timestamp(1_500);
        world.settle();
        world.cluster.now = Timestamp(2_100);
        world.end(there);
        let mut log = world.settle();
        log.extend(world.run_to(20_000));
        let binding = log.iter().find(|line| line.ends_with(&format!("bind {} to 0", pod.0))).unwrap();
        assert_eq!(binding.starts_with("3000: "), bound_at == 3_000, "{log:?}");
    }
}
