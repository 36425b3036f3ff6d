//! StatefulSets with kubelets around them.

use super::*;
use crate::actors::kubelet::Kubelets;
use crate::actors::stage_hand::{StageHand, declared, node, template, workload};
use cluster::Kind;
use cluster::pod::Stage;

const DB: WorkloadId = WorkloadId(0);
const HOUR: Timestamp = Timestamp(3_600_000);

fn hand(replicas: u32, parallel: bool) -> StageHand {
    let set = workload(Kind::StatefulSet, "db", Shape::StatefulSet { replicas, parallel }, template("db"));
    let actors: Vec<Box<dyn Actor>> =
        vec![Box::new(StatefulSets::default()), Box::new(Kubelets::new(|_, _| None))];
    let mut hand = StageHand::new(declared(vec![set], vec![node("a")]), actors);
    hand.arrive_all();
    hand
}

fn created_at(hand: &StageHand) -> Vec<(String, i64)> {
    hand.cluster.pods.iter().map(|pod| (pod.name.to_string(), pod.created.0)).collect()
}

#[test]
fn each_pod_waits_for_the_one_before() {
    let mut hand = hand(3, false);
    assert!(hand.run(HOUR));
    let at = |name: &str, at| (name.to_owned(), at);
    // 8 s pull and 2 s start for the first; the image is there for the others.
    assert_eq!(created_at(&hand), [at("db-0", 0), at("db-1", 10_000), at("db-2", 12_000)]);
    assert_eq!(hand.stages(DB), [Stage::Ready; 3]);
}

#[test]
fn the_next_pod_waits_until_the_one_before_was_ready_for_long_enough() {
    let mut hand = hand(2, false);
    hand.change_workload(DB, |db| db.pace.min_ready_ms = 60_000);
    assert!(hand.run(HOUR));
    let at = |name: &str, at| (name.to_owned(), at);
    assert_eq!(created_at(&hand), [at("db-0", 0), at("db-1", 70_000)]);
}

#[test]
fn a_pod_that_never_gets_ready_blocks_those_after_it() {
    let mut hand = hand(3, false);
    hand.addresses = false;
    assert!(hand.run(HOUR));
    assert_eq!(hand.stages(DB), [Stage::Bound]);
}

#[test]
fn in_parallel_nobody_waits() {
    let mut hand = hand(5, true);
    assert!(hand.run(HOUR));
    assert!(created_at(&hand).iter().all(|(_, at)| *at == 0));
    assert_eq!(hand.stages(DB), [Stage::Ready; 5]);
}

#[test]
fn the_highest_goes_first_and_a_deleted_one_comes_back_under_its_name() {
    let mut hand = hand(3, false);
    hand.run(HOUR);
    hand.perform(Effect::DeletePod(PodId(1), DeletionCause::Drained));
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pods.last().unwrap().name, "db-1");
    hand.change_workload(DB, |db| db.shape = Shape::StatefulSet { replicas: 1, parallel: false });
    assert!(hand.run(HOUR));
    let live: Vec<&str> = hand.cluster.live_pods().map(|pod| pod.name.as_str()).collect();
    assert_eq!(live, ["db-0"]);
    let gone: Vec<PodId> = hand
        .log
        .iter()
        .filter_map(|(_, change)| match change {
            Change::PodGone(pod) => Some(*pod),
            _ => None,
        })
        .collect();
    assert_eq!(gone, [PodId(1), PodId(2), PodId(3)]);
}

#[test]
fn a_roll_out_starts_with_the_highest_and_waits_for_each() {
    let mut hand = hand(3, false);
    hand.run(HOUR);
    hand.change_workload(DB, |db| db.template = Arc::new(template("db:2")));
    assert!(hand.run(HOUR));
    let new: Vec<&str> = hand.cluster.pods[3..].iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(new, ["db-2", "db-1", "db-0"]);
    assert!(hand.cluster.live_pods().all(|pod| pod.revision == 1 && pod.stage == Stage::Ready));
}

#[test]
fn claims_come_before_the_pod_and_stay_after_it() {
    let mut with_claim = template("db");
    with_claim.host_network = true;
    with_claim.volumes =
        vec![PodVolume::Template { name: "data".into(), storage_class: None, stateful: true }];
    let mut hand = hand(2, true);
    hand.change_workload(DB, |db| db.template = Arc::new(with_claim));
    hand.run(HOUR);
    let claims = || hand.cluster.volume_claims.iter().map(|claim| claim.name.to_string());
    assert_eq!(claims().collect::<BTreeSet<_>>(), ["data-db-0", "data-db-1"].map(String::from).into());
    assert_eq!(claims().count(), 2);
}
