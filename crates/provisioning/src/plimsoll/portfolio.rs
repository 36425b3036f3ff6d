//! Several plans for the same pods, of which the cheapest is taken.
//!
//! Karpenter's own plan is always among them. A plan that leaves more pods without a node never wins.

use crate::input::{Input, Solution};
use crate::plan::PlannedClaim;
use crate::plimsoll::guide::Margin;

/// How close to the cheapest types the plans stay.
const MARGINS: [Margin; 3] = [Margin(2), Margin(10), Margin(25)];
/// Above so many pods only as many plans are made as there are here pods for.
const PODS_PLANNED_MAX: usize = 40_000;

/// The cheapest of several plans; `plan` makes one, led to types within a margin or, without one, not led.
pub fn cheapest<T>(input: &Input<'_>, plan: impl Fn(Option<Margin>) -> (Solution, T)) -> (Solution, T) {
    let mut best = plan(None);
    let plans = PODS_PLANNED_MAX.checked_div(input.pods.len()).unwrap_or(0).saturating_sub(1);
    if best.0.new_claims.is_empty() {
        return best;
    }
    for margin in MARGINS.into_iter().take(plans.max(1)) {
        let other = plan(Some(margin));
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
