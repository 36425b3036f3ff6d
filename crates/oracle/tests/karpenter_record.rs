//! The engine against recorded decisions of Karpenter, without Karpenter.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use oracle::karpenter::{RECORD, SECTION, run};
use oracle::record::Record;
use oracle::{difference, document};

fn record() -> Record {
    Record::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORD)).unwrap()
}

#[test]
fn the_engine_decides_what_karpenter_decided() {
    let played = run::recorded(&record()).unwrap();
    let tally = &played.tally;
    println!("Karpenter: {} of {} recorded inputs agree", tally.inputs - tally.different, tally.inputs);
    assert!(tally.inputs >= 1_000, "only {} inputs are recorded", tally.inputs);
    if let Some(first) = played.findings.first() {
        panic!("seed {}\n{}", first.seed, difference::show(&first.objects, &first.differences));
    }
}

#[test]
fn what_the_documentation_says_was_measured() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fidelity.md");
    let document = std::fs::read_to_string(path).unwrap();
    let measured = record().header["report"].as_str().unwrap().to_owned();
    assert_eq!(
        document::part(&document, SECTION).unwrap(),
        measured,
        "run `cargo xtask oracle karpenter --record`"
    );
}
