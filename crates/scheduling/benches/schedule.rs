//! How fast pods are placed on 5,000 nodes: `cargo bench -p scheduling --features testing`.

use std::sync::Arc;

use cluster::template::{PodAffinityTerm, TopologySpread};
use cluster::{Cluster, LabelSelector, Labels, PodId, PodTemplate, SelectorOperator, SelectorRequirement};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use scheduling::testing::{add_node, add_pod, empty, node, template};
use scheduling::{Attempt, Placements, TieBreak, attempt};

const NODES: u32 = 5_000;
const PODS: u32 = 2_000;

fn nodes() -> Cluster {
    let mut cluster = empty();
    for number in 0..NODES {
        let mut node = node(&format!("node-{number}"));
        node.labels.insert("topology.kubernetes.io/zone".into(), format!("zone-{}", number % 3).into());
        add_node(&mut cluster, node);
    }
    cluster
}

fn labelled(mut plain: PodTemplate) -> PodTemplate {
    plain.labels = Labels::from([("app".into(), "web".into())]);
    plain
}

fn web() -> Option<LabelSelector> {
    let requirement = SelectorRequirement {
        key: "app".into(),
        operator: SelectorOperator::In,
        values: vec!["web".into()],
        min_values: None,
    };
    Some(LabelSelector { requirements: vec![requirement] })
}

fn spread() -> PodTemplate {
    let constraint = TopologySpread {
        max_skew: 1,
        min_domains: None,
        topology_key: "topology.kubernetes.io/zone".into(),
        required: true,
        selector: web(),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: false,
    };
    PodTemplate { topology_spread: vec![constraint], ..labelled(template(100, 128 << 20)) }
}

fn apart() -> PodTemplate {
    let term = PodAffinityTerm {
        selector: web(),
        topology_key: "kubernetes.io/hostname".into(),
        ..PodAffinityTerm::default()
    };
    let mut pod = labelled(template(100, 128 << 20));
    pod.pod_anti_affinity.required = vec![term];
    pod
}

/// Places every pod, one after the other.
fn place_all(index: &mut Placements, cluster: &Cluster) -> u32 {
    let mut placed = 0;
    for pod in 0..PODS {
        if let Attempt::Bind(placement) = attempt(index, cluster, PodId(pod), TieBreak::Lowest) {
            index.place(cluster, PodId(pod), placement.node);
            placed += 1;
        }
    }
    placed
}

fn schedule(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule on 5000 nodes");
    group.throughput(Throughput::Elements(u64::from(PODS))).sample_size(10);
    for (name, pod) in [("plain", template(100, 128 << 20)), ("spread", spread()), ("anti-affinity", apart())]
    {
        let mut cluster = nodes();
        let pod = Arc::new(pod);
        for _ in 0..PODS {
            add_pod(&mut cluster, &pod);
        }
        let index = Placements::new(&cluster);
        assert_eq!(place_all(&mut index.clone(), &cluster), PODS, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || index.clone(),
                |index| place_all(index, &cluster),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, schedule);
criterion_main!(benches);
