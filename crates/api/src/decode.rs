//! Decodes a built-in kind: the API version is checked, unknown fields are warnings, a bad value is an error.

use cluster::FieldPath;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::object::Object;
use crate::problem::{Reporter, Severity};
use crate::reader::UnknownField;
use crate::{code, group, reader};

/// How strict the API server is with fields that a kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Built-in kinds: the field is dropped with a warning.
    Prune,
    /// Kinds whose objects are refused (strict field validation, which kubectl asks for; the profile).
    Refuse,
}

/// Decodes the object's body; `None` when it was refused.
pub(crate) fn decode<T: DeserializeOwned>(
    object: &Object,
    strictness: Strictness,
    reporter: &mut Reporter<'_>,
) -> Option<T> {
    if !is_served(object, reporter) {
        return None;
    }
    let (value, unknown) = reader::read(object.value());
    report_unknown(&unknown, strictness, reporter);
    value.map_err(|error| reporter.unreadable(&FieldPath::root(), error)).ok()
}

/// Like [`decode`], for what is only ours to refuse: what has a wrong type is reported and left out, the rest is read.
pub(crate) fn decode_around<T: DeserializeOwned>(
    object: &Object,
    strictness: Strictness,
    reporter: &mut Reporter<'_>,
) -> Option<T> {
    /// Nobody reads more of them at once.
    const MOST_ERRORS: usize = 100;
    if !is_served(object, reporter) {
        return None;
    }
    let mut value = object.value().clone();
    let mut told: Vec<FieldPath> = Vec::new();
    for _ in 0..MOST_ERRORS {
        let (read, unknown) = reader::read(&value);
        let error = match read {
            Ok(read) => {
                report_unknown(&unknown, strictness, reporter);
                return Some(read);
            }
            Err(error) => error,
        };
        let path = error.path.clone().unwrap_or_default();
        let again = told.contains(&path);
        if !again {
            reporter.unreadable(&FieldPath::root(), error);
            told.push(path.clone());
        }
        if !leave_out(&mut value, &path, again) {
            return None;
        }
    }
    None
}

/// Takes a field away. An item of a list becomes an empty one, so that those after it keep their places.
fn leave_out(value: &mut Value, path: &FieldPath, again: bool) -> bool {
    let Some((parent, last)) = path.0.rsplit_once('/') else { return false };
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => map.shift_remove(&last.replace("~1", "/").replace("~0", "~")).is_some(),
        Some(Value::Array(list)) => {
            let item = last.parse::<usize>().ok().and_then(|index| list.get_mut(index));
            let empty = if again { Value::String(String::new()) } else { Value::Object(Map::new()) };
            item.map(|item| *item = empty).is_some()
        }
        _ => false,
    }
}

fn is_served(object: &Object, reporter: &mut Reporter<'_>) -> bool {
    if let Some(version) = group::version_to_write(&object.key.kind, &object.group, &object.version) {
        let written = object.field("/apiVersion").and_then(Value::as_str).unwrap_or_default();
        let message = format!("no matches for kind {:?} in version {written:?}", object.key.kind.as_str());
        reporter.error(
            &FieldPath::of("/apiVersion"),
            code::WRONG_API_VERSION,
            message,
            format!("write `apiVersion: {version}`"),
        );
        return false;
    }
    check_name(object, reporter);
    true
}

fn report_unknown(unknown: &[UnknownField], strictness: Strictness, reporter: &mut Reporter<'_>) {
    let severity = match strictness {
        Strictness::Prune => Severity::Warning,
        Strictness::Refuse => Severity::Error,
    };
    for field in unknown.iter().filter(|field| !field.path.0.starts_with("/status/")) {
        reporter.unknown_field(severity, &FieldPath::root(), field);
    }
}

/// Names are DNS subdomains (`validation.NameIsDNSSubdomain`); a generated name only has to begin like one.
fn check_name(object: &Object, reporter: &mut Reporter<'_>) {
    let name = object.key.name.as_str();
    let written = object.field("/metadata/name").is_some_and(|name| !name.is_null());
    if written && !is_subdomain(name) {
        let path = FieldPath::of("/metadata/name");
        let message = format!(
            "{path}: {name:?} is not a name: lower case letters, digits, '-' and '.' only, a letter or digit at both ends"
        );
        reporter.error(&path, code::BAD_VALUE, message, "");
    }
}

/// At most 253 characters, of parts as in [`crate::requirement::is_qualified`]'s prefix.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}
