//! The report for programs: one JSON document with a published schema.
//!
//! Everything that the text says is in it, and every other rendering for programs is made from it.

mod cluster;
mod finding;
mod remedy;
pub mod waves;

use schemars::JsonSchema;
use serde::Serialize;

use crate::Report;
pub use cluster::{AssumptionReport, ClusterReport, DefaultReport};
pub use finding::{FindingReport, LinkReport, ObjectRef, Place, ProblemReport, Suppressed};
pub use remedy::{ChangeReport, DiffReport, EditReport, RejectedReport, RemedyReport, SearchReport};

/// The schema's own address; it changes with the version.
pub const SCHEMA_ID: &str = "https://plimsoll.dev/schema/v1alpha1/report.json";

/// A report of plimsoll: what `-o json` prints. Fields are added within a version, never renamed or removed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    /// The version of this format.
    #[schemars(extend("const" = "plimsoll.dev/v1alpha1"))]
    pub api_version: &'static str,
    /// What it is.
    #[schemars(extend("const" = "Report"))]
    pub kind: &'static str,
    /// The version of plimsoll that wrote it.
    pub plimsoll_version: &'static str,
    /// The command: `check`, `simulate`, …
    pub command: String,
    /// The exit code that the command ended with.
    pub exit_code: u8,
    /// How many errors are not suppressed.
    pub errors: usize,
    /// How many warnings are not suppressed.
    pub warnings: usize,
    /// How many errors, warnings and notes are suppressed.
    pub suppressed: usize,
    /// The judged clusters, in the order asked for.
    pub clusters: Vec<ClusterReport<'a>>,
    /// Suppressions that suppress nothing, or cannot.
    pub suppression_problems: Vec<ProblemReport>,
}

/// Renders a report as JSON, two spaces indented, with a final newline.
pub fn render(report: &Report<'_>) -> String {
    pretty(&document(report))
}

fn pretty(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

/// The JSON Schema of [`Document`].
pub fn schema() -> serde_json::Value {
    schema_of::<Document<'_>>(SCHEMA_ID, "plimsoll report")
}

fn schema_of<T: JsonSchema>(id: &str, title: &str) -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), id.into());
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// The report as a document.
pub fn document<'a>(report: &'a Report<'_>) -> Document<'a> {
    let tally = report.tally();
    Document {
        api_version: "plimsoll.dev/v1alpha1",
        kind: "Report",
        plimsoll_version: env!("CARGO_PKG_VERSION"),
        command: report.command.to_owned(),
        exit_code: report.exit_code,
        errors: tally.errors,
        warnings: tally.warnings,
        suppressed: tally.suppressed,
        clusters: report.clusters.iter().map(cluster::report).collect(),
        suppression_problems: report.faults.iter().map(finding::fault).collect(),
    }
}

#[cfg(test)]
mod tests {
    /// Who reads reports reads this file; `plimsoll schema > docs/report.schema.json` renews it.
    #[test]
    fn the_published_schema_is_the_one_in_docs() {
        let published: serde_json::Value =
            serde_json::from_str(include_str!("../../../docs/report.schema.json")).unwrap();
        assert!(super::schema() == published, "docs/report.schema.json is not what `plimsoll schema` prints");
    }

    #[test]
    fn every_field_of_the_schema_is_described() {
        fn walk(value: &serde_json::Value, at: &str, missing: &mut Vec<String>) {
            if let Some(properties) = value.get("properties").and_then(|it| it.as_object()) {
                for (name, property) in properties {
                    if property.get("description").is_none() {
                        missing.push(format!("{at}.{name}"));
                    }
                }
            }
            if let Some(definitions) = value.get("$defs").and_then(|it| it.as_object()) {
                definitions.iter().for_each(|(name, definition)| walk(definition, name, missing));
            }
        }
        let schema = super::schema();
        let mut missing = Vec::new();
        walk(&schema, "", &mut missing);
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(schema["$id"], super::SCHEMA_ID);
    }
}
