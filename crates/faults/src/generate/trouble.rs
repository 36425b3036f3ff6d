//! What users do while things go wrong, and what goes wrong.

use kubernetes::Resource;
use serde_json::Value;

use super::cluster::ZONES;
use crate::draw::Draws;
use crate::fault::{Fault, Group, Kind};
use crate::json::text;
use crate::owners::Workload;
use crate::play::Action;

/// How long things go wrong, milliseconds.
const BROKEN_MS: i64 = 8 * 60_000;

/// What users do, in order.
pub fn script(
    draws: &mut Draws,
    pools: &[Value],
    workloads: &[Workload],
    budgets: &[Value],
) -> Vec<(i64, Action)> {
    let mut script: Vec<(i64, Action)> = Vec::new();
    for _ in 0..draws.between(0, 6) {
        let workload = draws.pick(workloads).name.clone();
        let pool = text(draws.pick(pools), "/metadata/name").to_owned();
        let action = match draws.below(12) {
            0..=4 => Action::Scale(workload, draws.between(0, 14)),
            5 => Action::Roll(workload),
            6 | 7 => Action::Relabel(pool, (*draws.pick(&["green", "blue", "red"])).to_owned()),
            8 => Action::DeleteClaim(draws.below(8)),
            9 => Action::DeleteNode(draws.below(8)),
            10 if pools.len() > 1 => Action::DeletePool(pool),
            _ => match budgets.is_empty() {
                true => Action::Scale(workload, 0),
                false => Action::DeleteBudget(text(draws.pick(budgets), "/metadata/name").to_owned()),
            },
        };
        script.push((draws.between(1_000, BROKEN_MS), action));
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

/// What goes wrong: some kinds of some of these groups.
pub fn faults(draws: &mut Draws, groups: &[Group]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for group in Group::ALL {
        // Drawn for every group, so that leaving one out changes no other.
        let mut own = Draws::new(draws.below(usize::MAX) as u64);
        let takes_part = own.chance(50);
        if groups.contains(&group) && takes_part {
            faults.extend((0..own.between(1, 3)).map(|_| fault(&mut own, group)));
        }
    }
    faults
}

fn fault(draws: &mut Draws, group: Group) -> Fault {
    let resource = [Resource::Pod, Resource::Node, Resource::NodeClaim, Resource::NodePool][draws.below(4)];
    let zone = *draws.pick(&ZONES);
    let kind = match group {
        Group::Api => draws
            .pick(&[Kind::ApiError, Kind::Unsent, Kind::Unanswered, Kind::Late, Kind::Conflict, Kind::Slow])
            .clone(),
        Group::Watch => draws
            .pick(&[Kind::WatchLag(resource), Kind::WatchBreaks(resource), Kind::WatchTwice(resource)])
            .clone(),
        Group::Crash => draws.pick(&[Kind::Crash, Kind::Crash, Kind::Freeze]).clone(),
        Group::Cloud => {
            let sold_out = Kind::SoldOut(zone, draws.pick::<&str>(&["on-demand", "spot"]));
            draws.pick(&[Kind::Throttle, sold_out, Kind::NeverJoins, Kind::Unready]).clone()
        }
        Group::Zone => Kind::ZoneAway(zone),
        Group::Clock => Kind::Clock(draws.between(-30, 600) * 1_000),
        Group::Pods => Kind::StuckPods,
    };
    let longest = match kind {
        Kind::WatchLag(_) | Kind::Freeze => 60_000,
        _ => BROKEN_MS / 2,
    };
    let from_ms = draws.between(0, BROKEN_MS - 1_000);
    let for_ms = draws.between(1_000, longest).min(BROKEN_MS - from_ms);
    let per_mille = *draws.pick(&[20, 100, 300, 700]);
    // Killed at seven of ten calls is never there at all.
    let per_mille = if kind == Kind::Crash { per_mille.min(300) } else { per_mille };
    Fault { kind, from_ms, for_ms, per_mille }
}
