//! One stream of changes through both bodies: what a live run heard, played again offline, wants the same, byte for byte.

use kubernetes::Resource;
use kubernetes::record::{self, Tape};

use super::server::{START_UNIX_MS, Server, settings};
use super::{budget, pod, started};

/// What is written while `live` goes on.
pub(super) fn recorded(mut server: Server, live: impl FnOnce(&mut Server)) -> String {
    server.edge().record(Tape::new(&settings(0), START_UNIX_MS, u64::MAX));
    live(&mut server);
    let lines = server.edge().tape().unwrap().take();
    lines.join("\n") + "\n"
}

pub(super) fn up_and_down(server: &mut Server) {
    server.run_for_s(60);
    server.apply(Resource::PodDisruptionBudget, budget());
    let claim = server.all(Resource::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    server.delete(Resource::NodeClaim, "", &claim);
    server.run_for_s(30);
    server.delete_all(Resource::PodDisruptionBudget);
    server.run_for_s(60);
    server.delete_all(Resource::Pod);
    server.apply(Resource::Pod, pod("huge", "500"));
    server.run_for_s(120);
}

#[test]
fn a_replay_wants_what_the_live_run_wanted() {
    let text = recorded(started(20), up_and_down);
    let recording = record::read(&text).unwrap();
    let replayed = record::replay(&recording);
    assert!(replayed.difference.is_none(), "{:?}", replayed.difference);
    let said = |start: &str| replayed.steps.iter().filter(|step| step.what.starts_with(start)).count();
    assert!(said("create claim default-r0") > 0, "{:?}", replayed.steps);
    assert!(said("evict pod shop/") > 0 && said("no place for pod shop/huge: ") == 1, "{:?}", replayed.steps);
    assert!(replayed.steps.iter().any(|step| step.tries > 0), "what failed was tried again");
}

#[test]
fn a_replay_says_where_it_parts_from_the_recording() {
    let text = recorded(started(3), |server| server.run_for_s(20));
    let other = text.replacen("\"batchIdleMs\":1000", "\"batchIdleMs\":2000", 1);
    let replayed = record::replay(&record::read(&other).unwrap());
    let difference = replayed.difference.unwrap();
    assert!(difference.recorded.unwrap().contains("CreateClaim"), "the claims come later");
    assert_eq!(difference.replayed, None);
}

#[test]
fn a_recording_ends_at_its_limit() {
    let mut server = started(3);
    server.edge().record(Tape::new(&settings(0), START_UNIX_MS, 5_000));
    server.run_for_s(20);
    let tape = server.edge().tape().unwrap();
    assert!(tape.has_ended());
    let text = tape.take().join("\n") + "\n";
    assert!((1_000..=5_000).contains(&text.len()), "{}", text.len());
    assert!(record::replay(&record::read(&text).unwrap()).difference.is_none());
}
