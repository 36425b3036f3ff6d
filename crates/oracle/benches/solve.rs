//! Plans for the pods of Karpenter's own scheduling benchmark: `cargo bench -p oracle --bench solve`.
//!
//! Bars: 20,000 pods on 400 types in at most 1 s and 300 MiB (the real one takes 145 s on 2 cores at 2.5 GHz), on the
//! real types of a region in 2 s; 4,000 pods with preferences in 0.5 s (132 s); 15,000 pods that no pool can take in
//! 1 s; plimsoll's own policy in twice that. Upstream builds its scheduler outside the clock; here it is built inside,
//! every time. `cargo bench -p oracle --bench bars` says what each takes of CPU and memory.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use oracle::karpenter::ground::Ground;
use oracle::karpenter::mix::{Mix, Pods, Types};
use provisioning::Policy;

fn ground(mix: Mix) -> Ground {
    let Ok(ground) = Ground::of(&mix.objects()) else { panic!("the mix is an input") };
    ground
}

fn karpenter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("karpenter");
    group.sample_size(10);
    let diverse = |count| ("diverse", Mix::new(Pods::Diverse, count));
    let mut mixes: Vec<(&str, Mix)> =
        [1, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000].map(diverse).into();
    let preferring = Mix::new(Pods::Preferring, 4_000);
    mixes.extend([
        ("real types", Mix { types: Types::Real, ..Mix::new(Pods::Diverse, 20_000) }),
        ("preferences respected", preferring),
        ("preferences ignored", Mix { ignore_preferences: true, ..preferring }),
        ("too large", Mix::new(Pods::TooLarge, 15_000)),
        ("over the limit", Mix { cpu_limit: 10, ..Mix::new(Pods::Diverse, 15_000) }),
    ]);
    for (name, mix) in mixes {
        // Made when it is its turn, if it is asked for at all.
        let mut known: Option<Ground> = None;
        group.bench_function(BenchmarkId::new(name, mix.count), |bencher| {
            let ground = known.get_or_insert_with(|| ground(mix));
            bencher.iter(|| ground.solve(Policy::Karpenter));
        });
    }
    group.finish();
}

fn plimsoll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plimsoll");
    group.sample_size(10);
    for (name, mix) in [
        ("diverse", Mix::new(Pods::Diverse, 20_000)),
        ("real types", Mix { types: Types::Real, ..Mix::new(Pods::Diverse, 20_000) }),
        ("preferences respected", Mix::new(Pods::Preferring, 4_000)),
    ] {
        let mut known: Option<Ground> = None;
        group.bench_function(BenchmarkId::new(name, mix.count), |bencher| {
            let ground = known.get_or_insert_with(|| ground(mix));
            let addresses = ground.addresses();
            bencher.iter(|| ground.solve(Policy::Plimsoll(&addresses)));
        });
    }
    group.finish();
}

criterion_group!(benches, karpenter, plimsoll);
criterion_main!(benches);
