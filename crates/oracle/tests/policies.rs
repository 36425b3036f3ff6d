//! plimsoll's policy is never worse than Karpenter's on generated inputs; how far it is from a bound from below.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "policies/bound.rs"]
mod bound;

use oracle::policies::Tally;

#[test]
fn never_dearer_than_karpenter_and_never_fewer_pods() {
    let mut tally = Tally::default();
    (1..=300).for_each(|seed| tally.play(seed, |_, _| None));
    println!("{}", tally.sentence());
    assert_eq!(tally.worse, [0; 0], "seeds in which plimsoll is dearer or places fewer pods");
    assert!(tally.inputs >= 100 && tally.cheaper >= 10, "{tally:?}");
}

/// A bound that is above a plan's price would be none.
#[test]
fn the_bound_is_below_every_plan() {
    for seed in 1..=40 {
        let mut tally = Tally::default();
        tally.play(seed, bound::micro_usd);
        assert!(tally.bound_micro_usd <= tally.bounded_micro_usd, "seed {seed}: {tally:?}");
    }
}
