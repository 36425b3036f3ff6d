//! The report for test dashboards: JUnit XML, one suite a cluster.
//!
//! The first case of a suite is the verdict; then there is one for each finding and each problem. What is suppressed
//! is skipped, warnings and notes pass with their text as output.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::json::{self, ClusterReport, FindingReport, ProblemReport, Suppressed};
use crate::{Report, words};

/// Renders a report as JUnit XML.
pub fn render(report: &Report<'_>) -> String {
    let document = json::document(report);
    let mut junit = quick_junit::Report::new("plimsoll");
    for cluster in &document.clusters {
        junit.add_test_suite(suite(cluster, &document.command));
    }
    junit.to_string().unwrap_or_default()
}

fn suite(cluster: &ClusterReport, command: &str) -> TestSuite {
    let name = if cluster.environment.is_empty() { command } else { cluster.environment.as_str() };
    let mut suite = TestSuite::new(name);
    suite.add_test_case(verdict(cluster));
    for finding in &cluster.findings {
        suite.add_test_case(of_finding(finding));
    }
    for problem in &cluster.problems {
        suite.add_test_case(of_problem(problem));
    }
    suite
}

fn verdict(cluster: &ClusterReport) -> TestCase {
    let outcome = cluster.outcome.to_string();
    let status = match (cluster.judged, cluster.outcome) {
        (true, findings::Outcome::Converges) => TestCaseStatus::success(),
        (true, findings::Outcome::Inconclusive) | (false, _) => {
            failure(NonSuccessKind::Error, &outcome, cluster)
        }
        (true, _) => failure(NonSuccessKind::Failure, &outcome, cluster),
    };
    let mut case = TestCase::new("the cluster converges", status);
    case.set_classname("verdict");
    case
}

fn failure(kind: NonSuccessKind, outcome: &str, cluster: &ClusterReport) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let links = cluster.chain.iter();
    let chain: Vec<String> =
        links.map(|link| format!("{}  {}", cluster::Timestamp(link.at_ms), link.text)).collect();
    let mut description = chain.join("\n");
    if let Some(remedy) = cluster.remedies.first() {
        let changes: Vec<&str> = remedy.changes.iter().map(|change| change.title.as_str()).collect();
        description.push_str(&format!("\n\nsmallest change that converges: {}\n", changes.join(" and ")));
        for diff in &remedy.diffs {
            description.push_str(&diff.diff);
        }
    }
    status
        .set_type(outcome)
        .set_message(format!("{outcome}: {}", cluster.headline))
        .set_description(description);
    status
}

fn of_finding(finding: &FindingReport) -> TestCase {
    let places =
        finding.places.iter().filter_map(|place| Some(format!("{}:{}", place.file.as_ref()?, place.line?)));
    let text: Vec<String> = places.chain(finding.notes.iter().cloned()).collect();
    case(
        (&finding.code, &finding.title),
        words::finding_severity(finding.severity),
        &text.join("\n"),
        finding.suppressed.as_ref(),
    )
}

fn of_problem(problem: &ProblemReport) -> TestCase {
    let mut text = String::new();
    if let (Some(file), Some(line)) = (&problem.file, problem.line) {
        text.push_str(&format!("{file}:{line}\n"));
    }
    text.push_str(problem.help.as_deref().unwrap_or_default());
    let (title, severity) =
        ((problem.code.as_str(), problem.message.as_str()), words::severity(problem.severity));
    case(title, severity, &text, problem.suppressed.as_ref())
}

fn case((code, title): (&str, &str), severity: &str, text: &str, why: Option<&Suppressed>) -> TestCase {
    let status = match (why, severity) {
        (Some(why), _) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why.reason.clone());
            status
        }
        (None, "error") => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(code).set_message(title).set_description(text);
            status
        }
        (None, _) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(title, status);
    case.set_classname(code);
    if why.is_none() && severity != "error" {
        case.set_system_out(format!("{severity}: {title}\n{text}"));
    }
    case
}
