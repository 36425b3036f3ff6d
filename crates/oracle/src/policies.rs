//! plimsoll's policy against Karpenter's, over seeded inputs: which places more pods, and which is cheaper.
//!
//! Both get the same pods of the same generated cluster ([`crate::karpenter::generate`]). Prices are compared where
//! equally many pods have a place. Nothing here decides anything; a bound from below is asked for, not known.

use provisioning::plimsoll::portfolio::price_micro_usd;
use provisioning::{Policy, Solution};

use crate::karpenter::generate::generate;
use crate::karpenter::ground::Ground;

/// What was measured over all inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Inputs of which either policy buys anything.
    pub inputs: u64,
    /// Of these, those in which plimsoll leaves fewer pods without a place.
    pub places_more: u64,
    /// Those with equally many pods in which plimsoll is cheaper.
    pub cheaper: u64,
    /// Seeds in which it leaves more pods without a place, or is dearer for as many.
    pub worse: Vec<u64>,
    /// What Karpenter's new nodes cost where equally many pods have a place, in millionths of a US dollar an hour.
    pub karpenter_micro_usd: i64,
    /// What plimsoll's cost there.
    pub plimsoll_micro_usd: i64,
    /// What plimsoll's cost where there is a bound.
    pub bounded_micro_usd: i64,
    /// The bound, there.
    pub bound_micro_usd: i64,
}

impl Tally {
    /// Plays a seed; `bound` says what the pods of a plan's new nodes cost at the least, if it can tell.
    pub fn play(&mut self, seed: u64, bound: impl Fn(&Ground, &Solution) -> Option<i64>) {
        let Ok(ground) = Ground::of(&generate(seed).0) else { return };
        let addresses = ground.addresses();
        let theirs = ground.solve(Policy::Karpenter);
        let own = ground.solve(Policy::Plimsoll(&addresses));
        if theirs.new_claims.is_empty() && own.new_claims.is_empty() {
            return;
        }
        self.inputs += 1;
        let (their_price, price) = (price_micro_usd(&theirs), price_micro_usd(&own));
        match own.refused.len().cmp(&theirs.refused.len()) {
            std::cmp::Ordering::Less => self.places_more += 1,
            std::cmp::Ordering::Greater => self.worse.push(seed),
            std::cmp::Ordering::Equal => {
                self.karpenter_micro_usd += their_price;
                self.plimsoll_micro_usd += price;
                self.cheaper += u64::from(price < their_price);
                if price > their_price {
                    self.worse.push(seed);
                }
            }
        }
        if let Some(bound) = bound(&ground, &own) {
            self.bounded_micro_usd += price;
            self.bound_micro_usd += bound;
        }
    }

    /// `plimsoll's price <= Karpenter's on 300 of 300 inputs, …`.
    pub fn sentence(&self) -> String {
        let good = self.inputs - self.worse.len() as u64;
        let saved = hundredths(self.karpenter_micro_usd - self.plimsoll_micro_usd, self.karpenter_micro_usd);
        let above = hundredths(self.bounded_micro_usd - self.bound_micro_usd, self.bound_micro_usd);
        format!(
            "plimsoll's price <= Karpenter's on {good} of {} inputs, sum {above} % above the LP bound; cheaper on {}, \
             by {saved} % in sum; more pods with a place on {}",
            self.inputs, self.cheaper, self.places_more
        )
    }
}

/// A share in percent, with two places.
fn hundredths(part: i64, whole: i64) -> String {
    let all = i128::from(part) * 10_000 / i128::from(whole.max(1));
    format!("{}{}.{:02}", if all < 0 { "-" } else { "" }, all.abs() / 100, all.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_their_sign() {
        assert_eq!(hundredths(1, 3), "33.33");
        assert_eq!(hundredths(-5, 1000), "-0.50");
    }
}
