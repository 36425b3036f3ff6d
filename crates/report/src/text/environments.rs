//! Several environments side by side.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::Style;
use crate::Report;

/// A table with one column an environment.
pub(super) fn table(report: &Report<'_>, _style: Style) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let names = report.clusters.iter().map(|judged| judged.name.to_owned());
    table.set_header(std::iter::once(String::new()).chain(names));
    let mut row = |title: &str, cell: &dyn Fn(&crate::Judged<'_>) -> String| {
        let cells = report.clusters.iter().map(cell);
        table.add_row(std::iter::once(title.to_owned()).chain(cells));
    };
    row("verdict", &|judged| judged.verdict.outcome.to_string());
    row("told order", &|judged| judged.verdict.told.branch.to_string());
    row("pods", &|judged| judged.verdict.told.run.cluster.live_pods().count().to_string());
    row("not running", &|judged| judged.verdict.told.missing().to_string());
    row("nodes at t=0", &|judged| judged.verdict.declared.nodes.len().to_string());
    row("nodes at the end", &|judged| judged.verdict.told.run.cluster.live_nodes().count().to_string());
    row("comes to rest", &|judged| judged.verdict.told.run.last_progress.to_string());
    row("smallest change", &|judged| smallest(judged));
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{}\n\n", lines.join("\n"))
}

fn smallest(judged: &crate::Judged<'_>) -> String {
    let search = &judged.verdict.search;
    match search.verified().next() {
        Some(best) => best.set.iter().map(|index| search.proposed[*index].id).collect::<Vec<_>>().join(" + "),
        None if search.attempts.is_empty() => "-".to_owned(),
        None => "none found".to_owned(),
    }
}
