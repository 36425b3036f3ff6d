//! Virtual time: milliseconds since the run's t=0.

use std::fmt;

/// An instant of a run, in milliseconds since t=0 (`profile.now` says which wall-clock instant that is).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// t=0.
    pub const ZERO: Timestamp = Timestamp(0);

    /// The instant `delay_ms` later; saturates.
    #[must_use]
    pub fn after_ms(self, delay_ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(delay_ms))
    }

    /// Milliseconds from `earlier` to `self`; negative if `earlier` is later.
    pub fn since_ms(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// `t+41.2s`, `t+3m34s`, `t+2h05m00s`: tenths only below a minute.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t+{}", Span(self.0))
    }
}

/// A duration in milliseconds, printed as people write it: `0.4s`, `41s`, `3m34s`, `2h05m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, total_s) = (self.0 % 1000, self.0 / 1000);
        let (hours, minutes, seconds) = (total_s / 3600, total_s / 60 % 60, total_s % 60);
        match (hours, minutes) {
            (0, 0) if ms >= 100 => write!(f, "{seconds}.{}s", ms / 100),
            (0, 0) => write!(f, "{seconds}s"),
            (0, _) => write!(f, "{minutes}m{seconds:02}s"),
            (_, _) if seconds == 0 => write!(f, "{hours}h{minutes:02}m"),
            (_, _) => write!(f, "{hours}h{minutes:02}m{seconds:02}s"),
        }
    }
}
