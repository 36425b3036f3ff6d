//! Where each rendering goes: `-o FORMAT[=PATH]`, data on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use report::Report;
use report::text::Style;

use crate::args::{Color, OutputArgs};

/// A rendering and where it goes; `None` is standard output.
pub struct Target {
    format: Format,
    path: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Wide,
    Json,
    Sarif,
    Junit,
    Github,
    Markdown,
}

/// Parses `-o`; text on standard output when there is none.
pub fn targets(args: &OutputArgs) -> anyhow::Result<Vec<Target>> {
    if args.output.is_empty() {
        return Ok(vec![Target { format: Format::Text, path: None }]);
    }
    let targets: Vec<Target> = args.output.iter().map(|text| target(text)).collect::<anyhow::Result<_>>()?;
    if targets.iter().filter(|target| target.path.is_none()).count() > 1 {
        bail!("only one -o can go to standard output; give the others a file, as in -o json=report.json");
    }
    Ok(targets)
}

fn target(text: &str) -> anyhow::Result<Target> {
    let (format, path) = match text.split_once('=') {
        Some((format, path)) => (format, Some(PathBuf::from(path))),
        None => (text, None),
    };
    let format = match format {
        "text" => Format::Text,
        "wide" => Format::Wide,
        "json" => Format::Json,
        "sarif" => Format::Sarif,
        "junit" => Format::Junit,
        "github" => Format::Github,
        "markdown" => Format::Markdown,
        other => {
            bail!("-o {other} is not a format; known are text, wide, json, sarif, junit, github and markdown")
        }
    };
    Ok(Target { format, path })
}

/// Renders and writes a report to every target.
pub fn write(report: &Report<'_>, targets: &[Target], args: &OutputArgs) -> anyhow::Result<()> {
    for target in targets {
        let text = render(report, target, args);
        match &target.path {
            Some(path) => {
                std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
            }
            None => print(&text)?,
        }
    }
    Ok(())
}

fn render(report: &Report<'_>, target: &Target, args: &OutputArgs) -> String {
    match target.format {
        Format::Json => report::json::render(report),
        Format::Sarif => report::sarif::render(report),
        Format::Junit => report::junit::render(report),
        Format::Github => report::github::render(report),
        Format::Markdown => report::markdown::render(report),
        Format::Text | Format::Wide => report::text::render(report, style(target, args)),
    }
}

fn style(target: &Target, args: &OutputArgs) -> Style {
    let wide = target.format == Format::Wide;
    let style = Style { verbose: args.verbose > 0, wide, ..style_here(args.color, args.ascii) };
    // A file is no terminal.
    if target.path.is_none() { style } else { Style { color: false, width: None, ..style } }
}

/// How text is laid out on standard output.
pub fn style_here(color: Color, ascii: bool) -> Style {
    let width = std::io::stdout().is_terminal().then(columns).flatten();
    Style { color: use_color(color), ascii, verbose: false, wide: false, width }
}

/// The terminal's width.
fn columns() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// A closed pipe is not an error: `plimsoll check | head` ends quietly.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// `--color`, then NO_COLOR, CLICOLOR_FORCE and TERM=dumb, then whether it is a terminal.
fn use_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let choice = anstream::AutoStream::choice(&std::io::stdout());
            match choice {
                anstream::ColorChoice::Always | anstream::ColorChoice::AlwaysAnsi => true,
                anstream::ColorChoice::Never => false,
                anstream::ColorChoice::Auto => std::io::stdout().is_terminal(),
            }
        }
    }
}
