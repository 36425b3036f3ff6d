//! What a change of a pool or a node class does to the nodes that are there.

use std::collections::BTreeSet;

use cluster::node_claim::DriftReason;
use cluster::scenario::{Action, Script, Step};

use super::*;
use crate::redeclare::align;

/// A spoke with one node for one pod, in which `change` is declared at the tenth minute.
fn after(change: impl Fn(&mut Declared)) -> Run {
    changed(spoke(vec![app("web", 1, 500)]), change)
}

/// A run in which `change` is declared at the tenth minute.
pub(super) fn changed(before: Declared, change: impl Fn(&mut Declared)) -> Run {
    let before = Arc::new(before);
    let mut declared = (*before).clone();
    change(&mut declared);
    let step = align(&before, declared, &BTreeSet::new());
    let location = Location::object(ObjectKey::new(Kind::Scenario, "", "test"));
    let step = Step { at: Timestamp(600_000), location, action: Action::Redeclare(Arc::new(step)) };
    let script = Script { steps: vec![step], ..Script::default() };
    run(&before, Catalog::embedded(), &Options { script: Arc::new(script), ..Options::default() })
}

fn drifts(change: &Change) -> Option<&'static str> {
    match change {
        Change::ClaimDrifted(_, Some(DriftReason::NodePoolDrifted)) => Some("pool drifted"),
        Change::ClaimDrifted(_, Some(DriftReason::RequirementsDrifted)) => Some("requirements drifted"),
        Change::ClaimDrifted(_, Some(DriftReason::NodeClassDrift)) => Some("class drifted"),
        Change::ClaimDrifted(_, Some(DriftReason::AmiDrift)) => Some("image drifted"),
        Change::ClaimDrifted(..) => Some("else"),
        other => claims(other),
    }
}

/// What happened to claims from the tenth minute on.
fn told(run: &Run) -> Vec<&'static str> {
    story(run, drifts).into_iter().filter(|(at, _)| *at >= 600_000).map(|(_, what)| what).collect()
}

#[test]
fn a_changed_template_replaces_the_node_before_it_goes() {
    let run = after(|declared| {
        declared.node_pools[0].labels.insert("team".into(), "a".into());
    });
    assert_eq!(
        told(&run),
        ["pool drifted", "created", "launched", "initialized", "deleting", "gone"],
        "the replacement is there first"
    );
    let live: Vec<_> = run.cluster.claims.iter().filter(|claim| claim.stage != ClaimStage::Gone).collect();
    assert_eq!((live.len(), live[0].labels.get("team").map(Name::as_str)), (1, Some("a")));
    assert_eq!(run.unmet, vec![]);
}

#[test]
fn every_kind_of_drift_is_named() {
    let types = |names: &'static [&'static str]| {
        move |declared: &mut Declared| {
            declared.node_pools[0].requirements[1] = wants("node.kubernetes.io/instance-type", names)
        }
    };
    assert_eq!(told(&after(types(&["m7i.large"])))[0], "requirements drifted");
    assert_eq!(
        told(&after(types(&["t3.small", "t3.medium", "t3a.small", "t3a.medium", "m7i.large"]))),
        [""; 0],
        "the node is still allowed"
    );
    let class = told(&after(|declared| declared.node_classes[0].fixed = "{\"userData\":\"x\"}".into()));
    assert_eq!(class[0], "class drifted");
    let image = told(&after(|declared| declared.node_classes[0].images = "[\"al2023@v2\"]".into()));
    assert_eq!(image[0], "image drifted");
}

#[test]
fn what_is_not_in_the_template_makes_nothing_drift() {
    let run = after(|declared| {
        let pool = &mut declared.node_pools[0];
        (pool.weight, pool.limits) = (7, vec![("cpu".into(), 90_000)]);
        pool.budgets = vec![Budget { nodes: BudgetNodes::Count(1), reasons: vec![], schedule: None }];
    });
    assert_eq!(told(&run), [""; 0]);
}

#[test]
fn a_budget_of_nothing_keeps_a_drifted_node() {
    let closed =
        Budget { nodes: BudgetNodes::Count(0), reasons: vec![DisruptionReason::Drifted], schedule: None };
    let run = after(|declared| {
        let pool = &mut declared.node_pools[0];
        pool.budgets.push(closed.clone());
        pool.labels.insert("team".into(), "a".into());
    });
    assert_eq!(told(&run), ["pool drifted"]);
}
