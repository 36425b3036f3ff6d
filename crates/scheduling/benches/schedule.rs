//! How fast pods are placed on 5,000 nodes, in kube-scheduler's own mixes: `cargo bench -p scheduling --features testing`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use scheduling::testing::mixes::MIXES;

const NODES: u32 = 5_000;
const PODS: u32 = 2_000;

fn schedule(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule on 5000 nodes");
    group.throughput(Throughput::Elements(u64::from(PODS))).sample_size(10);
    for mix in MIXES {
        let ground = mix.ground(NODES, PODS);
        assert_eq!(ground.clone().play(0..PODS).placed, PODS, "{}", mix.name);
        group.bench_function(mix.name, |bencher| {
            bencher.iter_batched_ref(|| ground.clone(), |ground| ground.play(0..PODS), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, schedule);
criterion_main!(benches);
