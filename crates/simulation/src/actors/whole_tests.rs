//! All actors together, on the engine: what no actor can show alone.

use std::sync::Arc;

use catalog::Catalog;
use cluster::arrival::Arrival;
use cluster::pod::Stage;
use cluster::profile::{FargateProfile, Order};
use cluster::role::Program;
use cluster::storage::StorageClass;
use cluster::template::{PodTemplate, PodVolume, RestartPolicy};
use cluster::waiting::CrashCause;
use cluster::workload::Shape;
use cluster::*;

use crate::actors::cni_stage::subnet;
use crate::actors::fargate;
use crate::actors::stage_hand::{declared, deployment, node, role, template, workload};
use crate::engine::{End, Options, Run, run};

fn play(declared: Declared) -> Run {
    run(&Arc::new(declared), &Catalog::default(), &Options::default())
}

fn nodes(count: usize) -> Vec<Node> {
    (0..count).map(|index| node(&format!("node-{index:04}"))).collect()
}

fn of_program(name: &str, program: Program) -> Workload {
    let shape = Shape::Deployment { replicas: 1, recreate: false, max_surge: 1, max_unavailable: 0 };
    workload(Kind::Deployment, name, shape, PodTemplate { role: role(program), ..template(name) })
}

fn stage_of(run: &Run, name: &str) -> Vec<Stage> {
    let found = run.cluster.pods.iter().filter(|pod| pod.name.starts_with(name) && pod.stage != Stage::Gone);
    found.map(|pod| pod.stage).collect()
}

#[test]
fn workloads_of_every_kind_come_to_rest() {
    let job =
        Shape::Job { completions: 3, parallelism: 2, backoff_limit: 6, ttl_ms: None, duration_ms: 30_000 };
    let finite = PodTemplate { restart_policy: RestartPolicy::Never, ..template("work") };
    let run = play(declared(
        vec![
            deployment("web", 5),
            workload(
                Kind::StatefulSet,
                "db",
                Shape::StatefulSet { replicas: 2, parallel: false },
                template("db"),
            ),
            workload(Kind::DaemonSet, "agent", Shape::DaemonSet, template("agent")),
            workload(Kind::Job, "work", job, finite),
            workload(Kind::Pod, "one", Shape::Pod, template("one")),
        ],
        nodes(3),
    ));
    assert_eq!(run.end, End::Settled, "{:?}", run.unmet);
    assert_eq!(stage_of(&run, "web"), [Stage::Ready; 5]);
    assert_eq!(stage_of(&run, "db"), [Stage::Ready; 2]);
    assert_eq!(stage_of(&run, "agent"), [Stage::Ready; 3]);
    assert_eq!(stage_of(&run, "work"), [Stage::Succeeded; 3]);
}

#[test]
fn what_runs_at_t0_runs_without_any_time_and_is_not_started_again() {
    let mut web = deployment("web", 4);
    web.arrival = Arrival { existing: true, ..Arrival::default() };
    web.running_at_start = true;
    let run = play(declared(vec![web], nodes(2)));
    assert_eq!(run.end, End::Settled);
    assert_eq!(run.cluster.pods.len(), 4);
    assert!(run.cluster.pods.iter().all(|pod| pod.created < Timestamp::ZERO && pod.stage == Stage::Ready));
}

/// DNS finds no place, so the provisioner's program exits, and nothing moves any more.
#[test]
fn a_provisioner_without_name_resolution_is_at_rest_in_its_crash_loop() {
    let mut dns = of_program("coredns", Program::ClusterDns);
    Arc::make_mut(&mut dns.template).node_selector = Labels::from([("missing".into(), "yes".into())]);
    let run = play(declared(vec![dns, of_program("karpenter", Program::Karpenter)], nodes(1)));
    assert_eq!(run.end, End::Quiescent);
    let karpenter = run.cluster.pods.iter().find(|pod| pod.name.starts_with("karpenter")).unwrap();
    let why = CrashCause::Needs(capability::Capability::ClusterDns);
    assert_eq!(karpenter.waiting.as_ref().map(|(_, why)| why), Some(&Waiting::Crashing { restarts: 0, why }));
    assert_eq!(run.ended, Timestamp(10_000), "no retry is simulated that must fail");
}

fn on_fargate(nodes: usize) -> Declared {
    let mut workloads = vec![
        of_program("coredns", Program::ClusterDns),
        of_program("karpenter", Program::Karpenter),
        deployment("web", 3),
    ];
    for workload in &mut workloads[..2] {
        Arc::make_mut(&mut workload.template).labels.insert("runs".into(), "fargate".into());
    }
    let mut input = declared(workloads, self::nodes(nodes));
    input.profile.subnets = vec![subnet(0, "10.0.0.0/28")];
    input.profile.fargate = vec![FargateProfile {
        name: "system".into(),
        namespaces: vec!["*".into()],
        labels: Labels::from([("runs".into(), "fargate".into())]),
        subnets: vec![0],
    }];
    input
}

#[test]
fn what_runs_on_fargate_takes_an_address_and_no_ordinary_node() {
    let run = play(on_fargate(1));
    assert_eq!(run.end, End::Settled, "{:?}", run.unmet);
    assert_eq!(stage_of(&run, "karpenter"), [Stage::Ready]);
    for pod in &run.cluster.pods {
        let node = run.cluster.node(pod.node.unwrap());
        assert_eq!(fargate::is_fargate(node), !pod.name.starts_with("web"), "{}", pod.name);
    }
    assert_eq!(run.cluster.subnets[0].space.free, 11 - 2, "the ordinary node is in no subnet");
    assert!(run.cluster.nodes.iter().skip(1).all(|node| node.network.held() == 1));
}

/// Nothing else runs, and the programs that everything waits for need no node.
#[test]
fn dns_and_the_provisioner_come_up_on_fargate_without_any_node() {
    let run = play(on_fargate(0));
    assert_eq!(stage_of(&run, "coredns"), [Stage::Ready]);
    assert_eq!(stage_of(&run, "karpenter"), [Stage::Ready]);
    assert_eq!(run.unmet.len(), 1, "web has no pool");
}

#[test]
fn a_subnet_without_addresses_holds_fargate_pods_back() {
    let mut input = on_fargate(1);
    input.profile.subnets[0].declared_free = Some(1);
    input.profile.subnets.push(subnet(1, "10.0.1.0/28"));
    input.nodes[0].network.subnet = Some(network::SubnetId(1));
    let run = play(input);
    assert_eq!(run.end, End::Quiescent);
    let ready = run.cluster.pods.iter().filter(|pod| pod.stage == Stage::Ready).count();
    assert_eq!(ready, 3 + 1, "web, and one of the two");
}

/// CoreDNS comes in a later wave than the provisioner that needs it.
#[test]
fn waves_can_deadlock_on_their_order() {
    let mut karpenter = of_program("karpenter", Program::Karpenter);
    karpenter.arrival.wave = 1;
    let mut dns = of_program("coredns", Program::ClusterDns);
    dns.arrival.wave = 2;
    let mut input = declared(vec![karpenter, dns], nodes(1));
    input.profile.order = Order::Waves;
    let run = play(input.clone());
    assert_eq!(run.end, End::Quiescent);
    assert!(run.unmet.contains(&Unmet::NotArrived(WorkloadId(1))));
    input.profile.order = Order::Together;
    assert_eq!(play(input).end, End::Settled);
}

#[test]
fn stateful_pods_get_volumes_once_the_driver_runs() {
    let volumes =
        vec![PodVolume::Template { name: "data".into(), storage_class: Some("gp3".into()), stateful: true }];
    let shape = Shape::StatefulSet { replicas: 2, parallel: true };
    let db = workload(Kind::StatefulSet, "db", shape, PodTemplate { volumes, ..template("db") });
    let plugin = PodTemplate { role: role(Program::EbsCsiNode), ..template("ebs-node") };
    let plugin = workload(Kind::DaemonSet, "ebs-node", Shape::DaemonSet, plugin);
    let mut input =
        declared(vec![db, plugin, of_program("ebs-controller", Program::EbsCsiController)], nodes(2));
    input.storage_classes = vec![StorageClass {
        name: "gp3".into(),
        location: Location::object(ObjectKey::new(Kind::StorageClass, "", "gp3")),
        provisioner: "ebs.csi.aws.com".into(),
        wait_for_consumer: true,
        is_default: true,
        allowed_topologies: Vec::new(),
    }];
    let run = play(input.clone());
    assert_eq!(
        run.end,
        End::Settled,
        "{:?} {:?}",
        run.unmet,
        run.cluster.pods.iter().map(|p| &p.waiting).collect::<Vec<_>>()
    );
    input.workloads.truncate(2);
    let without = play(input);
    assert_eq!(without.end, End::Quiescent);
    let waits = without
        .cluster
        .pods
        .iter()
        .filter(|pod| matches!(pod.waiting, Some((_, Waiting::VolumeUnbound { .. }))));
    assert_eq!(waits.count(), 2);
}

#[test]
fn two_runs_are_the_same() {
    let input = || declared((0..20).map(|index| deployment(&format!("app-{index}"), 5)).collect(), nodes(4));
    let (one, two) = (play(input()), play(input()));
    let entries =
        |run: &Run| run.timeline.entries.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>();
    assert_eq!(entries(&one), entries(&two));
}

/// `cargo test -p simulation --release -- --ignored --nocapture large`: 50,000 pods on 5,000 nodes.
#[test]
#[ignore = "a measurement, not a test"]
fn large() {
    let pods: u32 = std::env::var("PODS").ok().and_then(|pods| pods.parse().ok()).unwrap_or(50_000);
    let count = (pods / 10).max(1) as usize;
    let mut workloads: Vec<Workload> =
        (0..pods / 100).map(|index| deployment(&format!("app-{index}"), 90)).collect();
    workloads.push(workload(Kind::DaemonSet, "agent", Shape::DaemonSet, template("agent")));
    let mut nodes = nodes(count);
    nodes.iter_mut().for_each(|node| node.allocatable.pods = 1_000);
    let run = play(declared(workloads, nodes));
    println!("{pods} pods: {:?}, {} events, ended {}", run.end, run.events, run.ended);
    assert_eq!(run.end, End::Settled);
}
