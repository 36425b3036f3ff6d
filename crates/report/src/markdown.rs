//! The report for people who review a change: Markdown for a comment on a pull request or a step's summary.
//!
//! The verdict, the cause and the fix are seen at once; what is long is folded. Everything from the input is escaped,
//! so that a name can neither be markup nor call anybody.

use crate::json::{self, ClusterReport, FindingReport, Place, ProblemReport, RemedyReport};
use crate::{Report, words};

/// Most findings or problems that are listed: a comment may have 65,536 characters.
const LISTED: usize = 20;

/// Renders a report as Markdown (GitHub's and GitLab's flavour).
pub fn render(report: &Report<'_>) -> String {
    let document = json::document(report);
    let mut out = String::new();
    for cluster in &document.clusters {
        out.push_str(&of_cluster(cluster));
    }
    let counts = [
        words::count(document.errors, "error"),
        words::count(document.warnings, "warning"),
        format!("{} suppressed", document.suppressed),
    ];
    let shown = if document.suppressed == 0 { &counts[..2] } else { &counts[..] };
    out.push_str(&format!(
        "<sub>plimsoll {} {}: {}, exit {}</sub>\n",
        document.plimsoll_version,
        document.command,
        shown.join(", "),
        document.exit_code
    ));
    out
}

fn of_cluster(cluster: &ClusterReport) -> String {
    let good = cluster.judged && cluster.outcome == findings::Outcome::Converges;
    let mark = if good { ":white_check_mark:" } else { ":x:" };
    let name = match cluster.environment.as_str() {
        "" => String::new(),
        name => format!("{}: ", escape(name)),
    };
    let outcome = if cluster.judged { cluster.outcome.to_string() } else { "not judged".to_owned() };
    let mut out = format!("### {mark} {name}{outcome}\n\n{}.\n\n", escape(&cluster.headline));
    let findings = cluster.findings.iter().filter(|finding| finding.suppressed.is_none());
    let problems = cluster.problems.iter().filter(|problem| problem.suppressed.is_none());
    let lines: Vec<String> = findings.map(of_finding).chain(problems.map(of_problem)).collect();
    for line in lines.iter().take(LISTED) {
        out.push_str(line);
    }
    if lines.len() > LISTED {
        out.push_str(&format!("- and {} more\n", lines.len() - LISTED));
    }
    if !lines.is_empty() {
        out.push('\n');
    }
    if let Some(remedy) = cluster.remedies.first() {
        out.push_str(&fix(remedy));
    }
    out.push_str(&chain(cluster));
    if let Some(line) = words::addresses(&cluster.addresses) {
        out.push_str(&format!("Addresses: {}.\n\n", escape(&line)));
    }
    out
}

fn of_finding(finding: &FindingReport) -> String {
    let severity = words::finding_severity(finding.severity);
    let place = finding.places.first().map_or_else(String::new, |place| format!(" ({})", self::place(place)));
    format!("- **{severity} {}** {}{place}\n", finding.code, escape(&finding.title))
}

fn of_problem(problem: &ProblemReport) -> String {
    let place = match (&problem.file, problem.line) {
        (Some(file), Some(line)) => format!(" (`{}:{line}`)", in_code(file)),
        _ => String::new(),
    };
    let severity = words::severity(problem.severity);
    format!("- **{severity} {}** {}{place}\n", problem.code, escape(&problem.message))
}

fn place(place: &Place) -> String {
    match (&place.file, place.line) {
        (Some(file), Some(line)) => format!("`{}:{line}`", in_code(file)),
        _ => escape(&format!("{} {}", place.object.kind, place.object.name)),
    }
}

fn fix(remedy: &RemedyReport) -> String {
    let mut out = "**Smallest change that converges** (verified: it was re-run)\n\n".to_owned();
    for change in &remedy.changes {
        out.push_str(&format!("- {}\n", escape(&change.title)));
        if let Some(operation) = &change.operation {
            out.push_str(&format!("  - then {}\n", escape(operation)));
        }
    }
    out.push('\n');
    for diff in &remedy.diffs {
        let fence = fence(&diff.diff);
        out.push_str(&format!("{fence}diff\n{}{fence}\n\n", ended(&diff.diff)));
    }
    out
}

fn chain(cluster: &ClusterReport) -> String {
    if cluster.chain.is_empty() {
        return String::new();
    }
    let mut out = "<details><summary>How it came about</summary>\n\n".to_owned();
    for link in &cluster.chain {
        let place =
            link.place.as_ref().map_or_else(String::new, |place| format!(" ({})", self::place(place)));
        out.push_str(&format!("- {}: {}{place}\n", cluster::Timestamp(link.at_ms), escape(&link.text)));
    }
    out.push_str("\n</details>\n\n");
    out
}

fn ended(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

/// A fence longer than any run of backticks in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// Text that may not be markup, and may not call anybody.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' => out.extend(['\\', c]),
            '#' => out.push_str("&#35;"),
            '@' => out.push_str("&#64;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// A name between backticks.
fn in_code(text: &str) -> String {
    text.replace(['`', '\n', '\r'], "'")
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Parser};

    use super::*;

    #[test]
    fn what_is_escaped_is_read_as_it_was() {
        let text = "a *b* _c_ `d` <img> [x](y) | # @all & 1 ~~2~~ \\";
        let read: String = Parser::new(&escape(text))
            .map(|event| match event {
                Event::Text(text) => text.to_string(),
                Event::Start(_) | Event::End(_) => String::new(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(read, text);
    }

    #[test]
    fn a_fence_is_longer_than_what_is_in_it() {
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence("plain"), "```");
    }
}
