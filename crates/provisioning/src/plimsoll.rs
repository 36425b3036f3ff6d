//! plimsoll's own answer: address-aware, and cheaper.
//!
//! Karpenter's scheduler places the pods, with three differences. An address is a resource like any other
//! ([`addresses`]): a node is never planned for more pods than its interfaces can feed. New claims may be led to
//! instance types that are cheap for what the pods ask for ([`guide`]); several plans are made and the cheapest is
//! taken, Karpenter's own among them, so that none is ever dearer ([`portfolio`]). And every claim is given a zone
//! whose subnets can feed it, warm pools included ([`zones`]).
//!
//! Nothing here knows how a pod is placed: that is [`crate::scheduler`].

pub mod addresses;
pub mod growth;
pub mod guide;
pub mod portfolio;
pub mod room;
pub mod tenants;
#[cfg(test)]
mod tests;
pub mod zones;

use crate::input::{Input, Policy, Solution};
use crate::scheduler::Scheduler;
use crate::survey::Survey;
use addresses::Addresses;

/// How often a plan is made again because nodes that share a subnet were given too many pods together.
const ROUNDS_MAX: usize = 3;

/// Where every pod goes; `survey` is of the same cluster, market and policy.
pub(crate) fn solve(input: &Input<'_>, survey: &Survey<'_>, addresses: &Addresses) -> Solution {
    let (mut solution, mut short) = once(input, survey, addresses);
    let mut known = addresses.clone();
    for _ in 1..ROUNDS_MAX {
        if short.is_empty() {
            break;
        }
        short.into_iter().for_each(|(id, fed)| known.cap(id, fed));
        let input = Input { policy: Policy::Plimsoll(&known), ..*input };
        (solution, short) = once(&input, &Survey::of(&input), &known);
    }
    solution
}

fn once(input: &Input<'_>, survey: &Survey<'_>, known: &Addresses) -> (Solution, Vec<tenants::Short>) {
    portfolio::cheapest(input, |guide| {
        let plan = Scheduler::guided(input, survey, guide).run();
        let (seated, short) = tenants::seated(&plan, input, known);
        (zones::settle(plan, input, &seated), short)
    })
}
