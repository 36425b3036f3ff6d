//! plimsoll's policy against Karpenter's and against a bound from below, over a thousand generated inputs:
//! `cargo bench -p oracle --bench policies [-- COUNT]`. Says what it finds; takes a minute or two.
//!
//! Bar: never dearer, never fewer pods with a place, within 5 % of the bound in sum.

#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]

#[path = "../tests/policies/bound.rs"]
mod bound;

use oracle::policies::Tally;

fn main() {
    let asked = std::env::args().skip(1).find_map(|own| own.parse().ok());
    let mut tally = Tally::default();
    (1..=asked.unwrap_or(1_000)).for_each(|seed| tally.play(seed, bound::micro_usd));
    println!("{}", tally.sentence());
    println!("worse on seeds {:?}", tally.worse);
}
