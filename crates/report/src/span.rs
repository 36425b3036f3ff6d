//! From fields of objects to places in files.

use cluster::Location;
use sources::{Inputs, Span};

/// Where a field is written; `None` for what the input does not hold (an add-on of the profile resolves to the
/// profile).
pub fn of(inputs: &Inputs, location: &Location) -> Option<Span> {
    inputs.span(location)
}

/// `file:line:column`, or the object and the field when it is not in a file.
pub fn place(inputs: &Inputs, location: &Location) -> String {
    match of(inputs, location) {
        Some(span) => format!("{}:{}:{}", span.name, span.line, span.column),
        None if location.path.0.is_empty() => location.object.to_string(),
        None => format!("{} {}", location.object, location.path),
    }
}
