//! The engine against recorded decisions of kube-scheduler, without kube-scheduler.

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
    println!(
        "kube-scheduler: {} of {} recorded clusters agree",
        tally.clusters - tally.different,
        tally.clusters
    );
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
