//! The headline, what was assumed, and the last line.

use cluster::declared::Decides;
use findings::Outcome;

use super::fold::fold;
use super::{BOLD, GREEN, RED, Style, count, paint};
use crate::{Judged, Report, Unjudged, span, words};

/// The verdict in one line; what to do when there is none.
pub(super) fn headline(judged: &Judged<'_>, style: Style) -> String {
    let good = judged.verdict.outcome == Outcome::Converges && judged.unjudged.is_none();
    let color = if good { GREEN } else { RED };
    let outcome = paint(style, color, &words::outcome(judged));
    let line = format!("{outcome}{}: {}\n\n", words::assumption(judged), words::headline(judged));
    match judged.unjudged {
        Some(Unjudged::NoNodes) if judged.verdict.declared.profile.given => {
            let profile = &judged.verdict.declared.profile.location;
            line + &no_node_groups(&span::place(judged.inputs, &profile.at("/spec")))
        }
        Some(Unjudged::NoNodes) => line + NO_PROFILE,
        None => as_declared(judged, style) + &line,
        Some(Unjudged::Empty) => line,
    }
}

/// `starvation as declared: 1 pod is not running`, where what is told below is a worse order of arrival.
fn as_declared(judged: &Judged<'_>, style: Style) -> String {
    let verdict = judged.verdict;
    let declared = verdict.branches.iter().find(|(branch, _, _)| branch.is_declared());
    match declared.filter(|_| !verdict.told.branch.is_declared()) {
        Some((_, outcome, missing)) => {
            let color = if *outcome == Outcome::Converges { GREEN } else { RED };
            let outcome = paint(style, color, &outcome.to_string());
            match missing {
                0 => format!("{outcome} as declared\n"),
                some => format!("{outcome} as declared: {} not running\n", words::pods_are(*some)),
            }
        }
        None => String::new(),
    }
}

const NO_PROFILE: &str = "\
help: pods start on nodes, and manifests do not say which ones there are: write a cluster profile
   | plimsoll profile > cluster.yaml      # a template with what most clusters have; edit it
   | plimsoll check ... --cluster cluster.yaml
   = a profile names node groups, subnets and add-ons; every other field has a default
   = with `kubectl get nodes -o yaml` among the manifests it is not needed

";

fn no_node_groups(place: &str) -> String {
    format!(
        "help: say which nodes there are\n  --> {place}\n   | spec:\n   |   nodeGroups:\n   |   - name: system\n   |     \
         instanceType: m7i.large\n   |     count: 2\n\n"
    )
}

/// Under which assumptions the cluster was booted, and which defaults were relied on.
pub(super) fn assumptions(judged: &Judged<'_>, style: Style) -> String {
    let verdict = judged.verdict;
    let mut out = String::new();
    let same = verdict.branches.iter().all(|(_, outcome, _)| *outcome == verdict.outcome);
    if verdict.branches.len() > 1 && same && !style.verbose {
        out.push_str(&format!("{}\n\n", fold(style, 2, &all_the_same(judged))));
    } else if verdict.branches.len() > 1 {
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
        let space = if path.0.is_empty() { "" } else { " " };
        let what = match open.decides {
            Decides::Unread => "could not be read",
            _ => "not modelled",
        };
        let line = format!("{what}, and it decides: {object}{space}{path}: {}", open.why);
        out.push_str(&format!("   = {}\n", fold(style, 5, &line)));
    }
    out + &defaults(judged, style)
}

/// One line for assumptions that decide nothing.
fn all_the_same(judged: &Judged<'_>) -> String {
    let verdict = judged.verdict;
    let others: Vec<String> = verdict
        .branches
        .iter()
        .filter(|(branch, _, _)| *branch != verdict.told.branch)
        .map(|(branch, _, _)| branch.to_string())
        .collect();
    match others.as_slice() {
        [one] => format!("assumptions: booted with {one} too, it is the same: {}", verdict.outcome),
        _ => format!(
            "assumptions: booted under {} others too (`-v` lists them), it is the same: {}",
            others.len(),
            verdict.outcome
        ),
    }
}

fn defaults(judged: &Judged<'_>, style: Style) -> String {
    let defaults = &judged.verdict.declared.defaults;
    let mut out = String::new();
    if style.verbose {
        for (path, value) in defaults {
            out.push_str(&format!("   = default: {path}: {value}\n"));
        }
        if !defaults.is_empty() {
            out.push('\n');
        }
    } else if !defaults.is_empty() && judged.verdict.outcome != Outcome::Converges {
        let (defaults, were) =
            (count(defaults.len(), "default"), if defaults.len() == 1 { "was" } else { "were" });
        out.push_str(&format!("note: {defaults} of the profile {were} relied on; `-v` lists them\n\n"));
    }
    out
}

/// Counts, virtual time and exit code.
pub(super) fn last_line(report: &Report<'_>, style: Style) -> String {
    let tally = report.tally();
    let (mut pods, mut nodes) = (0, Vec::new());
    let mut simulated = cluster::Timestamp::ZERO;
    for judged in &report.clusters {
        let verdict = judged.verdict;
        let cluster = &verdict.told.run.cluster;
        pods += cluster.live_pods().count();
        nodes.push(format!("{}->{}", verdict.declared.nodes.len(), cluster.live_nodes().count()));
        simulated = simulated.max(verdict.told.run.ended);
    }
    let suppressed = match tally.suppressed {
        0 => String::new(),
        some => format!(", {some} suppressed"),
    };
    let dot = if style.ascii { "-" } else { "·" };
    format!(
        "{}: {}, {}{suppressed} {dot} {}, {} nodes {dot} simulated to {simulated} {dot} exit {}\n",
        report.command,
        count(tally.errors, "error"),
        count(tally.warnings, "warning"),
        count(pods, "pod"),
        nodes.join(" "),
        report.exit_code
    )
}
