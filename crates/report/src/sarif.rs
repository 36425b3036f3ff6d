//! The report for code scanning: SARIF 2.1.0, one run, one result a finding or problem.
//!
//! As GitHub takes it: every result has a file and a region, every rule that is named is described, and what is
//! suppressed says so instead of being left out.

use std::collections::BTreeMap;

use serde_json::json;
use serde_sarif::sarif::{
    ArtifactLocation, CodeFlow, Location, Message, MultiformatMessageString, PhysicalLocation, PropertyBag,
    Region, ReportingDescriptor, Result, ResultLevel, Run, Sarif, Suppression, ThreadFlow,
    ThreadFlowLocation, Tool, ToolComponent,
};

use crate::json::{self, ClusterReport, FindingReport, LinkReport, Place, ProblemReport, Suppressed};
use crate::suppress::Source;
use crate::{Report, words};

/// Where this version of the format is defined.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Renders a report as SARIF, two spaces indented, with a final newline.
pub fn render(report: &Report<'_>) -> String {
    let document = json::document(report);
    let mut results = Vec::new();
    for (cluster, judged) in document.clusters.iter().zip(&report.clusters) {
        // What is about no file is shown at the first one: a result needs a place.
        let first = judged.inputs.files.first().map_or("-", |file| file.name.as_str());
        results.extend(of_cluster(cluster, first));
    }
    results.extend(document.suppression_problems.iter().map(|problem| of_problem(problem, "", "-")));
    let rules = rules(&results);
    for result in &mut results {
        let index = rules.iter().position(|rule| Some(&rule.id) == result.rule_id.as_ref());
        result.rule_index = index.and_then(|index| i64::try_from(index).ok());
    }
    let driver = ToolComponent::builder()
        .name("plimsoll")
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .information_uri(env!("CARGO_PKG_REPOSITORY"))
        .rules(rules)
        .build();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .column_kind(json!("unicodeCodePoints"))
        .results(results)
        .build();
    let sarif = Sarif::builder().schema(SCHEMA).version(json!("2.1.0")).runs(vec![run]).build();
    let mut text = serde_json::to_string_pretty(&sarif).unwrap_or_default();
    text.push('\n');
    text
}

fn of_cluster(cluster: &ClusterReport, first: &str) -> Vec<Result> {
    let name = cluster.environment.as_str();
    let mut results: Vec<Result> =
        cluster.findings.iter().map(|finding| of_finding(finding, name, first)).collect();
    if let Some(told) = results.first_mut() {
        let steps: Vec<ThreadFlowLocation> = cluster.chain.iter().filter_map(step).collect();
        if !steps.is_empty() {
            let flow = ThreadFlow::builder().locations(steps).build();
            told.code_flows = Some(vec![CodeFlow::builder().thread_flows(vec![flow]).build()]);
        }
    }
    results.extend(cluster.problems.iter().map(|problem| of_problem(problem, name, first)));
    results
}

fn of_finding(finding: &FindingReport, environment: &str, first: &str) -> Result {
    let mut text = in_environment(environment, &finding.title);
    for note in &finding.notes {
        text.push_str(&format!("\n{note}"));
    }
    let mut places = finding.places.iter().filter_map(location);
    let primary = places.next().unwrap_or_else(|| at(first, 1, 1));
    let mut result = result(&finding.code, level(words::finding_severity(finding.severity)), text, primary);
    let related: Vec<Location> = places.collect();
    if !related.is_empty() {
        result.related_locations = Some(related);
    }
    finish(result, environment, &finding.fingerprint, finding.suppressed.as_ref())
}

fn of_problem(problem: &ProblemReport, environment: &str, first: &str) -> Result {
    let mut text = in_environment(environment, &problem.message);
    if let Some(help) = &problem.help {
        text.push_str(&format!("\n{help}"));
    }
    let place =
        problem.file.as_deref().map(|file| at(file, problem.line.unwrap_or(1), problem.column.unwrap_or(1)));
    let place = place.unwrap_or_else(|| at(first, 1, 1));
    let result = result(&problem.code, level(words::severity(problem.severity)), text, place);
    finish(result, environment, &problem.fingerprint, problem.suppressed.as_ref())
}

fn result(code: &str, level: ResultLevel, text: String, place: Location) -> Result {
    Result::builder()
        .rule_id(code)
        .level(level)
        .message(Message::builder().text(text).build())
        .locations(vec![place])
        .build()
}

fn finish(mut result: Result, environment: &str, fingerprint: &str, why: Option<&Suppressed>) -> Result {
    let key =
        if environment.is_empty() { fingerprint.to_owned() } else { format!("{environment}/{fingerprint}") };
    result.partial_fingerprints = Some(BTreeMap::from([("plimsoll/v1".to_owned(), key)]));
    if !environment.is_empty() {
        let properties = BTreeMap::from([("environment".to_owned(), json!(environment))]);
        result.properties = Some(PropertyBag::builder().additional_properties(properties).build());
    }
    result.suppressions = why.map(|why| {
        let kind = if why.by == Source::Annotation { "inSource" } else { "external" };
        vec![Suppression::builder().kind(json!(kind)).justification(why.reason.clone()).build()]
    });
    result
}

/// A step of the chain, with its instant; `None` when it is in no file.
fn step(link: &LinkReport) -> Option<ThreadFlowLocation> {
    let mut location = location(link.place.as_ref()?)?;
    let text = format!("{}: {}", cluster::Timestamp(link.at_ms), link.text);
    location.message = Some(Message::builder().text(text).build());
    Some(ThreadFlowLocation::builder().location(location).build())
}

fn location(place: &Place) -> Option<Location> {
    let mut location = at(place.file.as_deref()?, place.line?, place.column.unwrap_or(1));
    if !place.remark.is_empty() {
        location.message = Some(Message::builder().text(place.remark.clone()).build());
    }
    Some(location)
}

fn at(file: &str, line: u32, column: u32) -> Location {
    let region = Region::builder().start_line(i64::from(line)).start_column(i64::from(column)).build();
    let file = ArtifactLocation::builder().uri(uri(file)).build();
    let physical = PhysicalLocation::builder().artifact_location(file).region(region).build();
    Location::builder().physical_location(physical).build()
}

/// A file's name as a URI reference: absolute paths with their scheme, everything unusual as `%XX`.
fn uri(file: &str) -> String {
    let mut uri = if file.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// The rules that the results name, in code order.
fn rules(results: &[Result]) -> Vec<ReportingDescriptor> {
    let codes: std::collections::BTreeSet<&str> =
        results.iter().filter_map(|result| result.rule_id.as_deref()).collect();
    codes.into_iter().map(rule).collect()
}

fn rule(code: &str) -> ReportingDescriptor {
    let (name, summary) = words::code(code);
    let text = |text: &str| MultiformatMessageString::builder().text(text.to_owned()).build();
    let help = findings::rules::RULES.iter().find(|rule| rule.code.id == code).map_or("", |rule| rule.docs);
    let mut rule =
        ReportingDescriptor::builder().id(code).name(name.clone()).short_description(text(&summary)).build();
    if !help.is_empty() {
        let markdown = MultiformatMessageString::builder().text(help).markdown(help).build();
        rule.help = Some(markdown);
    }
    rule
}

fn in_environment(environment: &str, text: &str) -> String {
    if environment.is_empty() { text.to_owned() } else { format!("{environment}: {text}") }
}

fn level(severity: &str) -> ResultLevel {
    match severity {
        "error" => ResultLevel::Error,
        "warning" => ResultLevel::Warning,
        _ => ResultLevel::Note,
    }
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn names_of_files_become_uris() {
        assert_eq!(uri("base/a b.yaml"), "base/a%20b.yaml");
        assert_eq!(uri("/srv/x#1.yaml"), "file:///srv/x%231.yaml");
    }
}
