//! Values as YAML or JSON text, in the style of what stands around them.
//!
//! What is written here is read back as the same value by `yaml`; the tests hold both to it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::node::Style;
use crate::scalar;

/// How the text around is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    /// JSON: everything in quotes, no block style.
    pub json: bool,
    /// How much further than its key the dash of a list stands.
    pub dash: usize,
}

/// Columns that one level is further in.
pub(crate) const INDENT: usize = 2;

/// Whether a value has to be written over several lines in block style.
pub(crate) fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A value on one line: a scalar, or a collection in brackets. `like` is how its neighbour is written.
pub(crate) fn flow(value: &Value, like: Style, layout: Layout) -> String {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let key = text(key, Style::Plain, true, layout);
                format!("{key}: {}", flow(value, like, layout))
            });
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| flow(item, like, layout));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        scalar => inline(scalar, like, true, layout),
    }
}

/// A scalar, or an empty collection, on one line.
pub(crate) fn inline(value: &Value, like: Style, in_flow: bool, layout: Layout) -> String {
    match value {
        Value::String(string) => text(string, like, in_flow, layout),
        other => other.to_string(),
    }
}

/// `key: value` in block style; the first line is not indented, further lines are at least by `indent`.
pub(crate) fn entry(key: &str, value: &Value, like: Style, indent: usize, layout: Layout) -> String {
    let mut out = text(key, Style::Plain, false, layout);
    out.push(':');
    out.push_str(&after_key(value, like, indent, layout));
    out
}

/// What comes after `key:`, the space or line break before it included.
pub(crate) fn after_key(value: &Value, like: Style, indent: usize, layout: Layout) -> String {
    let inner = if value.is_array() { indent + layout.dash } else { indent + INDENT };
    match value {
        Value::String(string) if is_literal(string, like) => format!(" {}", literal(string, indent + INDENT)),
        value if is_block(value) => format!("\n{:inner$}{}", "", block(value, inner, layout)),
        value => format!(" {}", inline(value, like, false, layout)),
    }
}

/// What comes after the dash of an item in column `indent`, without the space between.
pub(crate) fn after_dash(value: &Value, like: Style, indent: usize, layout: Layout) -> String {
    match value {
        Value::String(string) if is_literal(string, like) => literal(string, indent + INDENT),
        value if is_block(value) => block(value, indent + INDENT, layout),
        value => inline(value, like, false, layout),
    }
}

/// A value in block style, its lines in column `indent`; the first line is not indented.
pub(crate) fn block(value: &Value, indent: usize, layout: Layout) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (index, (key, value)) in map.iter().enumerate() {
                separate(&mut out, index, indent);
                out.push_str(&entry(key, value, Style::Plain, indent, layout));
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                separate(&mut out, index, indent);
                out.push_str("- ");
                out.push_str(&after_dash(item, Style::Plain, indent, layout));
            }
        }
        other => out.push_str(&inline(other, Style::Plain, false, layout)),
    }
    out
}

fn separate(out: &mut String, index: usize, indent: usize) {
    if index > 0 {
        let _ = write!(out, "\n{:indent$}", "");
    }
}

/// A string on one line: as its neighbour is quoted, without quotes where they are not needed.
pub(crate) fn text(string: &str, like: Style, in_flow: bool, layout: Layout) -> String {
    let printable = !string.contains(is_special);
    if layout.json || !printable {
        return quoted(string);
    }
    match like {
        Style::Double => quoted(string),
        Style::Single => format!("'{}'", string.replace('\'', "''")),
        _ if is_plain(string, in_flow) => string.to_owned(),
        _ => quoted(string),
    }
}

/// What may only be written with an escape, or would be folded.
fn is_special(c: char) -> bool {
    c < ' '
        || ('\u{7f}'..='\u{9f}').contains(&c)
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn quoted(string: &str) -> String {
    let mut out = String::with_capacity(string.len() + 2);
    out.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_special(c) => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_plain(string: &str, in_flow: bool) -> bool {
    let mut chars = string.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next();
    let starts = match first {
        '-' | '?' | ':' => second.is_some_and(|c| c != ' ' && !(in_flow && ",[]{}".contains(c))),
        _ => !",[]{}#&*!|>'\"%@`= \t\u{a0}".contains(first),
    };
    starts
        && scalar::is_string(string)
        && !string.ends_with([' ', ':', '\t'])
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.contains('\t')
        && !(in_flow && (string.contains([',', '[', ']', '{', '}', ':']) || string.ends_with('-')))
        && !string.starts_with("---")
        && !string.starts_with("...")
        && string != "<<"
}

/// Whether a string is written as a block scalar: text of several lines that needs no indicator.
fn is_literal(string: &str, like: Style) -> bool {
    let lines = string.contains('\n') || like == Style::Block;
    let body = string.strip_suffix('\n').unwrap_or(string);
    lines
        && !body.is_empty()
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && !string.chars().any(|c| is_special(c) && c != '\n' && c != '\t')
        && body.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

fn literal(string: &str, indent: usize) -> String {
    let (header, body) = match string.strip_suffix('\n') {
        Some(body) => ("|", body),
        None => ("|-", string),
    };
    let mut out = header.to_owned();
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            let _ = write!(out, "{:indent$}{line}", "");
        }
    }
    out
}
