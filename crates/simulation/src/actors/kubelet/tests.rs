//! Whole lives of pods.

use super::*;
use crate::actors::stage_hand::{StageHand, container, declared, node, role, template, workload};
use cluster::profile::{ImageRule, Pull, Registry};
use cluster::role::Program;
use cluster::template::{PodTemplate, RestartPolicy};
use cluster::waiting::ImageProblem;
use cluster::workload::Shape;
use cluster::{Declared, Kind, ObjectKey, WorkloadId};

const HOUR: Timestamp = Timestamp(3_600_000);
const POD: PodId = PodId(0);

/// A pod that is created at t=0, with nothing but kubelets around it.
fn hand_with(template: PodTemplate, needs: Needs, edit: impl FnOnce(&mut Declared)) -> StageHand {
    let mut declared = declared(vec![workload(Kind::Pod, "one", Shape::Pod, template)], vec![node("a")]);
    edit(&mut declared);
    let mut hand = StageHand::new(declared, vec![Box::new(Kubelets::new(needs))]);
    let template = std::sync::Arc::clone(&hand.cluster.declared.workloads[0].template);
    create(&mut hand, "one", template);
    hand
}

fn create(hand: &mut StageHand, name: &str, template: std::sync::Arc<PodTemplate>) {
    hand.perform(Effect::CreatePod(Box::new(cluster::pod::NewPod {
        namespace: "apps".into(),
        name: name.into(),
        workload: Some(WorkloadId(0)),
        template,
        revision: 0,
        ordinal: 0,
        for_node: None,
    })));
}

fn hand(template: PodTemplate) -> StageHand {
    hand_with(template, |_, _| None, |_| {})
}

fn waits(hand: &StageHand) -> Option<Waiting> {
    hand.cluster.pod(POD).waiting.as_ref().map(|(_, why)| why.clone())
}

#[test]
fn pull_start_ready() {
    let mut hand = hand(PodTemplate { ready_delay_ms: 5_000, ..template("web") });
    assert!(hand.run(HOUR));
    assert_eq!(hand.reached(POD, Stage::Starting), Some(Timestamp(0)));
    assert_eq!(hand.reached(POD, Stage::Running), Some(Timestamp(10_000)));
    assert_eq!(hand.reached(POD, Stage::Ready), Some(Timestamp(15_000)));
}

#[test]
fn images_are_pulled_once_a_node_and_one_after_the_other_in_a_pod() {
    let two = PodTemplate { containers: vec![container("a"), container("b")], ..template("a") };
    let mut hand = hand(two.clone());
    create(&mut hand, "two", std::sync::Arc::new(two.clone()));
    hand.run(Timestamp(100_000));
    create(&mut hand, "three", std::sync::Arc::new(two));
    assert!(hand.run(HOUR));
    assert_eq!(hand.reached(PodId(0), Stage::Running), Some(Timestamp(18_000)));
    assert_eq!(hand.reached(PodId(1), Stage::Running), Some(Timestamp(18_000)));
    assert_eq!(hand.reached(PodId(2), Stage::Running), Some(Timestamp(20_000)));
}

#[test]
fn init_containers_come_first() {
    let with_init =
        PodTemplate { init_containers: vec![container("init"), container("web")], ..template("web") };
    let mut hand = hand(with_init);
    assert!(hand.run(HOUR));
    // 8 s + 1 s, then the second with its own pull, which the main container does not need again, then 2 s.
    assert_eq!(hand.reached(POD, Stage::Running), Some(Timestamp(20_000)));
}

#[test]
fn without_an_address_a_pod_stays_bound_unless_it_uses_the_hosts() {
    let mut waiting = hand(template("web"));
    waiting.addresses = false;
    assert!(waiting.run(HOUR));
    assert_eq!(waiting.cluster.pod(POD).stage, Stage::Bound);
    let mut host = hand(PodTemplate { host_network: true, ..template("web") });
    host.addresses = false;
    assert!(host.run(HOUR));
    assert_eq!(host.cluster.pod(POD).stage, Stage::Ready);
}

#[test]
fn a_node_is_ready_once_its_cni_is_and_pods_wait_for_it() {
    let mut hand = hand_with(
        template("web"),
        |_, _| None,
        |declared| {
            declared.nodes[0].ready = false;
            declared.nodes[0].network.cni_ready = false;
        },
    );
    hand.schedules = false;
    hand.perform(Effect::BindPod(POD, NodeId(0)));
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand), Some(Waiting::CniNotReady));
    hand.perform(Effect::CniReady(NodeId(0), true));
    assert!(hand.run(HOUR));
    assert!(hand.cluster.nodes[0].ready);
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready);
    hand.perform(Effect::CniReady(NodeId(0), false));
    assert!(hand.run(HOUR));
    assert!(!hand.cluster.nodes[0].ready);
}

#[test]
fn a_secret_of_the_input_holds_the_pod_until_it_arrives() {
    let secret = ObjectKey::new(Kind::Secret, "apps", "token");
    let unknown = ObjectKey::new(Kind::ConfigMap, "apps", "kube-root-ca.crt");
    let needy = PodTemplate { needs_objects: vec![unknown, secret.clone()], ..template("web") };
    let key = secret.clone();
    let mut hand = hand_with(
        needy,
        |_, _| None,
        |declared| {
            declared.arrivals.insert(key, Default::default());
        },
    );
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand), Some(Waiting::ObjectMissing(secret.clone())));
    hand.perform(Effect::Arrive(secret));
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready);
}

fn rule(architectures: &[&str], pull: Pull) -> ImageRule {
    let architectures = architectures.iter().map(|arch| Name::from(*arch)).collect();
    ImageRule { pattern: "web*".into(), os: "linux".into(), architectures, pull }
}

fn with_rule(rule: ImageRule) -> StageHand {
    let mut hand = hand_with(template("web:1"), |_, _| None, |declared| declared.profile.images = vec![rule]);
    assert!(hand.run(HOUR), "nothing is tried for ever");
    hand
}

#[test]
fn images_that_cannot_be_pulled_are_named() {
    let image = |why| Some(Waiting::Image { image: "web:1".into(), why });
    assert_eq!(waits(&with_rule(rule(&["amd64"], Pull::Unauthorized))), image(ImageProblem::Unauthorized));
    assert_eq!(waits(&with_rule(rule(&["amd64"], Pull::NotFound))), image(ImageProblem::NotFound));
    assert_eq!(waits(&with_rule(rule(&["amd64", "s390x"], Pull::Ok))), image(ImageProblem::NoPlatform));
    assert_eq!(waits(&with_rule(rule(&["amd64", "arm64"], Pull::Ok))), None);
}

/// The node is arm64: an image built for amd64 only is pulled, and its program cannot be executed.
#[test]
fn a_foreign_program_crash_loops() {
    let hand = with_rule(rule(&["amd64"], Pull::Ok));
    let why = CrashCause::ExecFormat { built_for: vec!["amd64".into()], node_arch: "arm64".into() };
    assert_eq!(waits(&hand), Some(Waiting::Crashing { restarts: 0, why }));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Running);
}

#[test]
fn without_restarts_a_crash_is_a_failure() {
    let never = PodTemplate { restart_policy: RestartPolicy::Never, ..template("web:1") };
    let mut hand = hand_with(
        never,
        |_, _| None,
        |declared| {
            declared.profile.images = vec![rule(&["amd64"], Pull::Ok)];
        },
    );
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Failed);
}

/// Lacks name resolution until another pod of the cluster's DNS is Ready.
fn lacks_dns(cluster: &Cluster, pod: PodId) -> Option<Capability> {
    let dns = |pod: &&Pod| pod.template.role.program == Program::ClusterDns && pod.stage == Stage::Ready;
    let lacks = cluster.pod(pod).template.role.program == Program::Karpenter
        && cluster.pods.iter().find(dns).is_none();
    lacks.then_some(Capability::ClusterDns)
}

#[test]
fn a_program_that_lacks_something_is_started_again_on_the_grid_of_its_back_off() {
    let karpenter = PodTemplate { role: role(Program::Karpenter), ..template("karpenter") };
    let mut hand = hand_with(karpenter, lacks_dns, |_| {});
    assert!(hand.run(Timestamp(200_000)), "a crash loop without a change is at rest");
    let why = CrashCause::Needs(Capability::ClusterDns);
    assert_eq!(waits(&hand), Some(Waiting::Crashing { restarts: 0, why }));
    hand.cluster.now = Timestamp(200_000);
    let dns = PodTemplate { role: role(Program::ClusterDns), ..template("coredns") };
    create(&mut hand, "dns", std::sync::Arc::new(dns));
    assert!(hand.run(HOUR));
    // It crashed at 10 s; attempts at 20, 40, 80, 160, 320 s; DNS is Ready at 210 s.
    assert_eq!(hand.reached(PodId(1), Stage::Ready), Some(Timestamp(210_000)));
    assert_eq!(hand.cluster.pod(POD).restarts, 5);
    assert_eq!(hand.reached(POD, Stage::Ready), Some(Timestamp(322_000)));
}

#[test]
fn a_running_program_stays_when_what_it_needed_goes() {
    let karpenter = PodTemplate { role: role(Program::Karpenter), ..template("karpenter") };
    let mut hand = hand_with(karpenter, lacks_dns, |_| {});
    let dns = PodTemplate { role: role(Program::ClusterDns), ..template("karpenter") };
    create(&mut hand, "dns", std::sync::Arc::new(dns));
    hand.run(HOUR);
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready);
    hand.perform(Effect::DeletePod(PodId(1), DeletionCause::Owner));
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pod(PodId(1)).stage, Stage::Gone);
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready);
}

#[test]
fn a_deleted_pod_goes_at_once_when_it_is_not_bound_and_after_its_program_ended_when_it_runs() {
    let mut running = hand(template("web"));
    running.run(HOUR);
    running.cluster.now = Timestamp(50_000);
    running.perform(Effect::DeletePod(POD, DeletionCause::Owner));
    assert!(running.run(HOUR));
    assert_eq!(running.log.last(), Some(&(Timestamp(51_000), Change::PodGone(POD))));

    let mut pending = hand(template("web"));
    pending.schedules = false;
    pending.perform(Effect::DeletePod(POD, DeletionCause::Owner));
    assert!(pending.run(HOUR));
    assert_eq!(pending.log.last(), Some(&(Timestamp(0), Change::PodGone(POD))));
}

#[test]
fn a_lost_node_holds_everything_until_it_is_back() {
    let mut hand = hand(template("web"));
    hand.run(Timestamp(4_000));
    hand.perform(Effect::NodeReady(NodeId(0), false));
    assert!(hand.run(Timestamp(60_000)));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Starting);
    hand.cluster.now = Timestamp(60_000);
    hand.perform(Effect::NodeReady(NodeId(0), true));
    assert!(hand.run(HOUR));
    assert_eq!(hand.reached(POD, Stage::Ready), Some(Timestamp(60_000)));
    hand.perform(Effect::NodeReady(NodeId(0), false));
    hand.perform(Effect::DeletePod(POD, DeletionCause::Taint));
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready, "nobody ends it");
}

#[test]
fn a_named_node_needs_no_scheduler() {
    let named = PodTemplate { node_name: Some("later".into()), ..template("web") };
    let mut hand = hand(named);
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand), Some(Waiting::NodeMissing("later".into())));
    hand.perform(Effect::RegisterNode(Box::new(node("later"))));
    assert!(hand.run(HOUR));
    assert_eq!(hand.cluster.pod(POD).stage, Stage::Ready);
    assert_eq!(hand.cluster.pod(POD).node, Some(NodeId(1)));
}

#[test]
fn finite_work_ends_and_deadlines_fail_it() {
    let finite = PodTemplate { restart_policy: RestartPolicy::Never, ..template("web") };
    let mut done = hand(finite.clone());
    assert!(done.run(HOUR));
    assert_eq!(done.reached(POD, Stage::Succeeded), Some(Timestamp(70_000)));
    let mut late = hand(PodTemplate { active_deadline_ms: Some(30_000), ..finite });
    assert!(late.run(HOUR));
    assert_eq!(late.reached(POD, Stage::Failed), Some(Timestamp(30_000)));
}

const ECR: &str = "111122223333.dkr.ecr.us-west-2.amazonaws.com";

#[test]
fn an_ecr_token_lives_twelve_hours_and_a_refresher_renews_it() {
    let image = format!("{ECR}/app:1");
    let secret = PodTemplate { image_pull_secrets: vec!["ecr".into()], ..template(&image) };
    let mut hand = hand_with(
        secret,
        |_, _| None,
        |declared| {
            declared.profile.registries = vec![Registry {
                host: ECR.into(),
                pull_secret: Some(("apps".into(), "ecr".into())),
                token_issued_unix_ms: Some(declared.profile.now_unix_ms - 12 * 3_600_000),
            }];
        },
    );
    assert!(hand.run(HOUR));
    assert_eq!(waits(&hand), Some(Waiting::Image { image: image.into(), why: ImageProblem::TokenExpired }));
    hand.cluster.now = Timestamp(35_000);
    let refresher = PodTemplate {
        role: role(Program::RegistryTokenRefresher),
        restart_policy: RestartPolicy::Never,
        ..template("aws-cli")
    };
    create(&mut hand, "refresh", std::sync::Arc::new(refresher));
    assert!(hand.run(HOUR));
    // Refused at 0 s; attempts at 10, 30, 70, 150 s; renewed at 35 + 10 + 60 = 105 s.
    assert_eq!(hand.reached(POD, Stage::Running), Some(Timestamp(160_000)));
}
