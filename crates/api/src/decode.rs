//! Decodes a built-in kind: the API version is checked, unknown fields are warnings, a bad value is an error.

use cluster::FieldPath;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::belongs::Word;
use crate::object::Object;
use crate::problem::{Reporter, Severity};
use crate::reader::UnknownField;
use crate::{belongs, code, group, reader, schema};

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
    report_unknown::<T>(&unknown, &[], strictness, reporter);
    value.map_err(|error| reporter.unreadable(&FieldPath::root(), error)).ok()
}

/// What was read around what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Around<T> {
    /// What was read; everything unsaid when nothing could be.
    pub(crate) value: T,
    /// Fields with a wrong type, as they are written: they count as unsaid.
    pub(crate) unread: Vec<FieldPath>,
    /// Fields that were meant by unknown ones, as pointers with `*` for the items of lists.
    pub(crate) meant: Vec<String>,
}

/// Like [`decode`], for what is only ours to refuse: what has a wrong type is reported and left out, the rest is read.
pub(crate) fn decode_around<T: DeserializeOwned + Default>(
    object: &Object,
    words: &[Word],
    reporter: &mut Reporter<'_>,
) -> Around<T> {
    /// Nobody reads more of them at once.
    const MOST_ERRORS: usize = 100;
    let mut around = Around::default();
    if !is_served(object, reporter) {
        return around;
    }
    let mut value = object.value().clone();
    for _ in 0..MOST_ERRORS {
        let (read, unknown) = reader::read(&value);
        let error = match read {
            Ok(read) => {
                around.meant = report_unknown::<T>(&unknown, words, Strictness::Refuse, reporter);
                around.value = read;
                return around;
            }
            Err(error) => error,
        };
        let path = error.path.clone().unwrap_or_default();
        let again = around.unread.contains(&path);
        if !again {
            reporter.unreadable(&FieldPath::root(), error);
            around.unread.push(path.clone());
        }
        if !leave_out(&mut value, &path, again) {
            return around;
        }
    }
    around
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

/// Reports what a `T` does not have, and answers which fields were meant.
fn report_unknown<T: DeserializeOwned>(
    unknown: &[UnknownField],
    words: &[Word],
    strictness: Strictness,
    reporter: &mut Reporter<'_>,
) -> Vec<String> {
    let severity = match strictness {
        Strictness::Prune => Severity::Warning,
        Strictness::Refuse => Severity::Error,
    };
    let unknown: Vec<&UnknownField> =
        unknown.iter().filter(|field| !field.path.0.starts_with("/status/")).collect();
    let fields = if unknown.is_empty() { Vec::new() } else { schema::fields::<T>() };
    let mut meant = Vec::new();
    for field in unknown {
        let belongs = belongs::belongs(field, &fields, words);
        reporter.unknown_field(severity, field, belongs.as_ref());
        meant.extend(belongs.into_iter().flat_map(|belongs| belongs.fields));
    }
    meant
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
