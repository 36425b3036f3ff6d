//! Runs with all actors: what Karpenter does in a cluster that lives.

mod drift;
mod static_pools;

use std::sync::Arc;

use catalog::Catalog;
use cluster::arrival::Arrival;
use cluster::capability::Capability;
use cluster::labels::SelectorOperator;
use cluster::node_claim::{ClaimStage, LaunchFailure};
use cluster::node_class::{AmiFamily, KubeletSettings, NodeClass};
use cluster::node_pool::{Budget, BudgetNodes, ConsolidationPolicy, DisruptionReason, NodePool};
use cluster::profile::Unavailable;
use cluster::rejection::PoolReason;
use cluster::role::Program;
use cluster::workload::Shape;
use cluster::{
    Change, Declared, Effect as TaintEffect, Kind, Labels, Location, Name, ObjectKey, PodTemplate, Resources,
    SelectorRequirement, Taint, Timestamp, Workload,
};

use crate::actors::stage_hand::{declared, node, role, template, workload};
use crate::engine::{End, Options, Run, run};

const GIB: i64 = 1 << 30;

fn existing() -> Arrival {
    Arrival { existing: true, ..Arrival::default() }
}

fn wants(key: &str, values: &[&str]) -> SelectorRequirement {
    let values = values.iter().map(|value| Name::from(*value)).collect();
    SelectorRequirement { key: key.into(), operator: SelectorOperator::In, values, min_values: None }
}

fn pool() -> NodePool {
    NodePool {
        template_hash: None,
        name: "default".into(),
        location: Location::object(ObjectKey::new(Kind::NodePool, "", "default")),
        arrival: existing(),
        weight: 0,
        labels: Labels::from([("workload-type".into(), "application".into())]),
        annotations: Labels::new(),
        requirements: vec![
            wants("karpenter.sh/capacity-type", &["on-demand"]),
            wants("node.kubernetes.io/instance-type", &["t3.small", "t3.medium", "t3a.small", "t3a.medium"]),
        ],
        taints: vec![],
        startup_taints: vec![],
        node_class: "default".into(),
        expire_after_ms: None,
        termination_grace_period_ms: None,
        consolidation: ConsolidationPolicy::WhenEmpty,
        consolidate_after_ms: Some(180_000),
        budgets: vec![Budget { nodes: BudgetNodes::Percent(20), reasons: vec![], schedule: None }],
        limits: vec![("cpu".into(), 100_000), ("memory".into(), 400 * GIB)],
        replicas: None,
    }
}

fn node_class() -> NodeClass {
    NodeClass {
        name: "default".into(),
        location: Location::object(ObjectKey::new(Kind::Ec2NodeClass, "", "default")),
        arrival: existing(),
        ami_family: AmiFamily::Al2023,
        subnets: vec![],
        security_groups: vec![],
        role: Some("node".into()),
        instance_profile: None,
        kubelet: KubeletSettings::default(),
        root_volume_bytes: None,
        instance_store_raid0: false,
        fixed: Name::default(),
        images: Name::default(),
    }
}

fn sized(image: &str, cpu_millis: i64, memory_bytes: i64) -> PodTemplate {
    let mut template = template(image);
    template.requests = Resources { cpu_millis, memory_bytes, pods: 1, ..Resources::ZERO };
    template
}

fn of(program: Program, name: &str, replicas: u32) -> Workload {
    let mut template = sized(name, 100, GIB / 4);
    template.role = role(program);
    let shape = Shape::Deployment { replicas, recreate: false, max_surge: 1, max_unavailable: 0 };
    Workload {
        arrival: existing(),
        running_at_start: true,
        ..workload(Kind::Deployment, name, shape, template)
    }
}

fn app(name: &str, replicas: u32, cpu_millis: i64) -> Workload {
    let mut template = sized(name, cpu_millis, GIB / 2);
    template.node_selector = Labels::from([("workload-type".into(), "application".into())]);
    let shape = Shape::Deployment { replicas, recreate: false, max_surge: 1, max_unavailable: 0 };
    workload(Kind::Deployment, name, shape, template)
}

/// A system node with Karpenter and cluster DNS running, and what else is given.
fn spoke(workloads: Vec<Workload>) -> Declared {
    let mut system = node("system");
    system.capacity = Resources { cpu_millis: 2000, memory_bytes: 8 * GIB, pods: 29, ..Resources::ZERO };
    system.allocatable = system.capacity.clone();
    let mut all = vec![of(Program::ClusterDns, "coredns", 1), of(Program::Karpenter, "karpenter", 1)];
    all.extend(workloads);
    let mut declared = declared(all, vec![system]);
    declared.node_pools = vec![pool()];
    declared.node_classes = vec![node_class()];
    declared
}

fn play(declared: Declared) -> Run {
    run(&Arc::new(declared), Catalog::embedded(), &Options::default())
}

/// Instants of changes that `pick` names, in the order they happened.
fn story(run: &Run, pick: fn(&Change) -> Option<&'static str>) -> Vec<(i64, &'static str)> {
    run.timeline
        .entries
        .iter()
        .filter(|entry| entry.at >= Timestamp::ZERO)
        .filter_map(|entry| pick(&entry.change).map(|name| (entry.at.0, name)))
        .collect()
}

fn claims(change: &Change) -> Option<&'static str> {
    match change {
        Change::ClaimCreated(_) => Some("created"),
        Change::ClaimLaunched(..) => Some("launched"),
        Change::ClaimFailed(..) => Some("failed"),
        Change::ClaimInitialized(_) => Some("initialized"),
        Change::ClaimDeleting(..) => Some("deleting"),
        Change::ClaimGone(_) => Some("gone"),
        _ => None,
    }
}

#[test]
fn a_pending_pod_gets_a_node_with_its_label() {
    let run = play(spoke(vec![app("dory", 1, 500)]));
    assert!(run.converged(), "{:?} {:?}", run.end, run.unmet);
    let nodes: Vec<_> = run.cluster.live_nodes().filter(|node| node.claim.is_some()).collect();
    assert_eq!(nodes.len(), 1);
    assert_eq!(nodes[0].labels["workload-type"], "application");
    assert_eq!(nodes[0].instance_type, "t3a.small", "the cheapest that fits");
    assert_eq!(nodes[0].labels["karpenter.sh/registered"], "true");
    // Seen at once, one second of idle batching, three to launch, forty to boot.
    let told = story(&run, claims);
    assert_eq!(told, [(1_000, "created"), (4_000, "launched"), (44_000, "initialized")]);
}

#[test]
fn a_node_that_is_launched_is_known_by_the_labels_of_its_type() {
    let mut first = app("a", 1, 500);
    let mut template = (*first.template).clone();
    template.node_selector.insert("kubernetes.io/arch".into(), "amd64".into());
    template.node_selector.insert("kubernetes.io/os".into(), "linux".into());
    first.template = Arc::new(template);
    let run = play(spoke(vec![first]));
    assert!(run.converged(), "{:?} {:?}", run.end, run.unmet);
    // Another batch, while the node boots, would otherwise find no label to place the pod by, and buy again.
    let of_claims = run.cluster.claims.iter().map(|claim| claim.labels["kubernetes.io/arch"].as_str());
    assert_eq!(of_claims.collect::<Vec<_>>(), ["amd64"]);
    assert_eq!(run.cluster.claims[0].labels["node.kubernetes.io/instance-type"], "t3a.small");
    assert_eq!(run.cluster.claims[0].labels["kubernetes.io/os"], "linux");
}

#[test]
fn pods_wait_together_and_share_nodes() {
    let run = play(spoke(vec![app("a", 3, 600), app("b", 2, 600)]));
    assert!(run.converged(), "{:?} {:?}", run.end, run.unmet);
    let types: Vec<&str> =
        run.cluster.live_nodes().filter(|n| n.claim.is_some()).map(|n| n.instance_type.as_str()).collect();
    // Three of 600m on each node of 1930m.
    assert_eq!(types.len(), 2);
}

#[test]
fn an_empty_node_goes_three_minutes_later() {
    let mut batch = app("batch", 1, 500);
    let job =
        Shape::Job { completions: 1, parallelism: 1, backoff_limit: 6, ttl_ms: None, duration_ms: 60_000 };
    batch.key.kind = Kind::Job;
    batch.shape = job;
    let mut template = (*batch.template).clone();
    template.restart_policy = cluster::template::RestartPolicy::Never;
    batch.template = Arc::new(template);
    let run = play(spoke(vec![batch]));
    let told = story(&run, claims);
    let finished = run.timeline.entries.iter().find_map(|entry| match entry.change {
        Change::PodStage(_, cluster::pod::Stage::Succeeded) => Some(entry.at.0),
        _ => None,
    });
    let empty_at = finished.unwrap();
    let deleting = told.iter().find(|(_, name)| *name == "deleting").unwrap().0;
    let gone = told.iter().find(|(_, name)| *name == "gone").unwrap().0;
    // Three minutes, up to ten seconds to the next poll, fifteen to check again.
    assert!((195_000..=205_000).contains(&(deleting - empty_at)), "{told:?} {empty_at}");
    assert!(gone >= deleting + 65_000, "five seconds to drain, a minute to terminate");
    assert!(
        run.timeline
            .entries
            .iter()
            .any(|entry| { matches!(entry.change, Change::ClaimDeleting(_, Some(DisruptionReason::Empty))) })
    );
    assert_eq!(run.cluster.live_nodes().filter(|node| node.claim.is_some()).count(), 0);
}

#[test]
fn no_karpenter_no_nodes() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    spoke.workloads.retain(|workload| workload.template.role.program != Program::Karpenter);
    let run = play(spoke);
    assert_eq!(run.end, End::Quiescent);
    assert!(run.cluster.claims.is_empty());
}

#[test]
fn without_cluster_dns_karpenter_does_not_start() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    // DNS wants a node that only Karpenter could make.
    let mut template = (*spoke.workloads[0].template).clone();
    template.node_selector = Labels::from([("workload-type".into(), "application".into())]);
    spoke.workloads[0].template = Arc::new(template);
    let run = play(spoke);
    assert!(!run.converged());
    assert!(run.cluster.claims.is_empty());
    assert_eq!(run.cluster.nodes.len(), 1);
}

#[test]
fn with_the_nodes_own_resolver_it_does() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    for (index, selects) in [(0, true), (1, false)] {
        let mut template = (*spoke.workloads[index].template).clone();
        template.dns_policy = cluster::template::DnsPolicy::Default;
        if selects {
            template.node_selector = Labels::from([("workload-type".into(), "application".into())]);
        }
        spoke.workloads[index].template = Arc::new(template);
    }
    let run = play(spoke);
    assert!(run.converged(), "{:?} {:?}", run.end, run.unmet);
}

#[test]
fn unreachable_ec2_keeps_it_from_starting() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    spoke.profile.aws.unreachable = vec!["ec2".into()];
    let run = play(spoke);
    assert!(!run.converged());
    assert!(run.cluster.claims.is_empty());
    let karpenter =
        run.cluster.pods.iter().find(|pod| pod.template.role.program == Program::Karpenter).unwrap();
    let needs = Capability::AwsService("ec2".into());
    let crash = cluster::waiting::CrashCause::Needs(needs);
    assert!(
        matches!(&karpenter.waiting, Some((_, cluster::Waiting::Crashing { why, .. })) if *why == crash),
        "{:?}",
        karpenter.waiting
    );
}

#[test]
fn a_wrong_architecture_is_refused_once_and_for_all() {
    let mut arm = app("arm", 1, 100);
    let mut template = (*arm.template).clone();
    template.node_selector.insert("kubernetes.io/arch".into(), "arm64".into());
    template.node_selector.remove("workload-type");
    template.node_selector.insert("disk".into(), "ssd".into());
    arm.template = Arc::new(template);
    let run = play(spoke(vec![arm]));
    assert_eq!(run.end, End::Quiescent);
    let reasons: Vec<&PoolReason> =
        run.cluster.refusals.values().flat_map(|refusal| &refusal.pools).map(|pool| &pool.reason).collect();
    assert!(matches!(reasons[..], [PoolReason::Requirement { key, .. }] if key == "disk"), "{reasons:?}");
}

#[test]
fn a_limit_stops_it_and_is_named() {
    let mut spoke = spoke(vec![app("dory", 4, 1500)]);
    spoke.node_pools[0].limits = vec![("cpu".into(), 4_000)];
    let run = play(spoke);
    assert_eq!(run.end, End::Quiescent);
    assert_eq!(run.cluster.live_nodes().filter(|node| node.claim.is_some()).count(), 2);
    let refused = run.cluster.refusals.values().next().unwrap();
    let expected = PoolReason::Limit { resource: "cpu".into(), limit: 4_000, used: 4_000, wanted: 2_000 };
    assert_eq!(refused.pools[0].reason, expected);
}

#[test]
fn capacity_that_is_out_is_gone_around() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    let out = |instance_type: &str| Unavailable {
        instance_type: instance_type.into(),
        zone: Name::default(),
        capacity_type: Name::default(),
    };
    spoke.profile.aws.unavailable = vec![out("t3a.small"), out("t3.small")];
    let run = play(spoke);
    assert!(run.converged(), "{:?}", run.end);
    let types: Vec<&str> =
        run.cluster.live_nodes().filter(|n| n.claim.is_some()).map(|n| n.instance_type.as_str()).collect();
    assert_eq!(types, ["t3a.medium"]);
}

#[test]
fn capacity_that_is_out_everywhere_is_asked_for_again_for_ever() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    let everything =
        Unavailable { instance_type: Name::default(), zone: Name::default(), capacity_type: Name::default() };
    spoke.profile.aws.unavailable = vec![everything];
    let run = play(spoke);
    assert!(matches!(run.end, End::Looping { .. }), "{:?}", run.end);
    let failures = story(&run, claims).into_iter().filter(|(_, name)| *name == "failed").count();
    assert!((5..=20).contains(&failures), "every three minutes: {failures}");
    assert!(run.cluster.refusals.values().all(|refusal| refusal.pools[0].reason == PoolReason::NoOffering));
}

#[test]
fn without_the_spot_role_on_demand_is_taken() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    spoke.node_pools[0].requirements[0] = wants("karpenter.sh/capacity-type", &["spot", "on-demand"]);
    spoke.profile.aws.service_linked_roles = Some(vec![]);
    let run = play(spoke);
    assert!(run.converged(), "{:?}", run.end);
    let refused = run.timeline.entries.iter().find_map(|entry| match &entry.change {
        Change::ClaimFailed(_, why) => Some(why.clone()),
        _ => None,
    });
    assert!(matches!(refused, Some(LaunchFailure::Unauthorized(code)) if code.contains("ServiceLinkedRole")));
    let launched = run.cluster.claims.iter().find_map(|claim| claim.launched.as_ref());
    assert_eq!(launched.unwrap().option.capacity_type, "on-demand");
}

#[test]
fn a_startup_taint_that_nobody_removes_keeps_the_node_uninitialized() {
    let mut spoke = spoke(vec![app("dory", 1, 500)]);
    spoke.node_pools[0].startup_taints = vec![Taint {
        key: "example.com/agent".into(),
        value: Name::default(),
        effect: TaintEffect::NoSchedule,
    }];
    let run = play(spoke);
    assert!(!run.converged());
    assert_eq!(run.end, End::Quiescent);
    assert_eq!(run.cluster.claims.len(), 1, "the node on its way is waited for");
    assert_eq!(run.cluster.claims[0].stage, ClaimStage::Registered);
}

#[test]
fn the_same_run_twice_is_the_same() {
    let shown = |run: &Run| format!("{:?}", run.timeline.entries);
    let (a, b) = (play(spoke(vec![app("a", 5, 900)])), play(spoke(vec![app("a", 5, 900)])));
    assert_eq!(shown(&a), shown(&b));
}
