//! Karpenter's NodeOverlay (`karpenter.sh/v1alpha1`): other prices and more capacity for instance types, in plans only.

use crate::Name;
use crate::labels::SelectorRequirement;
use crate::location::Location;

/// A NodeOverlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeOverlay {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `spec.weight`; 0 when unset. The heavier one wins.
    pub weight: i32,
    /// `spec.requirements`: which instance types and offerings it is about.
    pub requirements: Vec<SelectorRequirement>,
    /// `spec.price` or `spec.priceAdjustment`.
    pub price: Option<PriceChange>,
    /// `spec.capacity`: extended resources only. Units as in [`crate::Resources::get`].
    pub capacity: Vec<(Name, i64)>,
}

/// What becomes of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceChange {
    /// It is this, in millionths of a US dollar an hour.
    Set(i64),
    /// So much more, or less, in the same unit.
    Add(i64),
    /// So much more, or less, in millionths of a percent.
    Percent(i64),
}

impl PriceChange {
    /// The changed price, never below 0 (sigs.k8s.io/karpenter v1.14.1 `pkg/cloudprovider/types.go` `AdjustedPrice`);
    /// halves of a millionth are rounded up. What has no price, which is the highest number, gets none by a change.
    pub fn applied(self, price_micro_usd: i64) -> i64 {
        const WHOLE: i128 = 100_000_000;
        let changed = match self {
            PriceChange::Set(price) => return price,
            _ if price_micro_usd == i64::MAX => return price_micro_usd,
            PriceChange::Add(more) => i128::from(price_micro_usd) + i128::from(more),
            PriceChange::Percent(percent) => {
                let scaled = i128::from(price_micro_usd) * (WHOLE + i128::from(percent));
                (scaled + WHOLE / 2).div_euclid(WHOLE)
            }
        };
        i64::try_from(changed.max(0)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::PriceChange::{Add, Percent, Set};

    #[test]
    fn prices_change_and_stay_above_nothing() {
        assert_eq!(
            [Set(5).applied(9), Add(-3).applied(9), Add(-10).applied(9), Add(1).applied(9)],
            [5, 6, 0, 10]
        );
        assert_eq!(Percent(10_000_000).applied(96_000), 105_600);
        assert_eq!(Percent(-12_500_000).applied(96_000), 84_000);
        assert_eq!([Percent(-100_000_000).applied(7), Percent(50_000_000).applied(1)], [0, 2]);
        assert_eq!([Percent(50_000_000).applied(i64::MAX), Add(-1).applied(i64::MAX)], [i64::MAX; 2]);
    }
}
