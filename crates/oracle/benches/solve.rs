//! Karpenter's own scheduling benchmark, in the engine: `cargo bench -p oracle --bench solve`.
//!
//! Bars, on the mix with 400 types: 20,000 pods in at most 1 s; 4,000 pods with preferences in at most 0.5 s; 15,000
//! pods that no pool can take in at most 1 s. The real one takes 145 s and 132 s for the first two on 2 cores at 2.5 GHz.
//! Upstream builds its scheduler outside the clock; here it is built inside, every time.

use std::collections::BTreeSet;

use cluster::{Cluster, Name, PodId};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oracle::karpenter::mix::{self, Pods};
use oracle::karpenter::{question, state};
use provisioning::{Input, Market, Policy, Purpose, Solution};

struct Ground {
    cluster: Cluster,
    market: Market,
    pods: Vec<PodId>,
}

impl Ground {
    fn of(kind: Pods, count: usize, ignore_preferences: bool) -> Ground {
        let objects = mix::input(kind, count, ignore_preferences);
        let Ok(cluster) = state::cluster(&objects) else { panic!("the mix is an input") };
        let pools: Vec<Name> = cluster.declared.node_pools.iter().map(|pool| pool.name.clone()).collect();
        let market = question::market(&objects, &pools);
        let pods = cluster.pods.iter().map(|pod| pod.id).collect();
        Ground { cluster, market, pods }
    }

    fn solve(&self) -> Solution {
        let none = BTreeSet::new();
        provisioning::solve(&Input {
            cluster: &self.cluster,
            market: &self.market,
            pods: &self.pods,
            leaving: &none,
            settling: &none,
            policy: Policy::Karpenter,
            purpose: Purpose::Provisioning,
        })
    }
}

fn diverse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("solve");
    group.sample_size(10);
    for count in [1, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000] {
        let ground = Ground::of(Pods::Diverse, count, false);
        assert_eq!(ground.solve().refused, [], "every pod has a place");
        group.bench_function(BenchmarkId::new("diverse", count), |bencher| bencher.iter(|| ground.solve()));
    }
    for (name, kind, count, ignore) in [
        ("preferences respected", Pods::Preferring, 4_000, false),
        ("preferences ignored", Pods::Preferring, 4_000, true),
        ("too large", Pods::TooLarge, 15_000, false),
    ] {
        let ground = Ground::of(kind, count, ignore);
        group.bench_function(BenchmarkId::new(name, count), |bencher| bencher.iter(|| ground.solve()));
    }
    group.finish();
}

criterion_group!(benches, diverse);
criterion_main!(benches);
