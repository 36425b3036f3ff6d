//! Which pods go, from which node, and what the others are told.

use std::sync::Arc;

use cluster::admission::{BudgetBound, DisruptionBudget};
use cluster::{Node, PodTemplate, Timestamp};

use super::*;
use crate::testing::{add_bound, add_node, add_pod, empty, node, selector, template};
use crate::{Attempt, attempt};

fn small(name: &str, cpu_millis: i64) -> Node {
    let mut node = node(name);
    node.allocatable.cpu_millis = cpu_millis;
    node
}

fn app(app: &str, priority: i32, cpu_millis: i64) -> Arc<PodTemplate> {
    let labels = cluster::Labels::from([("app".into(), app.into())]);
    Arc::new(PodTemplate { priority, labels, ..template(cpu_millis, 0) })
}

fn budget(app: &str, bound: BudgetBound) -> DisruptionBudget {
    DisruptionBudget {
        namespace: "default".into(),
        name: app.into(),
        location: node("any").location,
        selector: selector("app", app),
        bound,
        always_allow_unhealthy: false,
    }
}

fn with_budgets(cluster: &mut Cluster, budgets: Vec<DisruptionBudget>) {
    let mut declared = (*cluster.declared).clone();
    declared.disruption_budgets = budgets;
    cluster.declared = Arc::new(declared);
}

fn tried(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Attempt {
    let pod = add_pod(cluster, template);
    let mut index = Placements::new(cluster);
    let before = format!("{:?} {:?}", index.rows, index.pods_on);
    let outcome = attempt(&mut index, cluster, pod, TieBreak::Lowest);
    let rows = index.rows.iter().map(|row| (row.used, row.pods_used, row.scored));
    let fresh = Placements::new(cluster);
    assert!(rows.eq(fresh.rows.iter().map(|row| (row.used, row.pods_used, row.scored))), "{before}");
    assert_eq!(index.pods_on, fresh.pods_on);
    outcome
}

fn preempted(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Preempted {
    match tried(cluster, template) {
        Attempt::Preempt(p) => (p.node, p.victims, p.violations),
        other => panic!("{other:?}"),
    }
}

type Preempted = (NodeId, Vec<PodId>, u32);

fn message(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> String {
    match tried(cluster, template) {
        Attempt::Reject { rejection, .. } => rejection.message,
        Attempt::Preempt(preemption) => preemption.rejection.message,
        Attempt::Bind(placement) => panic!("{placement:?}"),
    }
}

#[test]
fn as_few_and_as_unimportant_as_possible_go() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, small("n", 1000));
    let low = add_bound(&mut cluster, &app("low", 1, 400), n);
    let lower = add_bound(&mut cluster, &app("lower", 0, 300), n);
    let equal = add_bound(&mut cluster, &app("equal", 10, 300), n);
    assert_eq!(preempted(&mut cluster, &app("new", 10, 300)), (n, vec![lower], 0));
    assert_eq!(preempted(&mut cluster, &app("new", 10, 400)), (n, vec![low], 0));
    assert_eq!(preempted(&mut cluster, &app("new", 10, 700)), (n, vec![low, lower], 0));
    assert_eq!(preempted(&mut cluster, &app("new", 11, 1000)), (n, vec![equal, low, lower], 0));
}

#[test]
fn older_pods_of_the_same_priority_are_spared() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, small("n", 1000));
    let young = add_bound(&mut cluster, &app("a", 0, 500), n);
    let old = add_bound(&mut cluster, &app("a", 0, 500), n);
    cluster.pods[young.0 as usize].created = Timestamp(0);
    cluster.pods[old.0 as usize].created = Timestamp(-5);
    assert_eq!(preempted(&mut cluster, &app("new", 10, 500)), (n, vec![young], 0));
}

#[test]
fn the_criteria_come_in_order() {
    // By node: budget violated, higher victim, larger sum, more victims, older, chosen.
    let mut cluster = empty();
    let mut put = |name: &str, pods: &[(&str, i32, i64)]| {
        let id = add_node(&mut cluster, small(name, 1000));
        let total: i64 = pods.iter().map(|(_, _, cpu)| cpu).sum();
        let mut ids: Vec<PodId> = pods
            .iter()
            .map(|(name, priority, cpu)| add_bound(&mut cluster, &app(name, *priority, *cpu), id))
            .collect();
        if total < 1000 {
            ids.push(add_bound(&mut cluster, &app("fixed", 100, 1000 - total), id));
        }
        (id, ids)
    };
    let (_, guarded) = put("guarded", &[("guarded", 0, 600)]);
    put("higher", &[("x", 2, 600)]);
    put("more", &[("x", 1, 300), ("x", 1, 300)]);
    let (_, older) = put("older", &[("x", 1, 600)]);
    let (chosen, young) = put("young", &[("x", 1, 600)]);
    cluster.pods[older[0].0 as usize].created = Timestamp(-9);
    with_budgets(&mut cluster, vec![budget("guarded", BudgetBound::MinAvailable(1))]);
    assert_eq!(preempted(&mut cluster, &app("new", 50, 600)), (chosen, vec![young[0]], 0));
    // Without the others the guarded one goes, and the violation is counted.
    for node in &mut cluster.nodes[1..] {
        node.allocatable.cpu_millis = 0;
    }
    assert_eq!(preempted(&mut cluster, &app("new", 50, 600)), (NodeId(0), vec![guarded[0]], 1));
}

#[test]
fn guarded_pods_come_back_before_more_important_ones() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, small("n", 1000));
    add_bound(&mut cluster, &app("guarded", 0, 500), n);
    let important = add_bound(&mut cluster, &app("free", 5, 500), n);
    with_budgets(&mut cluster, vec![budget("guarded", BudgetBound::MinAvailable(1))]);
    assert_eq!(preempted(&mut cluster, &app("new", 10, 500)), (n, vec![important], 0));
}

#[test]
fn the_words_of_v1_36() {
    let mut cluster = empty();
    let mut full = node("n");
    full.allocatable.pods = 1;
    for _ in 0..2 {
        let id = add_node(&mut cluster, full.clone());
        add_bound(&mut cluster, &app("a", 0, 0), id);
    }
    assert_eq!(
        message(&mut cluster, &app("new", 0, 0)),
        "0/2 nodes are available: 2 Too many pods. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims \
         found for incoming pod."
    );
    cluster.nodes[0].unschedulable = true;
    assert_eq!(
        message(&mut cluster, &app("new", 0, 0)),
        "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/2 nodes are \
         available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    );
    let never = PodTemplate { preempts: false, ..(*app("new", 9, 0)).clone() };
    assert_eq!(
        message(&mut cluster, &Arc::new(never)),
        "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: not eligible due to \
         preemptionPolicy=Never."
    );
    assert_eq!(
        message(&mut cluster, &app("new", 9, 0)),
        "0/2 nodes are available: 1 Too many pods, 1 node(s) were unschedulable."
    );
    // Larger than the node: removing pods would not help, which the filter knows already.
    assert_eq!(
        message(&mut cluster, &app("new", 9, 9000)),
        "0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 node(s) were unschedulable. no new claims to deallocate, preemption: \
         0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    );
    assert_eq!(message(&mut empty(), &app("new", 9, 0)), "no nodes available to schedule pods");
}

#[test]
fn pods_made_for_one_node_name_the_others_as_not_selected() {
    let mut cluster = empty();
    let mut full = node("n");
    full.allocatable.pods = 0;
    let id = add_node(&mut cluster, full);
    add_node(&mut cluster, node("m"));
    let pod = add_pod(&mut cluster, &app("daemon", 0, 0));
    cluster.pods[pod.0 as usize].for_node = Some(id);
    let mut index = Placements::new(&cluster);
    let Attempt::Reject { rejection, .. } = attempt(&mut index, &cluster, pod, TieBreak::Lowest) else {
        panic!()
    };
    assert_eq!(
        rejection.message,
        "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new claims to deallocate, preemption: \
         0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for \
         scheduling."
    );
}

#[test]
fn a_reserved_node_is_kept_from_pods_of_the_same_or_lower_priority_only() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, small("n", 1000));
    let nominated = add_pod(&mut cluster, &app("nominated", 10, 1000));
    cluster.pods[nominated.0 as usize].nominated = Some(n);
    for (priority, fits) in [(0, false), (10, false), (11, true)] {
        let outcome = tried(&mut cluster, &app("other", priority, 500));
        assert_eq!(matches!(outcome, Attempt::Bind(_)), fits, "{priority}: {outcome:?}");
    }
    let outcome = attempt(&mut Placements::new(&cluster), &cluster, nominated, TieBreak::Lowest);
    assert!(matches!(outcome, Attempt::Bind(_)));
}

#[test]
fn a_pod_whose_victims_are_still_ending_waits() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, small("n", 1000));
    let victim = add_bound(&mut cluster, &app("low", 0, 1000), n);
    let pod = add_pod(&mut cluster, &app("high", 10, 1000));
    let mut index = Placements::new(&cluster);
    assert!(matches!(attempt(&mut index, &cluster, pod, TieBreak::Lowest), Attempt::Preempt(_)));
    index.set_nominated(&cluster, pod, Some(n));
    index.expect_preemption(victim);
    let Attempt::Reject { rejection, keeps_nomination, .. } =
        attempt(&mut index, &cluster, pod, TieBreak::Lowest)
    else {
        panic!()
    };
    assert!(keeps_nomination);
    assert_eq!(
        rejection.message,
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to a terminating pod on the \
         nominated node."
    );
    assert_eq!(rejection.preemption[0].reason, FilterReason::VictimsTerminating);
}

#[test]
fn evicting_may_also_resolve_anti_affinity() {
    let mut cluster = empty();
    let n = add_node(&mut cluster, node("n"));
    let victim = add_bound(&mut cluster, &app("rude", 0, 10), n);
    let mut shy = (*app("shy", 10, 10)).clone();
    shy.pod_anti_affinity.required = vec![cluster::template::PodAffinityTerm {
        selector: Some(selector("app", "rude")),
        topology_key: "kubernetes.io/hostname".into(),
        ..cluster::template::PodAffinityTerm::default()
    }];
    assert_eq!(preempted(&mut cluster, &Arc::new(shy)), (n, vec![victim], 0));
}
