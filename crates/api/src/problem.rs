//! Something wrong with the input.

use cluster::FieldPath;

/// Something wrong with one object of the input, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad.
    pub severity: Severity,
    /// Stable code, e.g. `CONF101`.
    pub code: &'static str,
    /// The document, as in [`crate::RawObject::document`].
    pub document: u32,
    /// The field inside the document.
    pub path: FieldPath,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// Judged all the same, as far as it can be understood.
    Warning,
    /// The API server would refuse the object: it does not take part.
    Error,
}
