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
use addresses::Addresses;

/// How often a plan is made again because nodes that share a subnet were given too many pods together.
const ROUNDS_MAX: usize = 3;

/// Where every pod goes.
pub(crate) fn solve(input: &Input<'_>, addresses: &Addresses) -> Solution {
    let mut known = addresses.clone();
    for _ in 1..ROUNDS_MAX {
        let (solution, short) = once(input, &known);
        if short.is_empty() {
            return solution;
        }
        short.into_iter().for_each(|(id, fed)| known.cap(id, fed));
    }
    once(input, &known).0
}

fn once(input: &Input<'_>, known: &Addresses) -> (Solution, Vec<tenants::Short>) {
    let input = &Input { policy: Policy::Plimsoll(known), ..*input };
    portfolio::cheapest(input, |guide| {
        let plan = Scheduler::guided(input, guide).run();
        let (seated, short) = tenants::seated(&plan, input, known);
        (zones::settle(plan, input, &seated), short)
    })
}
