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
pub mod guide;
pub mod portfolio;
pub mod room;
#[cfg(test)]
mod tests;
pub mod zones;

use crate::input::{Input, Solution};
use crate::scheduler::Scheduler;
use addresses::Addresses;

/// Where every pod goes.
pub(crate) fn solve(input: &Input<'_>, addresses: &Addresses) -> Solution {
    let cheapest = portfolio::cheapest(input, |guide| Scheduler::guided(input, guide).run());
    zones::settle(cheapest, input, addresses)
}
