//! JSON text with positions (RFC 8259), several values in a row included.
//!
//! Strict: what this refuses is tried as YAML's flow style next, as kubectl does. It exists beside the YAML reader
//! because JSON's surrogate pairs (`"\ud83d\ude00"`) are no YAML, and because dumps are large.

use serde_json::{Number, Value};

use crate::builder::{Builder, Fault};
use crate::codes;
use crate::node::{Bytes, Style};

enum Expect {
    Value,
    FirstKey,
    Key,
    FirstItem,
    Separator,
}

/// Reads one value that starts at or after `start`; gives the offset after it.
pub(crate) fn read(text: &str, start: usize, builder: &mut Builder<'_>) -> Result<usize, Fault> {
    let mut reader = Reader { text, at: start };
    let mut maps: Vec<bool> = Vec::new();
    let mut expect = Expect::Value;
    loop {
        reader.space();
        let (byte, at) = (reader.byte(), reader.at);
        expect = match (expect, byte, maps.last()) {
            (Expect::FirstItem, Some(b']'), Some(false))
            | (Expect::Separator, Some(b']'), Some(false))
            | (Expect::FirstKey | Expect::Separator, Some(b'}'), Some(true)) => {
                reader.at += 1;
                builder.end(Some(Bytes::new(at, reader.at)))?;
                maps.pop();
                Expect::Separator
            }
            (Expect::Separator, Some(b','), Some(is_map)) => {
                reader.at += 1;
                if *is_map { Expect::Key } else { Expect::Value }
            }
            (Expect::FirstKey | Expect::Key, Some(b'"'), _) => {
                let key = reader.string()?;
                builder.key(key, Bytes::new(at, reader.at), false);
                reader.space();
                reader.take(b':')?;
                Expect::Value
            }
            (Expect::Value | Expect::FirstItem, Some(b'{' | b'['), _) => {
                let is_map = byte == Some(b'{');
                reader.at += 1;
                let style = if is_map { Style::FlowMap } else { Style::FlowList };
                builder.start(is_map, Bytes::new(at, reader.at), style, 0)?;
                maps.push(is_map);
                if is_map { Expect::FirstKey } else { Expect::FirstItem }
            }
            (Expect::Value | Expect::FirstItem, Some(_), _) => {
                let style = if byte == Some(b'"') { Style::Double } else { Style::Plain };
                let value = reader.scalar()?;
                builder.scalar(value, Bytes::new(at, reader.at), style, 0)?;
                Expect::Separator
            }
            _ => return Err(reader.fault("this is not JSON")),
        };
        if builder.is_done() {
            return Ok(reader.at);
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn fault(&self, message: &str) -> Fault {
        Fault::new(codes::SYNTAX, Bytes::new(self.at, self.at), message)
    }

    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        if self.byte() != Some(byte) {
            return Err(self.fault(&format!("expected `{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<Value, Fault> {
        if self.byte() == Some(b'"') {
            return self.string().map(Value::String);
        }
        let rest = self.text.get(self.at..).unwrap_or("");
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let word = rest.get(..length).unwrap_or("");
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number(word).ok_or_else(|| self.fault("expected a value"))?,
        };
        self.at += length;
        Ok(value)
    }

    /// A string, from its opening quote.
    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                None | Some(0..0x20) => return Err(self.fault("the string has no end on this line")),
                Some(b'"') => break,
                Some(b'\\') => (escaped, end) = (true, end + 2),
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        if !escaped {
            return Ok(self.text.get(start + 1..end).unwrap_or("").to_owned());
        }
        let quoted = self.text.get(start..self.at).unwrap_or("");
        serde_json::from_str(quoted).map_err(|_| {
            Fault::new(
                codes::SYNTAX,
                Bytes::new(start, self.at),
                "the string has an escape that JSON does not know",
            )
        })
    }
}

/// A number as Go hands it on: whole floats lose their point.
fn number(word: &str) -> Option<Value> {
    let number: Number = serde_json::from_str(word).ok()?;
    // serde_json's own conversion to floats may be off by one in the last place.
    if number.is_f64() { crate::scalar::float_value(word.parse().ok()?) } else { Some(Value::Number(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::node::Node;

    fn load(text: &str) -> Result<(Value, Node, usize), Fault> {
        let (limits, mut budget) = (Limits::default(), 0);
        let mut builder = Builder::new(&limits, &mut budget);
        let end = read(text, 0, &mut builder)?;
        let built = builder.finish().unwrap();
        Ok((built.value, built.node, end))
    }

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            r#"{"a": [1, -2.5, 1e3, true, null, "x\n\u00e9\ud83d\ude00"], "b": {}, "c": []}"#,
            "[]",
            "\"\"",
            "12",
            "[[[]],{\"a\":{\"b\":[{}]}}]",
        ] {
            let (value, _, end) = load(text).unwrap();
            let mut expected: Value = serde_json::from_str(text).unwrap();
            if let Some(float) = expected.pointer_mut("/a/2") {
                *float = 1000.into();
            }
            assert_eq!(value, expected);
            assert_eq!(end, text.len());
        }
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a: 1}",
            "[1 2]",
            "{\"a\" 1}",
            "[1}",
            "\"a",
            "\"\\x\"",
            "nul",
            "01",
            "\"a\\",
        ] {
            assert!(load(text).is_err(), "{text}");
        }
    }

    #[test]
    fn knows_where_values_are() {
        let text = r#" {"a": {"bé": "x"}} {"#;
        let (value, node, end) = load(text).unwrap();
        let (found, exact) = node.nearest(&value, "/a/bé");
        assert!(exact);
        assert_eq!(&text[found.key.range()], "\"bé\"");
        assert_eq!(&text[found.value.range()], "\"x\"");
        assert_eq!(&text[..end], r#" {"a": {"bé": "x"}}"#);
    }
}
