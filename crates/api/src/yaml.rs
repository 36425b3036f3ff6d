//! Reads the YAML that is embedded in this crate: the add-ons' manifests. The user's YAML, with its file positions,
//! is the business of the crate `sources`.
//!
//! Scalars resolve by YAML 1.2's core schema.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// The documents of a stream; empty ones are left out.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut documents = Vec::new();
    let mut stack: Vec<Level> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let value = match event {
            Event::SequenceStart(..) => {
                stack.push(Level::List(Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                stack.push(Level::Fields(Map::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => stack.pop().map(Level::value),
            Event::Scalar(text, style, ..) => Some(scalar(&text, style)),
            Event::Alias(_) => return Err("aliases are not read".to_owned()),
            _ => None,
        };
        if stack.len() > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        match (value, stack.last_mut()) {
            (Some(value), Some(level)) => level.add(value),
            (Some(Value::Null), None) | (None, _) => {}
            (Some(value), None) => documents.push(value),
        }
    }
    Ok(documents)
}

enum Level {
    List(Vec<Value>),
    Fields(Map<String, Value>, Option<String>),
}

impl Level {
    fn add(&mut self, value: Value) {
        match self {
            Level::List(items) => items.push(value),
            Level::Fields(fields, key) => match key.take() {
                None => *key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                Some(key) => {
                    fields.insert(key, value);
                }
            },
        }
    }

    fn value(self) -> Value {
        match self {
            Level::List(items) => Value::Array(items),
            Level::Fields(fields, _) => Value::Object(fields),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => {
            let integer = text.parse::<i64>().ok().map(Value::from);
            let float = || {
                let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
                text.parse::<f64>().ok().filter(|_| plain).map(Value::from)
            };
            integer.or_else(float).unwrap_or_else(|| Value::String(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_the_add_ons_use() {
        let text = "a: 1\nb: \"1\"\nc: [true, x, 0.5, 10m]\nd: {e: null}\n---\n# nothing\n---\nf:\n- g\n";
        let documents = documents(text).unwrap();
        assert_eq!(
            documents,
            [json!({"a": 1, "b": "1", "c": [true, "x", 0.5, "10m"], "d": {"e": null}}), json!({"f": ["g"]})]
        );
    }
}
