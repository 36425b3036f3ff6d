//! Instants at which an actor wants to act, with what it wants to do then. No effects and no rules here.

use std::collections::BTreeMap;

use cluster::Timestamp;

/// What is due when; within one instant in the order it was set.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    due: BTreeMap<Timestamp, Vec<T>>,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { due: BTreeMap::new() }
    }
}

impl<T> Timers<T> {
    /// Remembers `what` for `at`.
    pub fn set(&mut self, at: Timestamp, what: T) {
        self.due.entry(at).or_default().push(what);
    }

    /// The earliest instant that is set.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.keys().next().copied()
    }

    /// Takes everything that is due by `now`, earliest first.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<T> {
        let mut taken = Vec::new();
        while let Some(entry) = self.due.first_entry().filter(|entry| *entry.key() <= now) {
            taken.extend(entry.remove());
        }
        taken
    }
}

/// The earlier of two instants, where there is one.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_is_due_in_order_and_keeps_the_rest() {
        let mut timers = Timers::default();
        timers.set(Timestamp(20), "c");
        timers.set(Timestamp(10), "a");
        timers.set(Timestamp(10), "b");
        timers.set(Timestamp(30), "d");
        assert_eq!(timers.next(), Some(Timestamp(10)));
        assert_eq!(timers.take_due(Timestamp(20)), ["a", "b", "c"]);
        assert_eq!(timers.next(), Some(Timestamp(30)));
        assert!(timers.take_due(Timestamp(29)).is_empty());
    }
}
