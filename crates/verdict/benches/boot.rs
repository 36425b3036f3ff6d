//! Clusters of 1,000 and 5,000 nodes with 10 pods a node, booted: `cargo bench -p verdict --bench boot`.
//!
//! Budget: 5,000 nodes in less than 30 s within 2 GiB. Peer: KWOK (its README) creates 20 nodes or pods a second, so
//! 5,000 nodes and 50,000 pods take it about three quarters of an hour, against a real API server.

use catalog::Catalog;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sources::{Limits, Loader};
use verdict::trial::{Stock, Trial};
use verdict::{Branch, Play};

/// The profile and one Deployment; `NODES` and `PODS` are to be filled in.
const CLUSTER: &str = r#"
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: boot}
spec:
  kubernetesVersion: "1.34"
  region: us-west-2
  network:
    subnets:
    - {id: subnet-a, zone: us-west-2a, cidr: 10.1.0.0/16}
    - {id: subnet-b, zone: us-west-2b, cidr: 10.2.0.0/16}
    - {id: subnet-c, zone: us-west-2c, cidr: 10.3.0.0/16}
  nodeGroups:
  - {name: nodes, instanceType: m7g.large, count: NODES, amiFamily: AL2023, subnets: [subnet-a, subnet-b, subnet-c]}
  addons:
  - {name: coredns, replicas: 2}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: PODS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "registry.example/web:1", resources: {requests: {cpu: 100m, memory: 128Mi}}}
"#;

fn play(nodes: u32) -> Play {
    let text = CLUSTER.replace("NODES", &nodes.to_string()).replace("PODS", &(nodes * 10).to_string());
    let mut loader = Loader::new(Limits::default());
    loader.add_text("boot.yaml", text);
    Play::new(&loader.finish(), Catalog::embedded())
}

fn boot(criterion: &mut Criterion) {
    let stock = Stock::of(Catalog::embedded());
    let mut group = criterion.benchmark_group("boot");
    group.sample_size(10);
    for nodes in [1_000, 5_000] {
        let play = play(nodes);
        let run = || Trial::new(&play, &stock, Branch::declared(), 0, false);
        assert_eq!(run().missing(), 0, "everything runs");
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| bencher.iter(run));
    }
    group.finish();
}

criterion_group!(benches, boot);
criterion_main!(benches);
