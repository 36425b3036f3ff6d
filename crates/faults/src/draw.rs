//! Draws: numbers that follow from a seed alone. Nothing about what is drawn.

/// Draws in order.
#[derive(Clone, Debug)]
pub struct Draws {
    seed: u64,
    count: u64,
}

impl Draws {
    /// Those of a seed.
    pub fn new(seed: u64) -> Draws {
        Draws { seed, count: 0 }
    }

    /// The next number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.count += 1;
        // The bias of the remainder is below 2⁻³² for every bound in use.
        usize::try_from(at(self.seed, self.count) % (bound.max(1) as u64)).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high.saturating_sub(low).saturating_add(1)).unwrap_or(1);
        low.saturating_add(i64::try_from(self.below(width)).unwrap_or(0))
    }

    /// True in `percent` of a hundred draws.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the items; an empty list panics, as indexing does.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// The draw of a seed at a place: the same wherever it is asked, so that leaving out one thing changes no other's.
pub fn at(seed: u64, place: u64) -> u64 {
    // SplitMix64 (Steele, Lea and Flood, 2014).
    let mut z =
        seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence_within_its_bounds() {
        let draws = |seed| {
            let mut draws = Draws::new(seed);
            (0..64).map(|_| draws.between(3, 9)).collect::<Vec<i64>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!((3..=9).all(|number| draws(1).contains(&number)));
    }
}
