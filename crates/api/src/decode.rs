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
