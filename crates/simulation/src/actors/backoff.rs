//! Exponential back-off as a grid of instants, so that attempts which cannot succeed need not be simulated.
//!
//! The real retry loops (`k8s.io/client-go` v0.36 `util/workqueue` `ItemExponentialFailureRateLimiter`,
//! `util/flowcontrol` `Backoff`) try, fail and double. Between two attempts nothing can change the outcome except
//! a change that an actor observes; so the actor asks for the first attempt after that change.

use cluster::Timestamp;

/// A loop that failed `failures` times, last at `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base_ms: i64,
    cap_ms: i64,
    failures: u32,
    failed: Timestamp,
}

impl Backoff {
    /// A loop that has not failed: the first pause is `base_ms`, each further one doubles up to `cap_ms`.
    pub fn new(base_ms: i64, cap_ms: i64) -> Backoff {
        let base_ms = base_ms.max(1);
        Backoff { base_ms, cap_ms: cap_ms.max(base_ms), failures: 0, failed: Timestamp::ZERO }
    }

    /// How often it failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt failed.
    pub fn fail(&mut self, at: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.failed = at;
    }

    /// An attempt succeeded: the next failure starts from the beginning.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after the last failure.
    pub fn pause_ms(&self) -> i64 {
        let doublings = self.failures.saturating_sub(1).min(40);
        self.base_ms.saturating_mul(1i64 << doublings).min(self.cap_ms)
    }

    /// When the next attempt is made if the last one failed.
    pub fn next(&self) -> Timestamp {
        self.failed.after_ms(self.pause_ms())
    }

    /// Counts every attempt up to and including `now` as failed, and returns how many those were. Afterwards
    /// [`Backoff::next`] is later than `now`.
    pub fn fail_through(&mut self, now: Timestamp) -> u32 {
        let mut missed = 0u32;
        while self.failures > 0 && self.next() <= now {
            let steps = if self.pause_ms() == self.cap_ms {
                u32::try_from((now.since_ms(self.failed) / self.cap_ms).max(1)).unwrap_or(u32::MAX)
            } else {
                1
            };
            let jump = self.pause_ms().saturating_mul(i64::from(steps));
            self.failed = self.failed.after_ms(jump);
            self.failures = self.failures.saturating_add(steps);
            missed = missed.saturating_add(steps);
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let mut backoff = Backoff::new(10_000, 300_000);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            backoff.fail(Timestamp(0));
            pauses.push(backoff.pause_ms() / 1000);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 300, 300]);
        backoff.reset();
        backoff.fail(Timestamp(0));
        assert_eq!(backoff.pause_ms(), 10_000);
    }

    /// Crashes at 0, so restarts at 10, 30, 70, 150, 310, 610, 910 s …
    #[test]
    fn the_grid_is_the_one_of_a_loop_that_keeps_failing() {
        let first = |now| {
            let mut backoff = Backoff::new(10_000, 300_000);
            backoff.fail(Timestamp(0));
            let missed = backoff.fail_through(Timestamp(now));
            (missed, backoff.next().0)
        };
        assert_eq!(first(0), (0, 10_000));
        assert_eq!(first(10_000), (1, 30_000));
        assert_eq!(first(69_999), (2, 70_000));
        assert_eq!(first(310_000), (5, 610_000));
        assert_eq!(first(909_999), (6, 910_000));
        assert_eq!(first(910_000 + 300_000 * 1000), (1007, 910_000 + 300_000 * 1001));
    }
}
