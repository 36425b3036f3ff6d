//! Hard and soft constraints, the cluster's defaults.

use std::sync::Arc;

use cluster::rejection::{FilterReason, Plugin};
use cluster::{NodeId, PodId, PodTemplate, Taint};

use super::*;
use crate::testing::{add_bound, add_node, add_pod, empty, labelled, selector, zoned};
use crate::{Attempt, TieBreak, attempt, explain};

const ZONE: &str = "topology.kubernetes.io/zone";

fn constraint() -> TopologySpread {
    TopologySpread {
        max_skew: 1,
        min_domains: None,
        topology_key: ZONE.into(),
        required: true,
        selector: Some(selector("app", "web")),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: false,
    }
}

fn web(constraint: TopologySpread) -> Arc<PodTemplate> {
    Arc::new(PodTemplate { topology_spread: vec![constraint], ..labelled("web") })
}

/// Two nodes in zone a, one in b, one without a zone; two pods in a, one in b.
fn cluster() -> Cluster {
    let mut cluster = empty();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        add_node(&mut cluster, zoned(name, zone));
    }
    add_node(&mut cluster, crate::testing::node("nowhere"));
    let plain = Arc::new(labelled("web"));
    for node in [0, 1, 2] {
        add_bound(&mut cluster, &plain, NodeId(node));
    }
    cluster
}

/// What the plugin says of each node.
fn verdicts(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> Vec<Option<FilterReason>> {
    let pod = add_pod(cluster, template);
    let mut index = Placements::new(cluster);
    let by_plugin = |refusals: Vec<(Plugin, Vec<FilterReason>)>| {
        let mine = refusals.into_iter().find(|(plugin, _)| *plugin == Plugin::PodTopologySpread);
        mine.map(|(_, reasons)| reasons[0].clone())
    };
    explain(&mut index, cluster, pod).into_iter().map(|verdict| by_plugin(verdict.refusals)).collect()
}

const SKEW: Option<FilterReason> = Some(FilterReason::SpreadSkew);
const MISSING: Option<FilterReason> = Some(FilterReason::SpreadLabelMissing);

#[test]
fn the_fuller_zone_and_nodes_without_a_zone_are_refused() {
    assert_eq!(verdicts(&mut cluster(), &web(constraint())), [SKEW, SKEW, None, MISSING]);
    let lenient = TopologySpread { max_skew: 2, ..constraint() };
    assert_eq!(verdicts(&mut cluster(), &web(lenient)), [None, None, None, MISSING]);
}

#[test]
fn too_few_domains_make_the_minimum_zero() {
    let strict = TopologySpread { min_domains: Some(3), ..constraint() };
    assert_eq!(verdicts(&mut cluster(), &web(strict)), [SKEW, SKEW, SKEW, MISSING]);
    let enough = TopologySpread { min_domains: Some(2), ..constraint() };
    assert_eq!(verdicts(&mut cluster(), &web(enough)), [SKEW, SKEW, None, MISSING]);
}

#[test]
fn pods_that_are_going_do_not_count() {
    let mut cluster = cluster();
    cluster.pods[0].deleted = Some(cluster.now);
    assert_eq!(verdicts(&mut cluster, &web(constraint())), [None, None, None, MISSING]);
}

#[test]
fn node_affinity_is_honoured_unless_ignored() {
    // Zone c has no pod, but the pod may not go there.
    let mut cluster = cluster();
    add_node(&mut cluster, zoned("c1", "c"));
    let honoring = PodTemplate {
        required_node_affinity: Some(vec![cluster::template::NodeSelectorTerm {
            match_expressions: vec![SelectorRequirement {
                operator: SelectorOperator::NotIn,
                ..selector(ZONE, "c").requirements.remove(0)
            }],
            match_fields: vec![],
        }]),
        ..(*web(constraint())).clone()
    };
    assert_eq!(verdicts(&mut cluster, &Arc::new(honoring.clone())), [SKEW, SKEW, None, MISSING, None]);
    let ignoring = TopologySpread { honor_node_affinity: false, ..constraint() };
    let ignoring = PodTemplate { topology_spread: vec![ignoring], ..honoring };
    assert_eq!(verdicts(&mut cluster, &Arc::new(ignoring)), [SKEW, SKEW, SKEW, MISSING, None]);
}

#[test]
fn taints_are_ignored_unless_honoured() {
    let mut cluster = cluster();
    let mut tainted = zoned("c1", "c");
    tainted.taints = vec![Taint { key: "k".into(), value: "".into(), effect: cluster::Effect::NoSchedule }];
    add_node(&mut cluster, tainted);
    assert_eq!(verdicts(&mut cluster, &web(constraint())), [SKEW, SKEW, SKEW, MISSING, None]);
    let honoring = TopologySpread { honor_node_taints: true, ..constraint() };
    assert_eq!(verdicts(&mut cluster, &web(honoring)), [SKEW, SKEW, None, MISSING, None]);
}

#[test]
fn an_empty_selector_counts_no_pods_and_no_selector_not_even_the_pod() {
    let empty = TopologySpread { selector: Some(LabelSelector::default()), ..constraint() };
    assert_eq!(verdicts(&mut cluster(), &web(empty)), [None, None, None, MISSING]);
    let none = TopologySpread { selector: None, ..constraint() };
    assert_eq!(verdicts(&mut cluster(), &web(none)), [None, None, None, MISSING]);
}

#[test]
fn match_label_keys_narrow_the_count() {
    let mut template =
        (*web(TopologySpread { match_label_keys: vec!["rev".into()], ..constraint() })).clone();
    template.labels.insert("rev".into(), "2".into());
    assert_eq!(verdicts(&mut cluster(), &Arc::new(template)), [None, None, None, MISSING]);
}

#[test]
fn soft_constraints_prefer_the_emptier_zone_and_nodes_that_have_one() {
    let mut cluster = cluster();
    let soft = web(TopologySpread { required: false, ..constraint() });
    let pod = add_pod(&mut cluster, &soft);
    assert_eq!(placed(&cluster, pod), NodeId(2));
}

#[test]
fn pods_of_a_service_are_spread_without_asking() {
    let mut cluster = cluster();
    let plain = Arc::new(labelled("web"));
    add_bound(&mut cluster, &plain, NodeId(2));
    add_bound(&mut cluster, &plain, NodeId(2));
    // b1 holds most; without the Service the nodes differ only in load.
    let service = cluster::admission::Service {
        namespace: "default".into(),
        name: "web".into(),
        location: cluster.nodes[0].location.clone(),
        selector: Some(cluster::Labels::from([("app".into(), "web".into())])),
    };
    for node in &mut cluster.nodes {
        // So large that load does not matter.
        node.allocatable.cpu_millis = 1 << 40;
        node.allocatable.memory_bytes = 1 << 60;
    }
    let pod = add_pod(&mut cluster, &plain);
    assert_eq!(placed(&cluster, pod), NodeId(0));
    let mut declared = (*cluster.declared).clone();
    declared.services = vec![service];
    cluster.declared = Arc::new(declared);
    // The node without a zone is scored by host name alone, and is empty.
    assert_eq!(placed(&cluster, pod), NodeId(3));
    cluster.nodes[3].unschedulable = true;
    assert_eq!(placed(&cluster, pod), NodeId(0));
}

fn placed(cluster: &Cluster, pod: PodId) -> NodeId {
    let mut index = Placements::new(cluster);
    match attempt(&mut index, cluster, pod, TieBreak::Lowest) {
        Attempt::Bind(placement) => placement.node,
        other => panic!("{other:?}"),
    }
}
