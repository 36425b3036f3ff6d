//! The dev spoke checked with its fix search: `cargo bench -p verdict --bench dev_spoke`.
//!
//! Budget: below 100 ms on 2 cores. No peer answers this question, so none has a figure.

use std::hint::black_box;
use std::path::Path;

use catalog::Catalog;
use criterion::{Criterion, criterion_group, criterion_main};
use sources::kustomize::Tools;
use sources::{Inputs, Limits, Project, Reader};

fn dev() -> Inputs {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/dev-spoke");
    let project = Project::open(&root, &root).expect("the example is a project");
    let environment = project.environments.iter().find(|environment| environment.name == "dev");
    let tools = Tools::find(None);
    let mut reader = Reader::new(&root, Limits::default(), &tools);
    environment.expect("the example has the environment").read(&mut reader, false);
    reader.finish()
}

fn check(criterion: &mut Criterion) {
    let (inputs, catalog) = (dev(), Catalog::embedded());
    let verdict = verdict::judge(&inputs, catalog, verdict::Options::default());
    assert!(verdict.search.smallest.is_some(), "the search finds something");
    criterion.bench_function("dev spoke with its fix search", |bencher| {
        bencher.iter(|| verdict::judge(black_box(&inputs), catalog, verdict::Options::default()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = check
}
criterion_main!(benches);
