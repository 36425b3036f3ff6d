//! plimsoll's policy against Karpenter's and against a bound from below, over a thousand generated inputs:
//! `cargo bench -p oracle --bench policies [-- COUNT]`. Says what it finds; takes a minute or two.
//!
//! With `traces` instead of a number: hundreds and thousands of pods with the sizes of a public trace, and of
//! Karpenter's benchmark, on all real types, where parts of nodes matter little.
//!
//! Bar: never dearer, never fewer pods with a place, within 5 % of the bound in sum.

#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]

#[path = "../tests/policies/bound.rs"]
mod bound;

use oracle::karpenter::ground::Ground;
use oracle::karpenter::mix::{Mix, Pods, Types};
use oracle::policies::Tally;
use provisioning::Policy;
use provisioning::plimsoll::portfolio::price_micro_usd;

fn main() {
    let asked = std::env::args().skip(1).find(|own| !own.starts_with("--"));
    if asked.as_deref() == Some("traces") {
        return traces();
    }
    let mut tally = Tally::default();
    let seeds = asked.and_then(|own| own.parse().ok()).unwrap_or(1_000);
    (1..=seeds).for_each(|seed| tally.play(seed, bound::micro_usd));
    println!("{}", tally.sentence());
    println!("worse on seeds {:?}", tally.worse);
}

/// One line for each mix: what both policies and the bound cost an hour, in US dollars.
fn traces() {
    println!("| Pods | Karpenter | plimsoll | Nodes | Bound | Above it |\n|---|---|---|---|---|---|");
    let mut sums = [0i64; 2];
    for (pods, name) in [(Pods::Trace, "of the trace"), (Pods::Plain, "of the benchmark")] {
        for count in [300, 1_000, 3_000] {
            let mix = Mix { types: Types::Real, ..Mix::new(pods, count) };
            let Ok(ground) = Ground::of(&mix.objects()) else { continue };
            let addresses = ground.addresses();
            let theirs = ground.solve(Policy::Karpenter);
            let own = ground.solve(Policy::Plimsoll(&addresses));
            assert_eq!((theirs.refused.len(), own.refused.len()), (0, 0), "{count} {name}");
            let bound = bound::micro_usd(&ground, &own).unwrap_or(0);
            let price = price_micro_usd(&own);
            let usd = |micro: i64| micro as f64 / 1e6;
            println!(
                "| {count} {name} | {:.2} | {:.2} | {} | {:.2} | {:.1} % |",
                usd(price_micro_usd(&theirs)),
                usd(price),
                own.new_claims.len(),
                usd(bound),
                (price - bound) as f64 * 100.0 / bound.max(1) as f64,
            );
            sums = [sums[0] + price, sums[1] + bound];
        }
    }
    println!("in sum {:.1} % above the bound", (sums[0] - sums[1]) as f64 * 100.0 / sums[1].max(1) as f64);
}
