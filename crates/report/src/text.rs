//! The report for people, in the layout of rustc: findings with their places, the chain, the smallest fix.

mod chain;
mod diagnostic;
mod environments;
mod proof;
mod remedies;
mod summary;

use crate::{Judged, Report};

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Only ASCII.
    pub ascii: bool,
    /// Every note, every default, everything that was run.
    pub verbose: bool,
}

/// Renders a report.
pub fn render(report: &Report<'_>, style: Style) -> String {
    let mut out = String::new();
    for judged in &report.clusters {
        if !judged.name.is_empty() {
            out.push_str(&format!("{}\n", paint(style, BOLD, &format!("environment {}", judged.name))));
        }
        cluster(judged, style, &mut out);
    }
    if report.clusters.len() > 1 {
        out.push_str(&environments::table(report, style));
    }
    out.push_str(&summary::last_line(report));
    out
}

fn cluster(judged: &Judged<'_>, style: Style, out: &mut String) {
    for problem in &judged.verdict.problems {
        out.push_str(&diagnostic::problem(judged, problem, style));
    }
    out.push_str(&summary::headline(judged, style));
    for finding in &judged.verdict.findings {
        out.push_str(&diagnostic::finding(judged, finding, style));
    }
    out.push_str(&chain::render(judged, style));
    out.push_str(&remedies::render(judged, style));
    out.push_str(&summary::assumptions(judged, style));
}

const BOLD: anstyle::Style = anstyle::Style::new().bold();
const RED: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Red)));
const GREEN: anstyle::Style =
    anstyle::Style::new().bold().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Green)));
const BLUE: anstyle::Style =
    anstyle::Style::new().fg_color(Some(anstyle::Color::Ansi(anstyle::AnsiColor::Blue)));

/// `text` in a style, or as it is without colours.
fn paint(style: Style, paint: anstyle::Style, text: &str) -> String {
    if style.color { format!("{paint}{text}{paint:#}") } else { text.to_owned() }
}

/// `1 pod`, `3 pods`.
fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
