//! The engine against recorded decisions of kube-scheduler, without kube-scheduler.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::path::Path;

use oracle::record::Record;
use oracle::scheduler::{RECORD, SECTION, run};
use oracle::{difference, document};

fn record() -> Record {
    Record::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(RECORD)).unwrap()
}

#[test]
fn the_engine_decides_what_kube_scheduler_decided() {
    let played = run::recorded(&record()).unwrap();
    let tally = &played.tally;
    let same = tally.clusters - tally.different;
    // Not `println!`, which is only heard when a test fails.
    writeln!(std::io::stdout(), "kube-scheduler: {same} of {} recorded clusters agree", tally.clusters)
        .unwrap();
    assert!(tally.clusters >= 300, "only {} clusters are recorded", tally.clusters);
    if let Some(first) = played.findings.first() {
        panic!("seed {}\n{}", first.seed, difference::show(&[], &first.differences));
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
        "run `cargo xtask oracle scheduler --record`"
    );
}
