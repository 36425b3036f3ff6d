//! Any text as a patch of a small catalog: it is applied or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sources::{Limits, Loader};

const CATALOG: &str = include_str!("../seeds/yaml/catalog.yaml");

fuzz_target!(|text: &str| {
    let mut loader = Loader::new(Limits::default());
    loader.add_text("catalog.yaml", CATALOG.to_owned());
    let inputs = loader.finish();
    let patch = inputs.patch("patch.yaml", text);
    let with = inputs.with(&patch);
    for problem in &with.problems {
        assert!(with.problem_span(problem).is_some(), "{problem:?}");
    }
    assert_eq!(inputs.raw_objects().len(), 5);
    let _ = inputs.diff(&patch.edits);
});
