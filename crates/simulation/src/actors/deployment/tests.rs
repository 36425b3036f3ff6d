//! Deployments with kubelets around them.

use super::*;
use crate::actors::kubelet::Kubelets;
use crate::actors::stage_hand::{StageHand, declared, deployment, node, template};
use cluster::Declared;
use cluster::change::Refusal;
use cluster::pod::Stage;

const WEB: WorkloadId = WorkloadId(0);
const HOUR: Timestamp = Timestamp(3_600_000);

fn hand(replicas: u32) -> StageHand {
    let declared = declared(vec![deployment("web", replicas)], vec![node("a")]);
    let actors: Vec<Box<dyn Actor>> =
        vec![Box::new(Deployments::default()), Box::new(Kubelets::new(|_, _| None))];
    let mut hand = StageHand::new(declared, actors);
    hand.arrive_all();
    hand
}

fn most_at_once(hand: &StageHand) -> usize {
    let (mut now, mut most) = (0usize, 0);
    for (_, change) in &hand.log {
        match change {
            Change::PodCreated(_) => now += 1,
            Change::PodGone(_) => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[test]
fn makes_as_many_pods_as_asked_for_and_then_rests() {
    let mut hand = hand(7);
    assert!(hand.run(HOUR));
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 7]);
    let names: BTreeSet<&str> = hand.cluster.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names.len(), 7, "{names:?}");
}

#[test]
fn replaces_pods_that_are_deleted_by_others() {
    let mut hand = hand(3);
    hand.run(HOUR);
    hand.perform(Effect::DeletePod(PodId(1), DeletionCause::Drained));
    assert!(hand.run(HOUR));
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
    assert_eq!(hand.cluster.pods.len(), 4);
}

#[test]
fn a_new_template_is_rolled_out_within_the_surge() {
    let mut hand = hand(4);
    hand.run(HOUR);
    hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
    assert!(hand.run(HOUR));
    let live: Vec<_> = hand.cluster.live_pods().map(|pod| (pod.revision, pod.stage)).collect();
    assert_eq!(live, vec![(1, Stage::Ready); 4]);
    // Surge 1: at most 5 wanted at once; one more may still be terminating.
    assert!(most_at_once(&hand) <= 6);
}

#[test]
fn going_back_to_an_earlier_template_uses_its_revision() {
    let mut hand = hand(2);
    hand.run(HOUR);
    let first = Arc::clone(&hand.cluster.declared.workloads[0].template);
    hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
    hand.run(HOUR);
    hand.change_workload(WEB, |web| web.template = first);
    assert!(hand.run(HOUR));
    assert!(hand.cluster.live_pods().all(|pod| pod.revision == 0 && pod.stage == Stage::Ready));
    assert_eq!(hand.cluster.live_pods().count(), 2);
}

#[test]
fn pods_count_once_they_were_ready_for_long_enough() {
    let mut hand = hand(2);
    hand.change_workload(WEB, |web| web.pace.min_ready_ms = 30_000);
    hand.run(HOUR);
    let first = hand.cluster.now;
    hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
    assert!(hand.run(HOUR));
    assert!(hand.cluster.live_pods().all(|pod| pod.revision == 1));
    // One after the other: each new pod is Ready for 30 s before an old one goes.
    assert!(hand.cluster.now.since_ms(first) >= 60_000, "{:?}", hand.cluster.now);
    assert!(cluster::unmet(&hand.cluster).is_empty());
}

#[test]
fn a_paused_one_is_scaled_and_not_rolled() {
    let mut hand = hand(2);
    hand.run(HOUR);
    hand.change_workload(WEB, |web| {
        web.pace.paused = true;
        web.template = Arc::new(template("web:2"));
        web.shape = Shape::Deployment { replicas: 3, recreate: false, max_surge: 1, max_unavailable: 0 };
    });
    assert!(hand.run(HOUR));
    let revisions = |hand: &StageHand| hand.cluster.live_pods().map(|pod| pod.revision).collect::<Vec<_>>();
    assert_eq!(revisions(&hand), [0; 3]);
    hand.change_workload(WEB, |web| web.pace.paused = false);
    assert!(hand.run(HOUR));
    assert_eq!(revisions(&hand), [1; 3]);
}

#[test]
fn one_that_starts_paused_makes_nothing() {
    let mut web = deployment("web", 3);
    web.pace.paused = true;
    let mut hand =
        StageHand::new(declared(vec![web], vec![node("a")]), vec![Box::new(Deployments::default())]);
    hand.arrive_all();
    assert!(hand.run(HOUR));
    assert!(hand.cluster.pods.is_empty() && cluster::unmet(&hand.cluster).is_empty());
}

#[test]
fn scaling_down_takes_pending_pods_first() {
    let mut hand = hand(5);
    hand.pods_per_node = 3;
    hand.run(HOUR);
    hand.change_workload(WEB, |web| {
        web.shape = Shape::Deployment { replicas: 3, recreate: false, max_surge: 1, max_unavailable: 0 };
    });
    assert!(hand.run(HOUR));
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
    let created = hand.cluster.pods.iter().filter(|pod| pod.node.is_some()).count();
    assert_eq!(created, 3, "no bound pod was taken");
}

#[test]
fn recreate_never_runs_two_revisions_side_by_side() {
    let mut hand = hand(3);
    let recreate = Shape::Deployment { replicas: 3, recreate: true, max_surge: 0, max_unavailable: 0 };
    hand.change_workload(WEB, |web| web.shape = recreate);
    hand.run(HOUR);
    hand.change_workload(WEB, |web| web.template = Arc::new(template("web:2")));
    assert!(hand.run(HOUR));
    let first_new = hand.log.iter().position(|(_, change)| *change == Change::PodCreated(PodId(3))).unwrap();
    let gone =
        hand.log[..first_new].iter().filter(|(_, change)| matches!(change, Change::PodGone(_))).count();
    assert_eq!(gone, 3);
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 3]);
}

#[test]
fn a_quota_stops_creation_until_a_pod_goes() {
    let mut hand = hand(4);
    hand.refuse = |cluster, _| {
        let used = cluster.live_pods().count() as i64;
        let quota = ObjectKey::new(cluster::Kind::Other("ResourceQuota".into()), "apps", "quota");
        (used >= 2).then(|| Refusal::Quota { quota, resource: "pods".into(), hard: 2, used, wanted: 1 })
    };
    assert!(hand.run(HOUR), "a refused owner does not poll");
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 2]);
    let refusals = |hand: &StageHand| {
        hand.log.iter().filter(|(_, change)| matches!(change, Change::PodRefused { .. })).count()
    };
    let before = refusals(&hand);
    hand.perform(Effect::DeletePod(PodId(0), DeletionCause::Drained));
    assert!(hand.run(Timestamp(7_200_000)));
    assert_eq!(hand.stages(WEB), vec![Stage::Ready; 2]);
    assert!(refusals(&hand) > before, "and asks again when room was made");
}

#[test]
fn pods_of_t0_are_counted() {
    let mut hand = hand(2);
    hand.run(HOUR);
    let cluster = hand.cluster.clone();
    let actors: Vec<Box<dyn Actor>> =
        vec![Box::new(Deployments::default()), Box::new(Kubelets::new(|_, _| None))];
    let mut again = StageHand::new(Declared::clone(&cluster.declared), actors);
    again.cluster = cluster;
    again.changed(Change::WorkloadArrived(WEB));
    assert!(again.run(Timestamp(HOUR.0 * 2)));
    assert_eq!(again.cluster.pods.len(), 2);
    assert_eq!(again.stages(WEB), vec![Stage::Ready; 2]);
}
