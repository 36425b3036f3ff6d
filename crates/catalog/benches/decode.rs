//! How long the embedded tables take to decode: it is on the way of every run.

use std::hint::black_box;

use catalog::{Catalog, KarpenterNode, labels};
use criterion::{Criterion, criterion_group, criterion_main};

fn decode(criterion: &mut Criterion) {
    criterion.bench_function("instance types", |bencher| bencher.iter(|| black_box(Catalog::decode())));
    criterion.bench_function("instance types and one region", |bencher| {
        bencher.iter(|| black_box(Catalog::decode().region("us-west-2").is_some()));
    });
    let types = Catalog::embedded().instance_types();
    criterion.bench_function("labels of all types", |bencher| {
        bencher.iter(|| black_box(types.iter().map(|it| labels::labels(it).len()).sum::<usize>()));
    });
    let node = KarpenterNode::default();
    criterion.bench_function("nodes of all types", |bencher| {
        bencher.iter(|| black_box(types.iter().map(|it| node.resources(it).allocatable.pods).sum::<i64>()));
    });
}

criterion_group!(benches, decode);
criterion_main!(benches);
