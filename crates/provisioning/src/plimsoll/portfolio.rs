//! Several plans for the same pods, of which the cheapest is taken.
//!
//! Karpenter's own plan is always among them. A plan that leaves more pods without a node never wins.

use crate::input::{Input, Solution};
use crate::plan::PlannedClaim;
use crate::plimsoll::guide::{Guide, Margin};

/// What the plans are led by, the most promising first.
const GUIDES: [Guide; 8] = [
    Guide::Alike(Margin(2)),
    Guide::AsMany(Margin(2)),
    Guide::Alike(Margin(10)),
    Guide::Together(Margin(10)),
    Guide::Alike(Margin(0)),
    Guide::Together(Margin(2)),
    Guide::Together(Margin(25)),
    Guide::AsMany(Margin(25)),
];
/// Above so many pods only as many plans are made as there are here pods for.
const PODS_PLANNED_MAX: usize = 40_000;

/// The cheapest of several plans; `plan` makes one, led by a guide or, without one, not led.
pub fn cheapest<T>(input: &Input<'_>, plan: impl Fn(Option<Guide>) -> (Solution, T)) -> (Solution, T) {
    let mut best = plan(None);
    let plans = PODS_PLANNED_MAX.checked_div(input.pods.len()).unwrap_or(0).saturating_sub(1);
    if best.0.new_claims.is_empty() {
        return best;
    }
    for guide in GUIDES.into_iter().take(plans.max(1)) {
        let other = plan(Some(guide));
        if rank(&other.0) < rank(&best.0) {
            best = other;
        }
    }
    best
}

/// Pods without a node, then the price an hour.
fn rank(solution: &Solution) -> (usize, i64) {
    (solution.refused.len(), price_micro_usd(solution))
}

/// What the new nodes of a solution cost an hour, in millionths of a US dollar: each the cheapest that it may be.
pub fn price_micro_usd(solution: &Solution) -> i64 {
    solution.new_claims.iter().map(cheapest_micro_usd).fold(0, i64::saturating_add)
}

/// A plan's claims have their cheapest type first.
fn cheapest_micro_usd(claim: &PlannedClaim) -> i64 {
    let first = claim.options.first();
    first.and_then(|&index| claim.types[index].cheapest_micro_usd(&claim.requirements)).unwrap_or(0)
}
