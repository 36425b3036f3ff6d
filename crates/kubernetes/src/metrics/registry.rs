//! The values of families, by their labels. Decimal numbers without floats: millionths.

use std::collections::{BTreeMap, VecDeque};

use cluster::{Name, Timestamp};

use super::family::{Family, Kind};

/// How long a summary remembers, milliseconds.
const REMEMBERS_MS: i64 = 10 * 60_000;
/// The most that it remembers.
const REMEMBERS: usize = 2_000;

/// A decimal number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(i128);

impl Number {
    /// A whole number.
    pub fn whole(number: impl Into<i128>) -> Number {
        Number(number.into().saturating_mul(1_000_000))
    }

    /// So many.
    pub fn count(number: usize) -> Number {
        Number::whole(i128::try_from(number).unwrap_or(i128::MAX))
    }

    /// Thousandths: CPUs of millis, seconds of milliseconds.
    pub fn thousandths(number: i64) -> Number {
        Number(i128::from(number) * 1_000)
    }

    /// Millionths: dollars of micro-dollars.
    pub fn millionths(number: i64) -> Number {
        Number(i128::from(number))
    }

    /// A hundred times one by the other; `None` of nothing.
    pub fn percent(part: i64, whole: i64) -> Option<Number> {
        (whole != 0).then(|| Number(i128::from(part) * 100_000_000 / i128::from(whole)))
    }

    /// An amount of a resource, as upstream writes it: CPUs in whole ones, the rest as it is.
    pub fn amount(resource: &str, amount: i64) -> Number {
        if resource == "cpu" { Number::thousandths(amount) } else { Number::whole(amount) }
    }

    /// 1 or 0.
    pub fn flag(holds: bool) -> Number {
        Number::whole(i32::from(holds))
    }
}

impl std::ops::AddAssign for Number {
    fn add_assign(&mut self, other: Number) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
    }
}

/// One series.
#[derive(Clone, Debug)]
pub enum Series {
    /// A counter or a gauge.
    Number(Number),
    /// How many were at most as long as each bound (not summed up), how many there were, and their sum.
    Spread(Vec<u64>, u64, i128),
    /// Durations of late with their instants, how many there were ever, and their sum, in milliseconds.
    Recent(VecDeque<(Timestamp, i64)>, u64, i128),
}

/// Families with their series.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    families: BTreeMap<&'static str, (&'static Family, BTreeMap<Vec<Name>, Series>)>,
    now: Timestamp,
}

impl Registry {
    /// When it is read: a summary forgets what was long before.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// When it is read.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Adds to a counter.
    pub fn add(&mut self, family: &'static Family, labels: &[&str], number: Number) {
        if let Series::Number(known) = self.series(family, labels) {
            *known += number;
        }
    }

    /// Counts one.
    pub fn count(&mut self, family: &'static Family, labels: &[&str]) {
        self.add(family, labels, Number::whole(1));
    }

    /// Sets a gauge.
    pub fn set(&mut self, family: &'static Family, labels: &[&str], number: Number) {
        *self.series(family, labels) = Series::Number(number);
    }

    /// Takes note of a duration, milliseconds.
    pub fn observe(&mut self, family: &'static Family, labels: &[&str], now: Timestamp, ms: i64) {
        let ms = ms.max(0);
        match self.series(family, labels) {
            Series::Spread(counts, count, sum) => {
                if let Kind::Histogram(bounds) = family.kind
                    && let Some(index) = bounds.iter().position(|bound| ms <= *bound)
                {
                    counts[index] += 1;
                }
                *count += 1;
                *sum += i128::from(ms);
            }
            Series::Recent(recent, count, sum) => {
                let old = |(at, _): &(Timestamp, i64)| now.since_ms(*at) > REMEMBERS_MS;
                while recent.len() >= REMEMBERS || recent.front().is_some_and(old) {
                    recent.pop_front();
                }
                recent.push_back((now, ms));
                *count += 1;
                *sum += i128::from(ms);
            }
            Series::Number(_) => {}
        }
    }

    /// Takes in what another has; of a series that both have, the other's.
    pub fn merge(&mut self, other: Registry) {
        for (name, (family, series)) in other.families {
            self.families.entry(name).or_insert_with(|| (family, BTreeMap::new())).1.extend(series);
        }
    }

    /// Everything, by name and labels.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Family, &BTreeMap<Vec<Name>, Series>)> {
        self.families.values().map(|(family, series)| (*family, series))
    }

    /// The number of one series.
    #[cfg(test)]
    pub fn get(&self, family: &'static Family, labels: &[&str]) -> Option<Number> {
        let labels: Vec<Name> = labels.iter().map(|label| Name::from(*label)).collect();
        match self.families.get(family.name)?.1.get(&labels)? {
            Series::Number(number) => Some(*number),
            Series::Spread(_, count, _) | Series::Recent(_, count, _) => Some(Number::whole(*count)),
        }
    }

    fn series(&mut self, family: &'static Family, labels: &[&str]) -> &mut Series {
        debug_assert_eq!(family.labels.len(), labels.len(), "labels of {}", family.name);
        let labels = labels.iter().map(|label| Name::from(*label)).collect();
        let (_, all) = self.families.entry(family.name).or_insert_with(|| (family, BTreeMap::new()));
        all.entry(labels).or_insert_with(|| match family.kind {
            Kind::Counter | Kind::Gauge => Series::Number(Number::default()),
            Kind::Histogram(bounds) => Series::Spread(vec![0; bounds.len()], 0, 0),
            Kind::Summary => Series::Recent(VecDeque::new(), 0, 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let said = |number: Number| number.to_string();
        assert_eq!(said(Number::thousandths(1_250)), "1.25");
        assert_eq!(said(Number::amount("memory", i64::MAX)), "9223372036854775807");
        assert_eq!(said(Number::millionths(-27_147)), "-0.027147");
        assert_eq!(Number::percent(1, 3).map(said), Some("33.333333".to_owned()));
        assert_eq!(Number::percent(1, 0), None);
    }
}
