//! 10,000 objects read and lowered: `cargo bench -p sources --bench load`.
//!
//! No budget of its own and no published figure of a peer; what it takes is in `docs/performance.md`.

use std::fmt::Write as _;
use std::hint::black_box;

use catalog::Catalog;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sources::{Inputs, Limits, Loader};

const OBJECTS: u32 = 10_000;

/// Half Deployments, half ConfigMaps, in 50 namespaces.
fn text() -> String {
    let mut text = String::new();
    for number in 0..OBJECTS {
        let namespace = number % 50;
        let _ = if number % 2 == 0 {
            write!(
                text,
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{number}\n  namespace: team-{namespace}\n\
                 spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: app-{number}\n  template:\n    metadata:\n      \
                 labels:\n        app: app-{number}\n    spec:\n      containers:\n      - name: app\n        \
                 image: registry.example/app:{number}\n        resources:\n          requests:\n            \
                 cpu: 100m\n            memory: 128Mi\n"
            )
        } else {
            write!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{number}\n  \
                 namespace: team-{namespace}\ndata:\n  key: value-{number}\n"
            )
        };
    }
    text
}

fn load(text: &str) -> Inputs {
    let mut loader = Loader::new(Limits::default());
    loader.add_text("objects.yaml", text.to_owned());
    loader.finish()
}

fn load_and_lower(criterion: &mut Criterion) {
    let (text, catalog) = (text(), Catalog::embedded());
    let inputs = load(&text);
    assert_eq!(inputs.lower(catalog).declared.workloads.len(), OBJECTS as usize / 2);
    let mut group = criterion.benchmark_group("10,000 objects");
    group.sample_size(10).throughput(Throughput::Elements(OBJECTS.into()));
    group.bench_function("load", |bencher| bencher.iter(|| load(black_box(&text))));
    group.bench_function("lower", |bencher| bencher.iter(|| black_box(&inputs).lower(catalog)));
    group.finish();
}

criterion_group!(benches, load_and_lower);
criterion_main!(benches);
