//! The text format 0.0.4 of Prometheus (`github.com/prometheus/docs` `content/docs/instrumenting/exposition_formats.md`).
//!
//! It is what Karpenter's endpoint answers with, and what its performance suite parses. The usual library of Rust writes
//! OpenMetrics, in which a counter's family has another name, and knows no summaries; hence these lines.

use std::fmt::Write as _;

use cluster::{Name, Timestamp};

use super::family::{Family, Kind};
use super::registry::{Number, Registry, Series};

/// What an endpoint says of its content.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Of a summary, in percent.
const QUANTILES: [(&str, usize); 5] = [("0", 0), ("0.5", 50), ("0.9", 90), ("0.99", 99), ("1", 100)];
/// How old a duration may be to be in a summary's quantiles, milliseconds.
const RECENT_MS: i64 = 10 * 60_000;

/// Everything there is.
pub fn render(registry: &Registry) -> String {
    let (mut text, now) = (String::new(), registry.now());
    for (family, all) in registry.iter() {
        let _ = writeln!(text, "# HELP {} {}", family.name, escaped(family.help, false));
        let _ = writeln!(text, "# TYPE {} {}", family.name, family.kind.as_str());
        for (labels, series) in all {
            write_series(&mut text, family, labels, series, now);
        }
    }
    text
}

fn write_series(text: &mut String, family: &Family, labels: &[Name], series: &Series, now: Timestamp) {
    match series {
        Series::Number(number) => line(text, family, "", labels, None, number),
        Series::Spread(counts, count, sum) => {
            let Kind::Histogram(bounds) = family.kind else { return };
            let mut until = 0;
            for (bound, own) in bounds.iter().zip(counts) {
                until += own;
                let bound = Number::thousandths(*bound).to_string();
                line(text, family, "_bucket", labels, Some(("le", &bound)), until);
            }
            line(text, family, "_bucket", labels, Some(("le", "+Inf")), count);
            totals(text, family, labels, *count, *sum);
        }
        Series::Recent(recent, count, sum) => {
            let fresh = recent.iter().filter(|(at, _)| now.since_ms(*at) <= RECENT_MS);
            let mut fresh: Vec<i64> = fresh.map(|(_, ms)| *ms).collect();
            fresh.sort_unstable();
            for (name, percent) in QUANTILES {
                let rank = (fresh.len() * percent).div_ceil(100).saturating_sub(1);
                let value = fresh
                    .get(rank)
                    .map_or_else(|| "NaN".to_owned(), |ms| Number::thousandths(*ms).to_string());
                line(text, family, "", labels, Some(("quantile", name)), value);
            }
            totals(text, family, labels, *count, *sum);
        }
    }
}

fn totals(text: &mut String, family: &Family, labels: &[Name], count: u64, sum_ms: i128) {
    let sum = Number::thousandths(i64::try_from(sum_ms).unwrap_or(i64::MAX));
    line(text, family, "_sum", labels, None, sum);
    line(text, family, "_count", labels, None, count);
}

fn line(
    text: &mut String,
    family: &Family,
    suffix: &str,
    labels: &[Name],
    extra: Option<(&str, &str)>,
    value: impl std::fmt::Display,
) {
    let _ = write!(text, "{}{suffix}", family.name);
    let own = family.labels.iter().copied().zip(labels.iter().map(Name::as_str));
    for (index, (name, value)) in own.chain(extra).enumerate() {
        let opening = if index == 0 { '{' } else { ',' };
        let _ = write!(text, "{opening}{name}=\"{}\"", escaped(value, true));
    }
    let closing = if labels.is_empty() && extra.is_none() { "" } else { "}" };
    let _ = writeln!(text, "{closing} {value}");
}

fn escaped(text: &str, quotes: bool) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { escaped.replace('"', "\\\"") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COUNTER: Family = Family::counter("a_total", &["x", "y"], "Counts.");
    static SPREAD: Family = Family::histogram("b_seconds", &[500, 1_000], &[], "Spreads.");
    static RECENT: Family = Family::summary("c_seconds", &[], "Of late.");

    #[test]
    fn counters_histograms_and_summaries() {
        let mut registry = Registry::default();
        registry.count(&COUNTER, &["say \"hi\"\n", ""]);
        let now = Timestamp(0);
        [400, 700, 3_000].iter().for_each(|ms| registry.observe(&SPREAD, &[], now, *ms));
        [100, 200, 300].iter().for_each(|ms| registry.observe(&RECENT, &[], now, *ms));
        registry.set_now(now);
        let text = render(&registry);
        for expected in [
            "# TYPE a_total counter\na_total{x=\"say \\\"hi\\\"\\n\",y=\"\"} 1\n",
            "b_seconds_bucket{le=\"0.5\"} 1\nb_seconds_bucket{le=\"1\"} 2\nb_seconds_bucket{le=\"+Inf\"} 3\n",
            "b_seconds_sum 4.1\nb_seconds_count 3\n",
            "c_seconds{quantile=\"0.5\"} 0.2\n",
            "c_seconds{quantile=\"1\"} 0.3\nc_seconds_sum 0.6\nc_seconds_count 3\n",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        registry.set_now(now.after_ms(RECENT_MS + 1));
        let later = render(&registry);
        assert!(later.contains("c_seconds{quantile=\"0.5\"} NaN\n"), "{later}");
    }
}
