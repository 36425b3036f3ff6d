//! The report for people, in the layout of rustc: the verdict, findings with their places, the chain, the smallest
//! fix; then what is of less weight.

mod addresses;
mod chain;
mod diagnostic;
mod environments;
mod findings;
mod fold;
mod problems;
mod proof;
mod remedies;
mod simulated;
mod summary;
mod table;
pub mod waves;

use crate::words::count;
use crate::{Judged, Report};

/// How text is laid out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Only ASCII.
    pub ascii: bool,
    /// Every note, every default, everything that was run.
    pub verbose: bool,
    /// The tables of addresses.
    pub wide: bool,
    /// Columns of the terminal: longer lines are folded, diffs apart. `None`: lines are as long as they are.
    pub width: Option<usize>,
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
        out.push_str(&environments::table_of(report));
    }
    for fault in &report.faults {
        out.push_str(&problems::fault(fault, style));
    }
    out.push_str(&summary::last_line(report, style));
    out
}

fn cluster(judged: &Judged<'_>, style: Style, out: &mut String) {
    out.push_str(&summary::headline(judged, style));
    let is_error = |severity| severity == api::Severity::Error;
    out.push_str(&problems::render(judged, style, is_error));
    if judged.unjudged.is_none() {
        out.push_str(&findings::render(judged, style));
        out.push_str(&chain::render(judged, style));
        out.push_str(&remedies::render(judged, style));
        out.push_str(&simulated::render(judged, style));
    }
    out.push_str(&problems::render(judged, style, |severity| !is_error(severity)));
    out.push_str(&problems::suppressed(judged, style));
    if judged.unjudged.is_none() {
        out.push_str(&summary::assumptions(judged, style));
        out.push_str(&addresses::render(judged, style));
    }
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
