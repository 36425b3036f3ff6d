//! Affinity, anti-affinity and what they weigh.

use std::sync::Arc;

use cluster::rejection::FilterReason;
use cluster::{NodeId, PodTemplate};

use super::*;
use crate::testing::{add_bound, add_node, add_pod, empty, labelled, selector, zoned};
use crate::{Attempt, TieBreak, attempt, explain};

const ZONE: &str = "topology.kubernetes.io/zone";

fn term(app: &str) -> PodAffinityTerm {
    let selector = Some(selector("app", app));
    PodAffinityTerm { selector, topology_key: ZONE.into(), ..PodAffinityTerm::default() }
}

fn likes(app: &str, others: &[&str]) -> Arc<PodTemplate> {
    let mut template = labelled(app);
    template.pod_affinity.required = others.iter().map(|other| term(other)).collect();
    Arc::new(template)
}

fn dislikes(app: &str, other: &str) -> Arc<PodTemplate> {
    let mut template = labelled(app);
    template.pod_anti_affinity.required = vec![term(other)];
    Arc::new(template)
}

/// Nodes in zones a, a, b and one without.
fn cluster() -> Cluster {
    let mut cluster = empty();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        add_node(&mut cluster, zoned(name, zone));
    }
    add_node(&mut cluster, crate::testing::node("nowhere"));
    cluster
}

fn verdicts(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Vec<Option<FilterReason>> {
    let pod = add_pod(cluster, template);
    let mut index = Placements::new(cluster);
    let first = |refusals: Vec<(_, Vec<FilterReason>)>| {
        refusals.into_iter().next().map(|(_, reasons)| reasons[0].clone())
    };
    explain(&mut index, cluster, pod).into_iter().map(|verdict| first(verdict.refusals)).collect()
}

const AFFINITY: Option<FilterReason> = Some(FilterReason::PodAffinity);
const ANTI: Option<FilterReason> = Some(FilterReason::PodAntiAffinity);
const EXISTING: Option<FilterReason> = Some(FilterReason::ExistingAntiAffinity);

#[test]
fn affinity_follows_a_pod_to_its_domain() {
    let mut cluster = cluster();
    add_bound(&mut cluster, &Arc::new(labelled("db")), NodeId(0));
    assert_eq!(verdicts(&mut cluster, &likes("web", &["db"])), [None, None, AFFINITY, AFFINITY]);
}

#[test]
fn one_pod_must_match_all_terms() {
    let mut cluster = cluster();
    add_bound(&mut cluster, &Arc::new(labelled("db")), NodeId(0));
    add_bound(&mut cluster, &Arc::new(labelled("cache")), NodeId(0));
    assert_eq!(
        verdicts(&mut cluster, &likes("web", &["db", "cache"])),
        [AFFINITY, AFFINITY, AFFINITY, AFFINITY]
    );
}

#[test]
fn the_first_of_a_group_may_go_anywhere_with_the_key() {
    let mut cluster = cluster();
    assert_eq!(verdicts(&mut cluster, &likes("web", &["web"])), [None, None, None, AFFINITY]);
    // Not for a pod that its own terms do not match, and not once there is another.
    assert_eq!(verdicts(&mut cluster, &likes("web", &["db"])), [AFFINITY, AFFINITY, AFFINITY, AFFINITY]);
    add_bound(&mut cluster, &Arc::new(labelled("web")), NodeId(2));
    assert_eq!(verdicts(&mut cluster, &likes("web", &["web"])), [AFFINITY, AFFINITY, None, AFFINITY]);
}

#[test]
fn anti_affinity_works_both_ways_and_spares_nodes_without_the_key() {
    let mut cluster = cluster();
    add_bound(&mut cluster, &Arc::new(labelled("db")), NodeId(0));
    assert_eq!(verdicts(&mut cluster, &dislikes("web", "db")), [ANTI, ANTI, None, None]);
    add_bound(&mut cluster, &dislikes("lonely", "web"), NodeId(2));
    assert_eq!(verdicts(&mut cluster, &Arc::new(labelled("web"))), [None, None, EXISTING, None]);
}

#[test]
fn namespaces_by_name_and_by_label() {
    let mut cluster = cluster();
    let id = add_bound(&mut cluster, &Arc::new(labelled("db")), NodeId(0));
    cluster.pods[id.0 as usize].namespace = "data".into();
    let with = |change: &dyn Fn(&mut PodAffinityTerm)| {
        let mut template = labelled("web");
        let mut term = term("db");
        change(&mut term);
        template.pod_anti_affinity.required = vec![term];
        Arc::new(template)
    };
    assert_eq!(verdicts(&mut cluster, &with(&|_| {})), [None, None, None, None]);
    let named = with(&|term| term.namespaces = vec!["data".into()]);
    assert_eq!(verdicts(&mut cluster, &named), [ANTI, ANTI, None, None]);
    let everywhere = with(&|term| term.namespace_selector = Some(cluster::LabelSelector::default()));
    assert_eq!(verdicts(&mut cluster, &everywhere), [ANTI, ANTI, None, None]);
    let by_label = with(&|term| term.namespace_selector = Some(selector("team", "x")));
    assert_eq!(verdicts(&mut cluster, &by_label), [None, None, None, None]);
    let mut declared = (*cluster.declared).clone();
    let labels = cluster::Labels::from([("team".into(), "x".into())]);
    declared.namespaces.insert("data".into(), cluster::admission::Namespace { name: "data".into(), labels });
    cluster.declared = Arc::new(declared);
    assert_eq!(verdicts(&mut cluster, &by_label), [ANTI, ANTI, None, None]);
}

#[test]
fn preferences_and_the_wishes_of_pods_that_are_there_draw() {
    let choose = |cluster: &mut Cluster, template: &Arc<PodTemplate>| {
        for node in &mut cluster.nodes {
            node.allocatable.cpu_millis = 1 << 40;
            node.allocatable.memory_bytes = 1 << 60;
        }
        let pod = add_pod(cluster, template);
        match attempt(&mut Placements::new(cluster), cluster, pod, TieBreak::Lowest) {
            Attempt::Bind(placement) => placement.node,
            other => panic!("{other:?}"),
        }
    };
    let mut drawn = labelled("web");
    drawn.pod_affinity.preferred = vec![(50, term("db"))];
    let mut cluster_b = cluster();
    add_bound(&mut cluster_b, &Arc::new(labelled("db")), NodeId(2));
    assert_eq!(choose(&mut cluster_b, &Arc::new(drawn)), NodeId(2));
    let mut pushed = labelled("web");
    pushed.pod_anti_affinity.preferred = vec![(50, term("db"))];
    let mut cluster_a = cluster();
    add_bound(&mut cluster_a, &Arc::new(labelled("db")), NodeId(0));
    assert_eq!(choose(&mut cluster_a, &Arc::new(pushed)), NodeId(2));
    // A pod whose own affinity is for `web` draws plain `web` pods by the hard weight.
    let mut cluster_c = cluster();
    add_bound(&mut cluster_c, &likes("fan", &["web"]), NodeId(2));
    assert_eq!(choose(&mut cluster_c, &Arc::new(labelled("web"))), NodeId(2));
}

#[test]
fn shares_are_cut_off_as_floats() {
    assert_eq!([share(1, 3), share(2, 3), share(29, 100), share(0, 7), share(7, 7)], [33, 66, 28, 0, 100]);
}
