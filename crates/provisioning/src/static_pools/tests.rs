//! How many claims static pools get, and which they lose.

use std::collections::{BTreeMap, BTreeSet};

use cluster::node_claim::{ClaimStage, DriftReason};
use cluster::node_pool::{Budget, BudgetNodes, DisruptionReason};
use cluster::{ClaimId, NodeId, Timestamp};

use super::{Census, census, claim, lacking, surplus};
use crate::disruption::candidate::Held;
use crate::disruption::tests::managed;
use crate::disruption::{Command, commands, pods};
use crate::input::Policy;
use crate::testing::*;

/// A static pool with so many nodes of one core.
fn fixture(replicas: u32, nodes: usize) -> Fixture {
    let mut only = pool("fixed");
    only.replicas = Some(replicas);
    only.budgets = vec![Budget { nodes: BudgetNodes::Percent(100), reasons: vec![], schedule: None }];
    let mut fixture = Fixture::new(vec![only]);
    for _ in 0..nodes {
        managed(&mut fixture, "m.01", "on-demand");
    }
    fixture
}

fn ids(claims: Vec<ClaimId>) -> Vec<u32> {
    claims.into_iter().map(|claim| claim.0).collect()
}

fn drift(fixture: &mut Fixture, claims: &[usize]) {
    for index in claims {
        fixture.cluster.claims[*index].drifted = Some((Timestamp::ZERO, DriftReason::NodePoolDrifted));
    }
}

fn found(fixture: &mut Fixture, going: &BTreeSet<NodeId>) -> Vec<Command> {
    let market = fixture.market();
    let held =
        Held { going, nominated: &BTreeMap::new(), buffered: &BTreeSet::new(), policy: Policy::Karpenter };
    commands(fixture.sealed(), &market, held)
}

#[test]
fn what_goes_is_made_up_for_as_far_as_the_limit_allows() {
    let mut fixture = fixture(4, 3);
    let none = BTreeSet::new();
    assert_eq!(lacking(fixture.sealed(), 0, &none), 1);
    let going = BTreeSet::from([NodeId(0)]);
    assert_eq!(census(fixture.sealed(), 0, &going), Census { active: 2, going: 1 });
    assert_eq!(lacking(&fixture.cluster, 0, &going), 2);
    fixture.declared.node_pools[0].limits = vec![("nodes".into(), 4)];
    assert_eq!(lacking(fixture.sealed(), 0, &going), 1, "what goes counts until it is gone");
    fixture.declared.node_pools[0].limits = vec![("nodes".into(), 2)];
    assert_eq!(lacking(fixture.sealed(), 0, &none), 0);
    assert_eq!(surplus(&fixture.cluster, 0, &none), vec![], "limits take nothing away");
}

#[test]
fn a_claim_on_its_way_counts() {
    let mut fixture = fixture(2, 2);
    let claim = &mut fixture.cluster.claims[1];
    (claim.stage, claim.launched, claim.node) = (ClaimStage::Created, None, None);
    let none = BTreeSet::new();
    assert_eq!((lacking(fixture.sealed(), 0, &none), surplus(&fixture.cluster, 0, &none)), (0, vec![]));
}

#[test]
fn what_costs_least_goes_first() {
    let mut fixture = fixture(1, 6);
    let none = BTreeSet::new();
    let kept = |annotations: &[(&str, &str)]| {
        let mut kept = template(10, GIB);
        kept.annotations = labels(annotations);
        kept
    };
    // 0: two pods, 1: one that must stay, 2: empty, 3: one pod, 4: not launched, 5: one pod, half of its life gone.
    fixture.running(NodeId(0), template(10, GIB));
    fixture.running(NodeId(0), template(10, GIB));
    fixture.running(NodeId(1), kept(&[(pods::DO_NOT_DISRUPT, "true")]));
    fixture.running(NodeId(3), template(10, GIB));
    fixture.running(NodeId(5), template(10, GIB));
    let claim = &mut fixture.cluster.claims[4];
    (claim.stage, claim.launched, claim.node) = (ClaimStage::Created, None, None);
    fixture.cluster.claims[5].expire_after_ms = Some(2_000_000);
    fixture.cluster.now = Timestamp(1_000_000);
    let chosen = |fixture: &mut Fixture, replicas| {
        fixture.declared.node_pools[0].replicas = Some(replicas);
        ids(surplus(fixture.sealed(), 0, &none))
    };
    assert_eq!(chosen(&mut fixture, 5), [4]);
    assert_eq!(chosen(&mut fixture, 0), [4, 2, 5, 3, 0, 1]);
    // What goes already is neither counted nor chosen.
    assert_eq!(ids(surplus(fixture.sealed(), 0, &BTreeSet::from([NodeId(3)]))), [4, 2, 5, 0, 1]);
}

#[test]
fn pods_of_daemon_sets_leave_a_node_empty_unless_they_are_protected() {
    let mut fixture = fixture(1, 3);
    let daemon = fixture.workload("daemon", cluster::workload::Shape::DaemonSet, template(10, GIB));
    let mut protected = template(10, GIB);
    protected.annotations = labels(&[(pods::DO_NOT_DISRUPT, "true")]);
    for (node, template) in [(NodeId(0), protected), (NodeId(1), template(10, GIB))] {
        let pod = fixture.running(node, template);
        fixture.cluster.pods[pod.0 as usize].workload = Some(daemon);
    }
    assert_eq!(ids(surplus(fixture.sealed(), 0, &BTreeSet::new())), [1, 2]);
}

#[test]
fn a_claim_is_the_pool_without_pods() {
    let mut fixture = fixture(1, 0);
    let market = fixture.market();
    let made = claim(fixture.sealed(), &market, 0).unwrap();
    assert_eq!((made.pods.len(), made.options.len()), (0, fixture.types.len()));
    assert!(
        made.price_micro_usd() > 0 && made.new_claim(&fixture.cluster, "static-0".into()).options.len() > 1
    );
    fixture.not_ready.insert("fixed".into(), "no subnet".into());
    let market = fixture.market();
    assert!(claim(fixture.sealed(), &market, 0).is_none());
}

#[test]
fn drifted_nodes_are_replaced_first_and_several_at_once() {
    let mut fixture = fixture(4, 4);
    drift(&mut fixture, &[0, 2, 3]);
    fixture.declared.node_pools[0].budgets[0].nodes = BudgetNodes::Count(2);
    let commands = found(&mut fixture, &BTreeSet::new());
    let nodes: Vec<u32> = commands.iter().map(|command| command.nodes[0].0).collect();
    assert_eq!((nodes, commands[0].reason), (vec![0, 2], DisruptionReason::Drifted));
    assert!(commands.iter().all(|command| command.replacements.len() == 1 && command.is_final()));
}

#[test]
fn without_room_for_the_replacement_nothing_drifts_away() {
    let mut fixture = fixture(4, 4);
    drift(&mut fixture, &[0, 2, 3]);
    fixture.declared.node_pools[0].limits = vec![("nodes".into(), 5)];
    assert_eq!(found(&mut fixture, &BTreeSet::new()).len(), 1);
    fixture.declared.node_pools[0].limits = vec![("nodes".into(), 4)];
    assert_eq!(found(&mut fixture, &BTreeSet::new()).len(), 0);
}

#[test]
fn scaling_down_comes_before_drift() {
    let mut fixture = fixture(3, 4);
    drift(&mut fixture, &[0]);
    assert_eq!(found(&mut fixture, &BTreeSet::new()).len(), 0);
    // The one that goes is not counted any more.
    assert_eq!(found(&mut fixture, &BTreeSet::from([NodeId(3)])).len(), 1);
}
