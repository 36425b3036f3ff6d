//! What is measured: names, kinds, labels and words of every family. No values.

/// A family of series.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name as it is scraped.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// The names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub help: &'static str,
}

/// How the values of a family behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// What is, at the moment.
    Gauge,
    /// Durations by upper bounds, in milliseconds.
    Histogram(&'static [i64]),
    /// Durations by quantiles of the last ten minutes.
    Summary,
}

impl Kind {
    /// As the text format writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
            Kind::Summary => "summary",
        }
    }
}

impl Family {
    /// A counter.
    pub const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Counter, labels, help }
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Gauge, labels, help }
    }

    /// A histogram with these upper bounds, milliseconds.
    pub const fn histogram(
        name: &'static str,
        bounds_ms: &'static [i64],
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Family {
        Family { name, kind: Kind::Histogram(bounds_ms), labels, help }
    }

    /// A summary.
    pub const fn summary(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
        Family { name, kind: Kind::Summary, labels, help }
    }
}

/// Upper bounds of durations in general, milliseconds: `pkg/metrics/constants.go` `DurationBuckets`.
pub const DURATIONS_MS: &[i64] = &[
    5, 10, 25, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1_000, 1_250, 1_500,
    1_750, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000, 15_000,
    20_000, 25_000, 30_000, 40_000, 50_000, 60_000, 120_000, 150_000, 300_000, 450_000, 600_000,
];

/// The bounds that client libraries take when nobody says any, milliseconds.
pub const DEFAULT_MS: &[i64] = &[5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// 1 s, doubled to 1,024 s: terminations of instances.
pub const DOUBLED_TO_1024_S: &[i64] =
    &[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000];

/// 1 s, doubled to 2,048 s: terminations of claims.
pub const DOUBLED_TO_2048_S: &[i64] =
    &[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000, 2_048_000];

/// 0.5 s, doubled to 8,192 s: conditions.
pub const CONDITIONS_MS: &[i64] = &[
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_024_000, 2_048_000,
    4_096_000, 8_192_000,
];

/// A quarter of an hour to thirty days: lives of nodes.
pub const LIVES_MS: &[i64] = &[
    15 * MINUTE,
    30 * MINUTE,
    45 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    6 * HOUR,
    8 * HOUR,
    10 * HOUR,
    12 * HOUR,
    16 * HOUR,
    20 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    5 * DAY,
    10 * DAY,
    15 * DAY,
    20 * DAY,
    25 * DAY,
    30 * DAY,
];
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
