//! Sets of small numbers: instance types of a pool, nodes, claims.

/// A growable set of small numbers. Trailing zero words are never kept, so equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// `0..len`.
    pub fn all(len: usize) -> Bits {
        (0..len).collect()
    }

    /// Whether `index` is in the set.
    pub fn has(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Puts `index` in.
    pub fn insert(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
    }

    /// The first from `index` on that is not in the set.
    pub fn next_absent(&self, index: usize) -> usize {
        let mut at = index;
        while let Some(word) = self.words.get(at / 64) {
            let absent = !word >> (at % 64);
            if absent != 0 {
                return at + absent.trailing_zeros() as usize;
            }
            at = (at / 64 + 1) * 64;
        }
        at
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Bits) -> Bits {
        Bits::trimmed(self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect())
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Bits) -> Bits {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        Bits::trimmed(self.words.iter().zip(others).map(|(a, b)| a & !b).collect())
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(position, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    position * 64 + bit
                })
            })
        })
    }

    /// Word by word, what `keep` leaves of it: its arguments are the word's position and its bits.
    #[must_use]
    pub(crate) fn keep_words(&self, keep: impl Fn(usize, u64) -> u64) -> Bits {
        let kept = |(position, &word): (usize, &u64)| if word == 0 { 0 } else { word & keep(position, word) };
        Bits::trimmed(self.words.iter().enumerate().map(kept).collect())
    }

    fn trimmed(mut words: Vec<u64>) -> Bits {
        while words.last() == Some(&0) {
            words.pop();
        }
        Bits { words }
    }
}

impl FromIterator<usize> for Bits {
    fn from_iter<I: IntoIterator<Item = usize>>(indexes: I) -> Bits {
        let mut bits = Bits::default();
        for index in indexes {
            bits.insert(index);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_set(a in prop::collection::btree_set(0usize..200, 0..40), b in prop::collection::btree_set(0usize..200, 0..40)) {
            let (x, y): (Bits, Bits) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(x.and(&y).iter().collect::<BTreeSet<_>>(), &a & &b);
            prop_assert_eq!(x.without(&y).iter().collect::<BTreeSet<_>>(), &a - &b);
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x == y, a == b);
            prop_assert_eq!(x.and(&y).is_empty(), a.is_disjoint(&b));
            for from in 0..210 {
                prop_assert_eq!(x.next_absent(from), (from..).find(|index| !a.contains(index)).unwrap());
            }
        }
    }
}
