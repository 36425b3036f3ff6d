//! The headline, what was assumed, and the last line.

use findings::{Outcome, Severity};

use super::{BOLD, GREEN, RED, Style, count, paint};
use crate::{Judged, Report};

/// The verdict in one line.
pub(super) fn headline(judged: &Judged<'_>, style: Style) -> String {
    let verdict = judged.verdict;
    let run = &verdict.told.run;
    let color = if verdict.outcome == Outcome::Converges { GREEN } else { RED };
    let outcome = paint(style, color, &verdict.outcome.to_string());
    let detail = match verdict.outcome {
        Outcome::Converges => format!("everything is running at {}", run.last_progress),
        Outcome::Inconclusive => format!("no verdict; the run came to {}", run.ended),
        _ => format!(
            "{} not running, and nothing can change any more after {}",
            missing(judged),
            run.last_progress
        ),
    };
    format!("{}{outcome}{}: {detail}\n\n", as_declared(judged, style), assumption(judged))
}

/// `starvation as declared: 1 pod is not running`, where what is told below is a worse order of arrival.
fn as_declared(judged: &Judged<'_>, style: Style) -> String {
    let verdict = judged.verdict;
    let declared = verdict.branches.iter().find(|(branch, _, _)| branch.is_declared());
    match declared.filter(|_| !verdict.told.branch.is_declared()) {
        Some((_, outcome, missing)) => {
            let outcome = paint(style, RED, &outcome.to_string());
            format!("{outcome} as declared: {} not running\n", pods_are(*missing))
        }
        None => String::new(),
    }
}

/// ` if Karpenter starts last`.
fn assumption(judged: &Judged<'_>) -> String {
    let branch = &judged.verdict.told.branch;
    if branch.is_declared() { String::new() } else { format!(" if {branch}") }
}

fn missing(judged: &Judged<'_>) -> String {
    pods_are(judged.verdict.told.missing())
}

fn pods_are(count: u32) -> String {
    if count == 1 { "1 pod is".to_owned() } else { format!("{count} pods are") }
}

/// Under which assumptions the cluster was booted, with each outcome, and which defaults were relied on.
pub(super) fn assumptions(judged: &Judged<'_>, style: Style) -> String {
    let verdict = judged.verdict;
    let mut out = String::new();
    if verdict.branches.len() > 1 {
        out.push_str(&format!("{}\n", paint(style, BOLD, "booted under each of these assumptions:")));
        for (branch, outcome, missing) in &verdict.branches {
            let missing = if *missing == 0 {
                String::new()
            } else {
                format!(", {} missing", count(*missing as usize, "pod"))
            };
            out.push_str(&format!("   = {branch}: {outcome}{missing}\n"));
        }
        out.push('\n');
    }
    for open in &verdict.told.open {
        let (object, path) = (&open.location.object, &open.location.path);
        out.push_str(&format!("   = not modelled, and it decides: {object}{path}: {}\n", open.why));
    }
    let defaults = &verdict.declared.defaults;
    if style.verbose {
        for (path, value) in defaults {
            out.push_str(&format!("   = default: {path}: {value}\n"));
        }
    } else if !defaults.is_empty() && verdict.outcome != Outcome::Converges {
        out.push_str(&format!(
            "note: {} of the profile were relied on; `-v` lists them\n\n",
            count(defaults.len(), "default")
        ));
    }
    out
}

/// Counts, virtual time and exit code.
pub(super) fn last_line(report: &Report<'_>) -> String {
    let (mut errors, mut warnings, mut pods, mut nodes) = (0, 0, 0, Vec::new());
    let mut simulated = cluster::Timestamp::ZERO;
    for judged in &report.clusters {
        let verdict = judged.verdict;
        let of = |severity| verdict.findings.iter().filter(|finding| finding.severity == severity).count();
        let problems =
            |severity| verdict.problems.iter().filter(|problem| problem.severity == severity).count();
        errors += of(Severity::Error) + problems(api::Severity::Error);
        warnings += of(Severity::Warning) + problems(api::Severity::Warning);
        let cluster = &verdict.told.run.cluster;
        pods += cluster.live_pods().count();
        nodes.push(format!("{}->{}", verdict.declared.nodes.len(), cluster.live_nodes().count()));
        simulated = simulated.max(verdict.told.run.ended);
    }
    format!(
        "{}: {}, {} · {}, {} nodes · simulated to {simulated} · exit {}\n",
        report.command,
        count(errors, "error"),
        count(warnings, "warning"),
        count(pods, "pod"),
        nodes.join(" "),
        report.exit_code
    )
}
