//! Kubernetes quantities, exactly: `100m`, `1.5Gi`, `2e3`, `128974848`.

use std::fmt;

/// A quantity as an exact number of nano-units (10⁻⁹), as wide as any sane cluster needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityError {
    /// Nothing was written.
    Empty,
    /// Not `<number><suffix>`; says which suffixes exist.
    Malformed(String),
    /// Beyond ±2⁶³ whole units, which the API server caps and no cluster has.
    TooLarge(String),
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuantityError::Empty => {
                f.write_str("a quantity is missing; write a number such as 100m, 2 or 512Mi")
            }
            QuantityError::Malformed(text) => {
                write!(f, "{text:?} is not a quantity; write a number with an optional suffix: ")?;
                f.write_str(
                    "n u m k M G T P E for decimal, Ki Mi Gi Ti Pi Ei for binary, such as 100m or 1.5Gi",
                )
            }
            QuantityError::TooLarge(text) => write!(f, "{text:?} is larger than a quantity can be (2^63-1)"),
        }
    }
}

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Parses by `k8s.io/apimachinery/pkg/api/resource` `ParseQuantity`; fractions below a nano-unit round up.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Empty);
        }
        let malformed = || QuantityError::Malformed(text.chars().take(64).collect());
        let too_large = || QuantityError::TooLarge(text.chars().take(64).collect());
        let (negative, unsigned) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let digits_end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(digits_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(malformed());
        }
        let (binary_power, decimal_power) = suffix_powers(suffix).ok_or_else(malformed)?;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.len() > 30 {
            return Err(too_large());
        }
        let mantissa: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| malformed())? };
        let scaled = mantissa.checked_mul(1i128 << binary_power).ok_or_else(too_large)?;
        let exponent = decimal_power + 9 - i32::try_from(fraction.len()).map_err(|_| too_large())?;
        let nanos = scale_by_ten(scaled, exponent).ok_or_else(too_large)?;
        if nanos > i128::from(i64::MAX) * NANO {
            return Err(too_large());
        }
        Ok(Quantity { nanos: if negative { -nanos } else { nanos } })
    }

    /// A whole number of units.
    pub fn from_units(units: i64) -> Quantity {
        Quantity { nanos: i128::from(units) * NANO }
    }

    /// The sum; saturates.
    pub fn plus(self, other: Quantity) -> Quantity {
        Quantity { nanos: self.nanos.saturating_add(other.nanos) }
    }

    /// The difference; saturates.
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity { nanos: self.nanos.saturating_sub(other.nanos) }
    }

    /// Whole units, where nothing is left over.
    pub fn whole(self) -> Option<i64> {
        i64::try_from(self.nanos / NANO).ok().filter(|_| self.nanos % NANO == 0)
    }

    /// Whole units, rounded up as Kubernetes' `Value()` does.
    pub fn units(self) -> i64 {
        self.rounded_up(NANO)
    }

    /// Thousandths, rounded up as Kubernetes' `MilliValue()` does; saturates.
    pub fn milli(self) -> i64 {
        self.rounded_up(NANO / 1000)
    }

    fn rounded_up(self, divisor: i128) -> i64 {
        let quotient = self.nanos.div_euclid(divisor) + i128::from(self.nanos.rem_euclid(divisor) != 0);
        i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
    }
}

/// `(power of two, power of ten)` of a suffix, or of an exponent such as `e3`.
fn suffix_powers(suffix: &str) -> Option<(u32, i32)> {
    let decimal = |power| Some((0, power));
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => Some((10, 0)),
        "Mi" => Some((20, 0)),
        "Gi" => Some((30, 0)),
        "Ti" => Some((40, 0)),
        "Pi" => Some((50, 0)),
        "Ei" => Some((60, 0)),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            exponent.parse::<i32>().ok().filter(|power| power.abs() <= 40).map(|power| (0, power))
        }
    }
}

/// `value × 10^exponent`, rounded up; `None` when it overflows.
fn scale_by_ten(value: i128, exponent: i32) -> Option<i128> {
    let factor = 10i128.checked_pow(exponent.unsigned_abs());
    match (exponent >= 0, factor) {
        (true, Some(factor)) => value.checked_mul(factor),
        (true, None) => (value == 0).then_some(0),
        (false, Some(factor)) => Some(value.div_euclid(factor) + i128::from(value.rem_euclid(factor) != 0)),
        (false, None) => Some(i128::from(value != 0)),
    }
}

/// Bytes as people write them: `512Mi`, `1.5Gi`, `10k`.
pub fn format_bytes(bytes: i64) -> String {
    for (suffix, shift) in [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
        let unit = 1i64 << shift;
        if bytes.abs() >= unit {
            let tenths = bytes.saturating_mul(10) / unit;
            return if tenths % 10 == 0 {
                format!("{}{suffix}", tenths / 10)
            } else {
                format!("{}.{}{suffix}", tenths / 10, (tenths % 10).abs())
            };
        }
    }
    bytes.to_string()
}

/// CPU as people write it: `250m`, `2`.
pub fn format_cpu(millis: i64) -> String {
    if millis % 1000 == 0 { (millis / 1000).to_string() } else { format!("{millis}m") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_the_api_server_parses() {
        for (text, milli, units) in [
            ("0", 0, 0),
            ("100m", 100, 1),
            ("1.5", 1500, 2),
            (".5", 500, 1),
            ("1.", 1000, 1),
            ("2e3", 2_000_000, 2000),
            ("1.5Gi", 1_610_612_736_000, 1_610_612_736),
            ("128974848", 128_974_848_000, 128_974_848),
            ("1E", i64::MAX, 1_000_000_000_000_000_000),
            ("1n", 1, 1),
            ("-1", -1000, -1),
            ("+2", 2000, 2),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!((quantity.milli(), quantity.units()), (milli, units), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_api_server_refuses() {
        for text in
            ["", "Gi", "1.2.3", "1gi", "one", "1e", "1e99", "- 1", "99999999999999999999", "0x10", "1 Gi"]
        {
            assert!(Quantity::parse(text).is_err(), "{text:?}");
        }
    }
}
