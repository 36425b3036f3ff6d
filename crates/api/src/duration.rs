//! Durations as Go writes them (`1h30m`, `500ms`), which Kubernetes and Karpenter use.
//!
//! Follows Go 1.26 `time.ParseDuration`.

use std::fmt;

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoDuration(String);

impl fmt::Display for NoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration; write a number with a unit, such as 30s, 10m or 720h", self.0)
    }
}

/// Nanoseconds in a unit.
fn unit_nanos(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Parses a duration; milliseconds, rounded down. `0` needs no unit.
pub(crate) fn parse_ms(text: &str) -> Result<i64, NoDuration> {
    let wrong = || NoDuration(text.chars().take(40).collect());
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() || text.len() > 64 {
        return Err(wrong());
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = unit_nanos(unit).ok_or_else(wrong)?;
        nanos = nanos.checked_add(scaled(number, scale).ok_or_else(wrong)?).ok_or_else(wrong)?;
        rest = tail;
    }
    let nanos = if negative { -nanos } else { nanos };
    i64::try_from(nanos).map(|nanos| nanos / 1_000_000).map_err(|_| wrong())
}

/// `number × scale`, where the number may have a fraction.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 30 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += place * i128::from(digit - b'0');
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, ms) in [
            ("720h", 2_592_000_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("500ms", 500),
            ("0", 0),
            ("-5s", -5_000),
            ("1us", 0),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "5", "1d", "h", "1h30", "1..5s", "9999999999h", "Never", "5 s"] {
            assert!(parse_ms(text).is_err(), "{text}");
        }
    }
}
