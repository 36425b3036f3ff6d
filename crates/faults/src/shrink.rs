//! A smaller play that fails in the same way: fewer faults, fewer actions, fewer objects, fewer pods.

use crate::play::{Play, play};

/// Plays at most; shrinking is for people, and people wait.
const MOST_PLAYS: usize = 400;

/// The smallest play found in which something of what went wrong still does.
pub fn shrink(failing: Play) -> Play {
    let wanted: Vec<String> = play(&failing).kinds().into_iter().map(str::to_owned).collect();
    let mut plays = 0;
    let mut fails = |candidate: &Play| {
        plays += 1;
        plays <= MOST_PLAYS && play(candidate).kinds().iter().any(|kind| wanted.iter().any(|own| own == kind))
    };
    let mut smallest = failing;
    loop {
        let mut smaller = None;
        for candidate in candidates(&smallest) {
            if fails(&candidate) {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Plays with one thing less, the most first.
fn candidates(from: &Play) -> Vec<Play> {
    let mut all = Vec::new();
    let mut without = |change: &dyn Fn(&mut Play)| {
        let mut play = from.clone();
        change(&mut play);
        all.push(play);
    };
    without_each(from.workloads.len(), |index| without(&|play| drop(play.workloads.remove(index))));
    without_each(from.faults.len(), |index| {
        without(&|play| {
            play.faults.remove(index);
        })
    });
    without_each(from.script.len(), |index| without(&|play| drop(play.script.remove(index))));
    without_each(from.pools.len(), |index| without(&|play| drop(play.pools.remove(index))));
    without_each(from.budgets.len(), |index| without(&|play| drop(play.budgets.remove(index))));
    without_each(from.daemons.len(), |index| without(&|play| drop(play.daemons.remove(index))));
    for (index, workload) in from.workloads.iter().enumerate().filter(|(_, own)| own.replicas > 1) {
        without(&|play| play.workloads[index].replicas = workload.replicas / 2);
        without(&|play| play.workloads[index].replicas = workload.replicas - 1);
    }
    for (index, fault) in from.faults.iter().enumerate().filter(|(_, own)| own.for_ms > 2_000) {
        without(&|play| play.faults[index].for_ms = fault.for_ms / 2);
    }
    all
}

fn without_each(count: usize, mut each: impl FnMut(usize)) {
    (0..count).for_each(&mut each);
}
