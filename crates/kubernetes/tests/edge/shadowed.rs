//! A controller that only watches, beside one that leads.

use autoscaler::Provisioner;
use cluster::node_pool::DisruptionReason;
use kubernetes::Resource;
use kubernetes::edge::Settings;
use kubernetes::metrics::text;
use kubernetes::record::{Tape, read, replay};
use kubernetes::shadow::Report;

use super::started;
use crate::server::{START_UNIX_MS, Server, settings};

fn shadowed(pods: usize, provisioner: Provisioner) -> Server {
    let mut server = started(pods);
    server.shadowed(provisioner);
    server
}

fn report(server: &mut Server) -> Report {
    server.shadow().report().unwrap()
}

/// Of one mind: every round costs the same, and what one takes away the other would have.
#[test]
fn two_of_one_mind_would_do_the_same() {
    let mut server = shadowed(20, Provisioner::Karpenter);
    server.run_for_s(90);
    let claims = server.all(Resource::NodeClaim).len();
    let first = report(&mut server);
    assert_eq!((first.rounds.same, first.rounds.compared(), first.rounds.pods), (1, 1, 20));
    assert_eq!(first.rounds.ours, first.rounds.theirs);
    assert_eq!(first.rounds.theirs.nodes, claims);
    server.delete_all(Resource::Pod);
    server.run_for_s(180);
    let last = report(&mut server);
    assert_eq!(last.removals.both(DisruptionReason::Empty), claims);
    assert_eq!((last.removals.only_done(), last.rounds.unasked, last.rounds.unanswered), (0, 0, 0));
}

/// Whoever leads may do other things: its doings are told as its own, and the shadow's as nobody's.
#[test]
fn what_only_one_of_them_wants_is_told_apart() {
    let mut server = shadowed(4, Provisioner::Plimsoll);
    server.run_for_s(60);
    let claim = server.all(Resource::NodeClaim)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    server.delete(Resource::NodeClaim, "", &claim);
    server.run_for_s(60);
    assert_eq!(report(&mut server).removals.only_done(), 1);
    // The pods of the one that went were planned for by both.
    server.run_for_s(60);
    let rounds = report(&mut server).rounds;
    assert!(rounds.dearer == 0 && rounds.ours.price_micro_usd <= rounds.theirs.price_micro_usd, "{rounds:?}");
}

/// What a shadow wrote down says the same when it is played again.
#[test]
fn a_recording_of_a_shadow_reports_the_same() {
    let mut server = started(20);
    server.shadowed(Provisioner::Plimsoll);
    let settings = Settings { provisioner: Provisioner::Plimsoll, shadow: true, ..settings(9) };
    server.shadow().record(Tape::new(&settings, START_UNIX_MS, 1 << 30));
    server.run_for_s(60);
    server.delete_all(Resource::Pod);
    server.run_for_s(120);
    let text = server.shadow().tape().unwrap().take().join("\n");
    let replayed = replay(&read(&text).unwrap());
    assert!(replayed.difference.is_none() && replayed.steps.is_empty());
    let (live, again) = (report(&mut server), replayed.report.unwrap());
    assert_eq!(format!("{live:?}"), format!("{again:?}"));
    assert!(live.rounds.compared() == 1 && live.rounds.ours.nodes > 0);
}

/// A leader that is dead buys nothing.
#[test]
fn a_leader_that_does_nothing_is_told() {
    let mut server = shadowed(0, Provisioner::Plimsoll);
    server.run_for_s(10);
    server.hold_the_controller();
    for index in 0..3 {
        server.apply(Resource::Pod, super::pod(&format!("late-{index}"), "1"));
    }
    server.run_for_s(90);
    let rounds = report(&mut server).rounds;
    assert_eq!((rounds.unanswered, rounds.compared()), (1, 0), "{rounds:?}");
    assert!(server.all(Resource::NodeClaim).is_empty());
    let told = text::render(&server.shadow().scrape(0));
    assert!(told.contains("plimsoll_shadow_rounds_total{verdict=\"unanswered\"} 1"), "{told}");
    assert!(!told.contains("\nkarpenter_"), "those are the leader's");
}
