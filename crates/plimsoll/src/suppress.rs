//! What the command line and the project say about suppressing findings. The only place that asks for the date.

use anyhow::{Context, bail};
use report::Report;
use report::suppress::{Baseline, Fault, Suppressions};

use crate::args::OutputArgs;
use crate::load::Loaded;

/// Reads `--baseline`.
pub fn baseline(args: &OutputArgs) -> anyhow::Result<Option<Baseline>> {
    let Some(path) = &args.baseline else { return Ok(None) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    match Baseline::parse(&text) {
        Ok(baseline) => Ok(Some(baseline)),
        Err(reason) => bail!("--baseline {}: {reason}", path.display()),
    }
}

/// `--today`, else the day in UTC.
pub fn today(args: &OutputArgs) -> anyhow::Result<String> {
    let date = match &args.today {
        Some(text) => text
            .parse::<jiff::civil::Date>()
            .ok()
            .with_context(|| format!("--today {text} is not a date such as 2026-12-31"))?,
        None => jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date(),
    };
    Ok(date.to_string())
}

/// Everything that was said about suppressing.
pub fn said<'a>(loaded: &'a Loaded, baseline: Option<&'a Baseline>, today: &'a str) -> Suppressions<'a> {
    let project = loaded.project.as_ref().map(|(file, ignore)| (file.as_str(), ignore.as_slice()));
    Suppressions { project, baseline, today }
}

/// What is wrong with the suppressions of a report.
pub fn faults(report: &Report<'_>, partial: bool) -> Vec<Fault> {
    let hidden: Vec<_> = report.clusters.iter().map(|judged| &judged.hidden).collect();
    report::suppress::faults(&hidden, partial)
}
