//! The report for the log of a GitHub workflow: commands that become annotations of the changed files.
//!
//! The format is that of actions/toolkit (`packages/core/src/command.ts`): `::error file=F,line=L,col=C,title=T::TEXT`
//! with `%`, line breaks and, in properties, `:` and `,` escaped. GitHub shows ten errors and ten warnings of a step:
//! the verdict comes first.

use crate::json::{self, ClusterReport, FindingReport, ProblemReport};
use crate::{Report, words};

/// Renders a report as workflow commands, one a line.
pub fn render(report: &Report<'_>) -> String {
    let document = json::document(report);
    let mut out = String::new();
    for cluster in &document.clusters {
        out.push_str(&verdict(cluster));
        for finding in cluster.findings.iter().filter(|finding| finding.suppressed.is_none()) {
            out.push_str(&of_finding(finding, &cluster.environment));
        }
        for problem in cluster.problems.iter().filter(|problem| problem.suppressed.is_none()) {
            out.push_str(&of_problem(problem, &cluster.environment));
        }
    }
    for problem in &document.suppression_problems {
        out.push_str(&of_problem(problem, ""));
    }
    out
}

fn verdict(cluster: &ClusterReport) -> String {
    let level = match (cluster.judged, cluster.outcome) {
        (true, findings::Outcome::Converges) => "notice",
        (false, _) | (true, findings::Outcome::Inconclusive) => "warning",
        _ => "error",
    };
    let mut text = cluster.headline.clone();
    if let Some(remedy) = cluster.remedies.first() {
        let changes: Vec<&str> = remedy.changes.iter().map(|change| change.title.as_str()).collect();
        text.push_str(&format!("\nsmallest change that converges: {}", changes.join(" and ")));
    }
    let outcome = if cluster.judged { cluster.outcome.to_string() } else { "not judged".to_owned() };
    command(level, None, &titled(&cluster.environment, &outcome), &text)
}

fn of_finding(finding: &FindingReport, environment: &str) -> String {
    let place =
        finding.places.iter().find_map(|place| Some((place.file.as_deref()?, place.line?, place.column?)));
    let text: Vec<&str> = std::iter::once(&finding.title).chain(&finding.notes).map(String::as_str).collect();
    let title = titled(environment, &format!("{} {}", finding.code, finding.name));
    command(level(words::finding_severity(finding.severity)), place, &title, &text.join("\n"))
}

fn of_problem(problem: &ProblemReport, environment: &str) -> String {
    let file = problem.file.as_deref();
    let place = file.map(|file| (file, problem.line.unwrap_or(1), problem.column.unwrap_or(1)));
    let text: Vec<&str> = std::iter::once(problem.message.as_str()).chain(problem.help.as_deref()).collect();
    let title = titled(environment, &problem.code);
    command(level(words::severity(problem.severity)), place, &title, &text.join("\n"))
}

fn titled(environment: &str, text: &str) -> String {
    if environment.is_empty() { text.to_owned() } else { format!("{environment}: {text}") }
}

fn level(severity: &str) -> &str {
    if severity == "note" { "notice" } else { severity }
}

fn command(level: &str, place: Option<(&str, u32, u32)>, title: &str, text: &str) -> String {
    let place = place.map_or_else(String::new, |(file, line, column)| {
        format!("file={},line={line},col={column},", property(file))
    });
    format!("::{level} {place}title={}::{}\n", property(title), data(text))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stays_on_one_line_and_in_its_property() {
        let line = command("error", Some(("a,b.yaml", 3, 5)), "dev: IP101", "100 % full\nof pods");
        assert_eq!(line, "::error file=a%2Cb.yaml,line=3,col=5,title=dev%3A IP101::100 %25 full%0Aof pods\n");
    }
}
