//! Several environments side by side.

use super::table::table;
use crate::{Judged, Report, words};

/// A table with one column an environment.
pub(super) fn table_of(report: &Report<'_>) -> String {
    let names = report.clusters.iter().map(|judged| judged.name);
    let header: Vec<&str> = std::iter::once("").chain(names).collect();
    let mut rows = Vec::new();
    let mut row = |title: &str, cell: &dyn Fn(&Judged<'_>) -> String| {
        rows.push(std::iter::once(title.to_owned()).chain(report.clusters.iter().map(cell)).collect());
    };
    row("verdict", &words::outcome);
    row("told order", &|judged| judged.verdict.told.branch.to_string());
    row("pods", &|judged| judged.verdict.told.run.cluster.live_pods().count().to_string());
    row("not running", &|judged| judged.verdict.told.missing().to_string());
    row("nodes at t=0", &|judged| judged.verdict.declared.nodes.len().to_string());
    row("nodes at the end", &|judged| judged.verdict.told.run.cluster.live_nodes().count().to_string());
    row("comes to rest", &|judged| judged.verdict.told.run.last_progress.to_string());
    row("smallest change", &smallest);
    table(&header, rows, &[])
}

fn smallest(judged: &Judged<'_>) -> String {
    let search = &judged.verdict.search;
    match search.verified().next() {
        Some(best) => best.set.iter().map(|index| search.proposed[*index].id).collect::<Vec<_>>().join(" + "),
        None if search.attempts.is_empty() => "-".to_owned(),
        None => "none found".to_owned(),
    }
}
