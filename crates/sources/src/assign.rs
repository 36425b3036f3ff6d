//! Patches on the command line: `KIND/[NAMESPACE/]NAME:path.to.field=value`.
//!
//! `=` sets (`=null` removes), `+=` appends to a list, `-` at the end removes. Steps of the path are separated by
//! dots; `[0]` is an item, `["a.b/c"]` a key with dots, `[name=web]` the item whose `name` is `web`. The value is
//! YAML. `Cluster:spec.…` stands for the one profile.

use cluster::ObjectKey;
use serde_json::Value;

use crate::edit::{Action, Edit};
use crate::inputs::Inputs;
use crate::pointer;

/// Whether a text is meant to be an assignment, not a patch file's content.
pub(crate) fn is_assignment(text: &str) -> bool {
    let Some((target, _)) = text.trim().split_once(':') else { return false };
    let word =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "{}[]\"'".contains(c));
    !text.trim().contains('\n') && word(target) && text.contains(['=', '-']) && is_after_colon_path(text)
}

fn is_after_colon_path(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_alphanumeric() || c == '[' || c == '_'))
}

/// Reads an assignment; the input says which objects and list items there are.
pub(crate) fn parse(inputs: &Inputs, text: &str) -> Result<Edit, String> {
    let (target, rest) = text.trim().split_once(':').ok_or("expected KIND/NAME:path=value")?;
    let object = object(inputs, target)?;
    let (path, operator, value) = split(rest)?;
    let value = match operator {
        "-" => Value::Null,
        _ => value_of(value)?,
    };
    let target = inputs.find(&object).ok_or_else(|| format!("{object} is not in the input"))?;
    let path = cluster::FieldPath(resolve(&target.value, path)?);
    let action = match (operator, value) {
        ("+=", value) => Action::Append(value),
        (_, Value::Null) => Action::Remove,
        (_, value) => Action::Set(value),
    };
    Ok(Edit { object, path, action })
}

/// The object that `KIND/NAME` or `KIND/NAMESPACE/NAME` names; case and a plural `s` of the kind do not matter.
fn object(inputs: &Inputs, target: &str) -> Result<ObjectKey, String> {
    let mut words = target.split('/');
    let (kind, first, second, more) = (words.next().unwrap_or(""), words.next(), words.next(), words.next());
    if more.is_some() || kind.is_empty() {
        return Err(format!("`{target}` is not KIND/NAME or KIND/NAMESPACE/NAME"));
    }
    let (namespace, name) = match (first, second) {
        (Some(namespace), Some(name)) => (Some(namespace), Some(name)),
        (name, None) => (None, name),
        (None, Some(_)) => (None, None),
    };
    let is_default = |text: &str| if text == "default" { String::new() } else { text.to_owned() };
    let fits = |key: &&ObjectKey| {
        let written = key.kind.as_str().to_lowercase();
        let asked = kind.to_lowercase();
        (written == asked || format!("{written}s") == asked || format!("{written}es") == asked)
            && name.is_none_or(|name| key.name == name)
            && namespace.is_none_or(|namespace| key.namespace == is_default(namespace))
    };
    let mut found = inputs.keys().filter(fits);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key.clone()),
        (Some(one), Some(other)) => Err(format!("`{target}` may be {one} or {other}: name the namespace")),
        (None, _) => Err(format!("`{target}` is not in the input")),
    }
}

/// Path, operator and value; the operator is the first one outside brackets.
fn split(text: &str) -> Result<(&str, &'static str, &str), String> {
    let (mut depth, mut quoted) = (0usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => depth = depth.saturating_sub(1),
            '=' if depth == 0 && !quoted => {
                let (path, value) = (&text[..at], &text[at + 1..]);
                return Ok(match path.strip_suffix('+') {
                    Some(path) => (path, "+=", value),
                    None => (path, "=", value),
                });
            }
            _ => {}
        }
    }
    match text.strip_suffix('-') {
        Some(path) => Ok((path, "-", "")),
        None => Err("expected `=value`, `+=value` or `-` after the path".to_owned()),
    }
}

fn value_of(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::String(String::new()));
    }
    let parsed = crate::rewrite::read_one(&format!("- {text}\n"))
        .ok_or_else(|| format!("`{text}` is no YAML value"))?;
    match parsed.built.value {
        Value::Array(mut items) if items.len() == 1 => Ok(items.remove(0)),
        _ => Err(format!("`{text}` is no YAML value")),
    }
}

/// Turns a path into a pointer.
fn resolve(object: &Value, path: &str) -> Result<String, String> {
    let mut pointer = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let (step, after) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (step, after) =
                    bracket(inner).ok_or_else(|| format!("a bracket of `{path}` is not closed"))?;
                (item(object, &pointer, step)?, after)
            }
            None => {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if step.is_empty() {
            return Err(format!("the path `{path}` has an empty step"));
        }
        pointer = pointer::child(&pointer, &step);
        rest = after;
    }
    if pointer.is_empty() { Err("no field is named".to_owned()) } else { Ok(pointer) }
}

/// What is inside a bracket, and what comes after it.
fn bracket(inner: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = inner.strip_prefix('"') {
        let end = quoted.find("\"]")?;
        return Some((&inner[..end + 2], &quoted[end + 2..]));
    }
    let end = inner.find(']')?;
    Some((&inner[..end], &inner[end + 1..]))
}

fn item(object: &Value, pointer: &str, step: &str) -> Result<String, String> {
    if let Some(key) = step.strip_prefix('"') {
        return Ok(key.strip_suffix('"').unwrap_or(key).to_owned());
    }
    let Some((field, wanted)) = step.split_once('=') else { return Ok(step.to_owned()) };
    let items = pointer::get(object, pointer).and_then(Value::as_array);
    let is_wanted = |item: &Value| match item.get(field) {
        Some(Value::String(text)) => text == wanted,
        Some(Value::Number(number)) => number.to_string() == wanted,
        _ => false,
    };
    let index = items.and_then(|items| items.iter().position(is_wanted));
    index.map(|index| index.to_string()).ok_or_else(|| format!("no item has {field}={wanted}"))
}
