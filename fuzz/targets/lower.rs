//! Any documents as a cluster: they are lowered or refused, and every problem has a place in the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sources::{Limits, Loader};

fuzz_target!(|text: &str| {
    let mut loader = Loader::new(Limits { alias_bytes: 1 << 20, ..Limits::default() });
    loader.add_text("fuzz.yaml", text.to_owned());
    let inputs = loader.finish();
    let lowered = inputs.lower(catalog::Catalog::embedded());
    for problem in &lowered.problems {
        assert!(inputs.problem_span(problem).is_some(), "{problem:?}");
    }
});
