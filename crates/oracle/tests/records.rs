//! The engine against recorded decisions of kube-scheduler and Karpenter, without either.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::path::Path;

use oracle::document;
use oracle::karpenter::run::Karpenter;
use oracle::play::{self, Upstream};
use oracle::record::Record;
use oracle::scheduler::run::KubeScheduler;

fn record<U: Upstream>() -> Record {
    Record::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(U::RECORD)).unwrap()
}

#[track_caller]
fn the_engine_decides_what_was_recorded<U: Upstream>(name: &str, least: u64) {
    let played = play::recorded::<U>(&record::<U>()).unwrap();
    let (all, different) = U::counted(&played.tally);
    // Not `println!`, which is only heard when a test fails.
    let mut out = std::io::stdout();
    writeln!(out, "{name}: {} of {all} recorded clusters agree", all - different).unwrap();
    assert!(all >= least, "only {all} clusters are recorded");
    if let Some(first) = played.findings.first() {
        panic!("{}", play::show(first));
    }
}

#[track_caller]
fn what_the_documentation_says_was_measured<U: Upstream>(command: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fidelity.md");
    let document = std::fs::read_to_string(path).unwrap();
    let measured = record::<U>().header["report"].as_str().unwrap().to_owned();
    assert_eq!(document::part(&document, U::SECTION).unwrap(), measured, "run `{command}`");
}

#[test]
fn the_engine_decides_what_kube_scheduler_decided() {
    the_engine_decides_what_was_recorded::<KubeScheduler>("kube-scheduler", 300);
}

#[test]
fn the_engine_decides_what_karpenter_decided() {
    the_engine_decides_what_was_recorded::<Karpenter>("Karpenter", 1_000);
}

#[test]
fn the_documentation_of_kube_scheduler_was_measured() {
    what_the_documentation_says_was_measured::<KubeScheduler>("cargo xtask oracle scheduler --record");
}

#[test]
fn the_documentation_of_karpenter_was_measured() {
    what_the_documentation_says_was_measured::<Karpenter>("cargo xtask oracle karpenter --record");
}
