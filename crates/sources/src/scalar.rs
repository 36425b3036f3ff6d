//! What a plain scalar is: a string, a number, a boolean or nothing.
//!
//! Follows `kubernetes-sigs/yaml` v1.4, `goyaml.v2/resolve.go` (what kubectl and Helm read with): YAML 1.2's core
//! schema, the booleans of YAML 1.1 (`y`, `yes`, `on` and their opposites), octals with a leading zero,
//! underscores in integers, and floats that are whole turned into integers on their way to JSON. Timestamps stay
//! strings.

use std::borrow::Cow;

use serde_json::{Number, Value};

/// Why a scalar has no value in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScalarError {
    /// `.nan`, `.inf`.
    NotFinite,
    /// A tag that its text does not obey: `!!int x`.
    Tag(String),
}

/// The value of an unquoted scalar without a tag.
pub(crate) fn resolve(text: Cow<'_, str>) -> Result<Value, ScalarError> {
    match text.bytes().next() {
        None => Ok(Value::Null),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            Ok(word(&text).unwrap_or_else(|| Value::String(text.into_owned())))
        }
        Some(b'.' | b'+' | b'-' | b'0'..=b'9') => number(text),
        Some(_) => Ok(Value::String(text.into_owned())),
    }
}

/// The value of a scalar with one of YAML's own tags (`!!str` …), named without its handle.
pub(crate) fn resolve_tagged(tag: &str, text: Cow<'_, str>) -> Result<Value, ScalarError> {
    let wrong = |text: &str| ScalarError::Tag(format!("cannot read `{}` as !!{tag}", short(text)));
    match tag {
        "bool" | "int" | "float" | "null" => {
            let value = resolve(Cow::Borrowed(&text))?;
            let fits = match tag {
                "bool" => value.is_boolean(),
                "null" => value.is_null(),
                "int" => value.is_i64() || value.is_u64(),
                _ => value.is_number(),
            };
            if fits { Ok(value) } else { Err(wrong(&text)) }
        }
        "binary" => crate::base64::decode(&text).map(Value::String).ok_or_else(|| wrong(&text)),
        _ => Ok(Value::String(text.into_owned())),
    }
}

/// Whether an unquoted `text` would be read as that very string.
pub(crate) fn is_string(text: &str) -> bool {
    matches!(resolve(Cow::Borrowed(text)), Ok(Value::String(_)))
}

/// The text of a key that is not a string in YAML: `1`, `1.5`, `true`. Nothing for null, lists and maps.
pub(crate) fn key_text(key: Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn word(text: &str) -> Option<Value> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Value::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Value::Bool(false))
        }
        "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        _ => None,
    }
}

fn number(text: Cow<'_, str>) -> Result<Value, ScalarError> {
    if is_not_finite(&text) {
        return Err(ScalarError::NotFinite);
    }
    let digits: Cow<'_, str> = if text.contains('_') && !text.starts_with('.') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(&text)
    };
    if let Some(value) = integer(&digits) {
        return Ok(value);
    }
    let float = if is_float(&digits) { digits.parse::<f64>().ok().and_then(float_value) } else { None };
    if let Some(value) = float {
        return Ok(value);
    }
    drop(digits);
    Ok(Value::String(text.into_owned()))
}

fn is_not_finite(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn integer(text: &str) -> Option<Value> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        Some("0o" | "0O") => (8, &unsigned[2..]),
        Some("0b" | "0B") => (2, &unsigned[2..]),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        i64::try_from(-i128::from(number)).ok().map(Value::from)
    } else if text.starts_with('+') {
        i64::try_from(number).ok().map(Value::from)
    } else {
        Some(Value::from(number))
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && (!whole.is_empty() || !fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A float as Go writes it to JSON: whole numbers lose their point.
pub(crate) fn float_value(float: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        return Some(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number)
}

/// Turns whole floats into integers, everywhere in a value: as it would be after it was written and read.
pub(crate) fn canonical(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(new) = number.as_f64().and_then(float_value) {
                *value = new;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonical),
        Value::Object(map) => map.values_mut().for_each(canonical),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        resolve(Cow::Borrowed(text)).unwrap()
    }

    // What `kubectl label --local -o json` (v1.32) prints for each of these.
    #[test]
    fn scalars_are_what_kubectl_reads() {
        for (text, value) in [
            ("0755", json!(493)),
            ("08", json!(8)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("-0b11", json!(-3)),
            ("1.0", json!(1)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("+.5", json!(0.5)),
            ("+12", json!(12)),
            ("1_000", json!(1000)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("123456789012345678901", json!(123456789012345680000.0)),
            ("yes", json!(true)),
            ("n", json!(false)),
            ("Off", json!(false)),
            ("~", Value::Null),
            ("", Value::Null),
            ("null", Value::Null),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
    }

    #[test]
    fn strings_stay_strings() {
        for text in [
            "2026-01-01",
            "2026-01-01T00:00:00Z",
            "12:30:45",
            "3 4",
            "yEs",
            "nULL",
            "1.2.3",
            "10.0.0.0/24",
            "100m",
            "0x",
            "-",
            "+",
            ".",
            "...",
            "0b2",
            "1e999",
            "1e",
            "e3",
            "1e+",
            "0o8",
            "._5",
            "truely",
            "1Gi",
            "--",
            "0xg",
            "_1",
        ] {
            assert_eq!(read(text), json!(text), "{text}");
        }
    }

    #[test]
    fn what_json_cannot_carry_is_refused() {
        for text in [".nan", ".inf", "-.Inf", "+.INF"] {
            assert_eq!(resolve(Cow::Borrowed(text)), Err(ScalarError::NotFinite), "{text}");
        }
    }

    #[test]
    fn tags_decide() {
        let tagged = |tag: &str, text: &'static str| resolve_tagged(tag, Cow::Borrowed(text));
        assert_eq!(tagged("str", "12"), Ok(json!("12")));
        assert_eq!(tagged("int", "12"), Ok(json!(12)));
        assert_eq!(tagged("float", "12"), Ok(json!(12)));
        assert_eq!(tagged("binary", "aGk="), Ok(json!("hi")));
        assert!(tagged("int", "twelve").is_err());
        assert!(tagged("bool", "1").is_err());
    }
}
