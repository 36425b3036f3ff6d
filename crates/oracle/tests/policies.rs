//! plimsoll's policy is never worse than Karpenter's on generated inputs; how far it is from a bound from below.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "policies/bound.rs"]
mod bound;

use oracle::policies::Tally;

#[test]
fn never_dearer_than_karpenter_and_never_fewer_pods() {
    let mut tally = Tally::default();
    for seed in 1..=300 {
        let before = tally.clone();
        tally.play(seed, bound::micro_usd);
        let bound = tally.bound_micro_usd - before.bound_micro_usd;
        let price = tally.bounded_micro_usd - before.bounded_micro_usd;
        assert!(bound <= price, "seed {seed}: a bound above a plan's price is none: {bound}, {price}");
    }
    println!("{}", tally.sentence());
    assert_eq!(tally.worse, [0; 0], "seeds in which plimsoll is dearer or places fewer pods");
    assert!(tally.inputs >= 100 && tally.cheaper >= 10, "{tally:?}");
}
