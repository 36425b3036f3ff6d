//! Helpers of this crate's tests: objects out of JSON values, and a whole input out of several.

use std::sync::Arc;

use serde_json::Value;

use crate::object::{Object, RawObject, read_all};
use crate::problem::Problems;
use crate::{Lowered, Problem, lower};

/// A raw object.
pub(crate) fn raw(value: &Value, document: u32) -> RawObject {
    RawObject { value: Arc::new(value.clone()), root: cluster::FieldPath::root(), document }
}

/// An object with its header read.
pub(crate) fn object(value: &Value) -> Object {
    let mut problems = Problems::default();
    read_all(&[raw(value, 0)], &mut problems).pop().unwrap()
}

/// Lowers YAML documents with the embedded catalog.
pub(crate) fn lowered(yaml: &str) -> Lowered {
    let values = crate::yaml::documents(yaml).unwrap();
    let raws: Vec<RawObject> = values.iter().zip(0..).map(|(value, document)| raw(value, document)).collect();
    lower(&raws, catalog::Catalog::embedded())
}

/// `SEVERITY CODE path: message` a line.
pub(crate) fn shown(problems: &[Problem]) -> String {
    let line = |p: &Problem| format!("{:?} {} [{}] {}\n", p.severity, p.code, p.path, p.message);
    problems.iter().map(line).collect()
}
