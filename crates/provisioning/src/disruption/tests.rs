//! Which nodes are disrupted, and what holds them back.

use std::collections::{BTreeMap, BTreeSet};

use cluster::admission::{BudgetBound, DisruptionBudget};
use cluster::node_claim::{ClaimStage, LaunchOption, Launched, NodeClaim};
use cluster::node_pool::{Budget, BudgetNodes, ConsolidationPolicy, DisruptionReason};
use cluster::workload::Shape;
use cluster::{ClaimId, Labels, Name, NodeId, Resources, Timestamp};

use super::candidate::Held;
use super::consolidation::is_still_valid;
use super::{Command, budget, commands, pods};
use crate::input::Policy;
use crate::testing::*;

/// A node that Karpenter made from the first pool, initialized.
pub(crate) fn managed(fixture: &mut Fixture, type_name: &str, capacity_type: &str) -> NodeId {
    let offered = fixture.types.iter().find(|offered| offered.name == type_name).unwrap().clone();
    let node = fixture.node(&format!("n{}", fixture.cluster.nodes.len()), "z1", 1);
    let claim = ClaimId(fixture.cluster.claims.len() as u32);
    let option = LaunchOption {
        instance_type: offered.name.clone(),
        zone: "z1".into(),
        capacity_type: capacity_type.into(),
        price_micro_usd: 0,
    };
    fixture.cluster.claims.push(NodeClaim {
        id: claim,
        name: format!("claim-{}", claim.0).into(),
        pool: Some(0),
        labels: Labels::new(),
        taints: vec![],
        startup_taints: vec![],
        options: vec![],
        requests: Resources::ZERO,
        expire_after_ms: None,
        termination_grace_period_ms: None,
        created: Timestamp::ZERO,
        stage: ClaimStage::Initialized,
        launched: Some(Launched {
            option,
            subnet: None,
            capacity: offered.capacity.clone(),
            allocatable: offered.allocatable.clone(),
        }),
        node: Some(node),
        deleted: None,
        last_pod_event: Timestamp::ZERO,
        made_under: None,
        template_hash: None,
        terminate_by: None,
        drifted: None,
    });
    let subject = &mut fixture.cluster.nodes[node.0 as usize];
    (subject.claim, subject.instance_type) = (Some(claim), offered.name.clone());
    (subject.capacity, subject.allocatable) = (offered.capacity, offered.allocatable);
    subject.labels.insert(crate::market::CAPACITY_TYPE.into(), capacity_type.into());
    node
}

fn find(fixture: &mut Fixture) -> Option<Command> {
    let (going, nominated) = (BTreeSet::new(), BTreeMap::new());
    let held = Held { going: &going, nominated: &nominated, policy: Policy::Karpenter };
    let market = fixture.market();
    let found = commands(fixture.sealed(), &market, held).into_iter().next();
    if let Some(found) = &found {
        assert!(is_still_valid(&fixture.cluster, &market, held, found), "valid as long as nothing changes");
    }
    found
}

fn free_budget() -> Vec<Budget> {
    vec![Budget { nodes: BudgetNodes::Percent(100), reasons: vec![], schedule: None }]
}

fn fixture(policy: ConsolidationPolicy) -> Fixture {
    let mut only = pool("default");
    only.consolidation = policy;
    only.budgets = free_budget();
    Fixture::new(vec![only])
}

#[test]
fn empty_nodes_go_together_once_their_time_has_come() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmpty);
    fixture.declared.node_pools[0].consolidate_after_ms = Some(180_000);
    let (a, b) = (managed(&mut fixture, "m.01", "on-demand"), managed(&mut fixture, "m.04", "on-demand"));
    fixture.cluster.now = Timestamp(179_999);
    assert!(find(&mut fixture).is_none());
    fixture.cluster.now = Timestamp(180_000);
    let found = find(&mut fixture).unwrap();
    assert_eq!((found.nodes, found.reason), (vec![b, a], DisruptionReason::Empty));
}

#[test]
fn pods_of_daemon_sets_do_not_fill_a_node() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmpty);
    let node = managed(&mut fixture, "m.02", "on-demand");
    let daemon = fixture.workload("daemon", cluster::workload::Shape::DaemonSet, template(10, GIB));
    let pod = fixture.running(node, template(10, GIB));
    fixture.cluster.pods[pod.0 as usize].workload = Some(daemon);
    assert_eq!(find(&mut fixture).unwrap().nodes, [node]);
    let other = fixture.running(node, template(10, GIB));
    assert!(find(&mut fixture).is_none());
    fixture.cluster.pods[other.0 as usize].stage = cluster::pod::Stage::Succeeded;
    assert_eq!(find(&mut fixture).unwrap().nodes, [node]);
}

#[test]
fn percentages_round_up_and_nodes_that_go_count() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmpty);
    fixture.declared.node_pools[0].budgets[0].nodes = BudgetNodes::Percent(20);
    for _ in 0..6 {
        managed(&mut fixture, "m.01", "on-demand");
    }
    assert_eq!(find(&mut fixture).unwrap().nodes.len(), 2);
    fixture.cluster.nodes[5].ready = false;
    assert_eq!(find(&mut fixture).unwrap().nodes.len(), 1);
    let going = BTreeSet::from([NodeId(0)]);
    assert_eq!(budget::allowed(&fixture.cluster, DisruptionReason::Empty, &going)["default"], 0);
}

#[test]
fn budgets_hold_for_their_reasons_and_hours() {
    let mut only = pool("default");
    let nightly = Some((Name::from("0 22 * * *"), 8 * 3_600_000));
    only.budgets = vec![
        Budget { nodes: BudgetNodes::Count(5), reasons: vec![], schedule: None },
        Budget { nodes: BudgetNodes::Count(0), reasons: vec![DisruptionReason::Drifted], schedule: None },
        Budget { nodes: BudgetNodes::Count(1), reasons: vec![], schedule: nightly },
    ];
    let hour = |hour: i64| hour * 3_600_000;
    let at = |unix_ms, reason| budget::allowed_of(&only, 10, reason, unix_ms);
    assert_eq!(at(hour(12), DisruptionReason::Empty), 5);
    assert_eq!(at(hour(22), DisruptionReason::Empty), 1);
    assert_eq!(at(hour(24 + 5), DisruptionReason::Underutilized), 1);
    assert_eq!(at(hour(24 + 7), DisruptionReason::Underutilized), 5);
    assert_eq!(at(hour(12), DisruptionReason::Drifted), 0);
    assert_eq!(budget::next_change_unix_ms(&only, hour(12)), Some(hour(22)));
    only.budgets[2].schedule = Some(("not a schedule".into(), 1));
    assert_eq!(budget::allowed_of(&only, 10, DisruptionReason::Empty, hour(12)), 0);
}

#[test]
fn a_node_whose_pods_fit_elsewhere_goes_without_replacement() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    fixture.declared.node_pools[0].requirements =
        vec![wants(crate::market::CAPACITY_TYPE, cluster::SelectorOperator::In, &["on-demand"])];
    let (busy, idle) =
        (managed(&mut fixture, "m.04", "on-demand"), managed(&mut fixture, "m.02", "on-demand"));
    fixture.running(busy, template(2000, GIB));
    fixture.running(busy, template(1000, GIB));
    fixture.running(idle, template(500, GIB));
    let found = find(&mut fixture).unwrap();
    assert_eq!((found.nodes, found.replacements.is_empty()), (vec![idle], true));
}

#[test]
fn a_node_is_replaced_by_a_cheaper_one_only() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    let large = managed(&mut fixture, "m.08", "on-demand");
    fixture.running(large, template(1500, GIB));
    let found = find(&mut fixture).unwrap();
    let claim = found.replacements.into_iter().next().unwrap();
    let names: Vec<&str> = claim.options.iter().map(|&index| claim.types[index].name.as_str()).collect();
    assert_eq!(names, ["g.02", "m.02", "m.04", "m.08"]);
    // Prices were compared as spot, so spot it must be.
    assert!(
        claim
            .new_claim(&fixture.cluster, "default-0".into())
            .options
            .iter()
            .all(|option| option.capacity_type == "spot")
    );

    let mut fixture = self::fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    fixture.declared.node_pools[0].requirements =
        vec![wants(crate::market::CAPACITY_TYPE, cluster::SelectorOperator::In, &["on-demand"])];
    let snug = managed(&mut fixture, "m.02", "on-demand");
    fixture.running(snug, template(1500, GIB));
    assert!(find(&mut fixture).is_none());
}

#[test]
fn spot_is_not_replaced_by_spot_without_the_gate() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    let large = managed(&mut fixture, "m.08", "spot");
    fixture.running(large, template(1500, GIB));
    assert!(find(&mut fixture).is_none());
    fixture.declared.karpenter.spot_to_spot = true;
    // Fewer than fifteen cheaper types.
    assert!(find(&mut fixture).is_none());
}

#[test]
fn several_nodes_become_one() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    fixture.declared.node_pools[0].requirements =
        vec![wants(crate::market::CAPACITY_TYPE, cluster::SelectorOperator::In, &["on-demand"])];
    for _ in 0..4 {
        let node = managed(&mut fixture, "m.04", "on-demand");
        fixture.running(node, template(2100, GIB));
    }
    // Three times 40,000 µ$ for three pods of 2,100m: one of 8 cores for 80,000 µ$ holds them; a fourth would not
    // fit.
    let found = find(&mut fixture).unwrap();
    let claim = found.replacements.into_iter().next().unwrap();
    assert_eq!((found.nodes.len(), claim.types[claim.options[0]].name.as_str()), (3, "m.08"));
}

#[test]
fn protected_pods_keep_their_node() {
    for protect in ["true", "10m"] {
        let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
        let large = managed(&mut fixture, "m.08", "on-demand");
        let mut template = template(100, GIB);
        template.annotations = labels(&[(pods::DO_NOT_DISRUPT, protect)]);
        fixture.running(large, template);
        fixture.cluster.now = Timestamp(9 * 60_000);
        assert!(find(&mut fixture).is_none(), "{protect}");
        fixture.cluster.now = Timestamp(10 * 60_000);
        assert_eq!(find(&mut fixture).is_some(), protect != "true");
    }
}

#[test]
fn a_disruption_budget_without_room_keeps_the_node() {
    let mut fixture = fixture(ConsolidationPolicy::WhenEmptyOrUnderutilized);
    let large = managed(&mut fixture, "m.08", "on-demand");
    let pod = fixture.running(large, template(100, GIB));
    let shape = Shape::Deployment { replicas: 1, recreate: false, max_surge: 1, max_unavailable: 0 };
    fixture.cluster.pods[pod.0 as usize].workload = Some(fixture.workload("a", shape, template(100, GIB)));
    let budget = |bound| DisruptionBudget {
        namespace: "apps".into(),
        name: "a".into(),
        location: location(),
        selector: selector(&[("app", "a")]),
        bound,
        always_allow_unhealthy: false,
    };
    fixture.declared.disruption_budgets = vec![budget(BudgetBound::MinAvailable(1))];
    assert!(find(&mut fixture).is_none());
    fixture.declared.disruption_budgets = vec![budget(BudgetBound::MaxUnavailablePercent(50))];
    assert!(find(&mut fixture).is_some());
}

#[test]
fn durations_are_gos() {
    for (text, ms) in
        [("5m", Some(300_000)), ("1h30m", Some(5_400_000)), ("1.5s", Some(1_500)), ("0", Some(0))]
    {
        assert_eq!(pods::go_duration_ms(text), ms, "{text}");
    }
    for text in ["5", "5x", "m", ".s", "1h 30m", "five"] {
        assert_eq!(pods::go_duration_ms(text), None, "{text}");
    }
}
