//! Decodes a built-in kind: the API version is checked, unknown fields are warnings, a bad value is an error.

use cluster::FieldPath;
use serde::de::DeserializeOwned;

use crate::object::Object;
use crate::problem::{Reporter, Severity};
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
    if let Some(version) = group::version_to_write(&object.key.kind, &object.group, &object.version) {
        let written = object.field("/apiVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
        let message = format!("no matches for kind {:?} in version {written:?}", object.key.kind.as_str());
        reporter.error(
            &FieldPath::of("/apiVersion"),
            code::WRONG_API_VERSION,
            message,
            format!("write `apiVersion: {version}`"),
        );
        return None;
    }
    check_name(object, reporter);
    let (value, unknown) = reader::read(object.value());
    let severity = match strictness {
        Strictness::Prune => Severity::Warning,
        Strictness::Refuse => Severity::Error,
    };
    for field in unknown.iter().filter(|field| !field.path.0.starts_with("/status/")) {
        reporter.unknown_field(severity, &FieldPath::root(), field);
    }
    value.map_err(|error| reporter.unreadable(&FieldPath::root(), error)).ok()
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
