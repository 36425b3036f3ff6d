//! Stretches of numbers: which parts of a sequence are done with. Numbers only; what they stand for is
//! [`super::order`]'s.

/// From the first number to the last, both included.
pub(super) type Stretch = (u64, u64);

/// Stretches that do not touch, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretches {
    // One or two as a rule.
    all: Vec<Stretch>,
}

impl Stretches {
    /// The stretch that a number is in.
    pub(super) fn around(&self, number: u64) -> Option<Stretch> {
        let at = self.all.partition_point(|&(_, last)| last < number);
        self.all.get(at).copied().filter(|&(first, _)| first <= number)
    }

    /// Adds a stretch; those that it overlaps become one with it.
    pub(super) fn add(&mut self, (first, last): Stretch) {
        let from = self.all.partition_point(|&(_, own)| own < first);
        let to = self.all.partition_point(|&(own, _)| own <= last);
        let overlapped = self.all.get(from..to).unwrap_or_default();
        let first = overlapped.first().map_or(first, |own| own.0.min(first));
        let last = overlapped.last().map_or(last, |own| own.1.max(last));
        self.all.splice(from..to.max(from), [(first, last)]);
    }
}

/// Stretches as they are found, walking one way: what is covered without a cut in between is one stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    open: Option<Stretch>,
    closed: Vec<Stretch>,
}

impl Run {
    /// The walk passed a stretch.
    pub(super) fn cover(&mut self, (first, last): Stretch) {
        self.open = match self.open {
            Some((from, to)) => Some((from.min(first), to.max(last))),
            None => Some((first, last)),
        };
    }

    /// The walk passed something that is not done with.
    pub(super) fn cut(&mut self) {
        self.closed.extend(self.open.take());
    }

    /// All stretches.
    pub(super) fn stretches(mut self) -> Vec<Stretch> {
        self.cut();
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn as_a_set_of_numbers(added in prop::collection::vec((1u64..60, 0u64..8), 0..30)) {
            let (mut stretches, mut numbers) = (Stretches::default(), BTreeSet::new());
            for (first, more) in added {
                stretches.add((first, first + more));
                numbers.extend(first..=first + more);
            }
            for number in 0..80 {
                prop_assert_eq!(stretches.around(number).is_some(), numbers.contains(&number));
            }
            prop_assert!(stretches.all.windows(2).all(|two| two[0].1 < two[1].0), "{stretches:?}");
        }
    }

    #[test]
    fn what_is_covered_without_a_cut_is_one() {
        let mut run = Run::default();
        [(9, 9), (7, 8), (3, 4)].into_iter().for_each(|stretch| run.cover(stretch));
        run.cut();
        run.cover((1, 1));
        assert_eq!(run.stretches(), [(3, 9), (1, 1)]);
    }
}
