//! Wave plans, as text.

use cluster::time::Span;
use findings::{Outcome, Severity};
use verdict::waves::Plan;
use verdict::waves::wave::Wave;

use super::table::table;
use super::{BLUE, BOLD, GREEN, RED, Style, paint};
use crate::words::count;

/// Names of roll-outs in a row of the table, without `-v`.
const NAMES_MAX: usize = 3;

/// The plans of all environments, in the order asked for.
pub fn render(plans: &[(&str, &Plan)], style: Style) -> String {
    let mut out = String::new();
    for (name, plan) in plans {
        if !name.is_empty() {
            out.push_str(&format!("{}\n", paint(style, BOLD, &format!("environment {name}"))));
        }
        one(plan, style, &mut out);
    }
    out
}

fn one(plan: &Plan, style: Style, out: &mut String) {
    let (color, headline) = headline(plan);
    out.push_str(&format!("{}\n\n", paint(style, color, &headline)));
    if let Some(at_once) = plan.at_once.as_ref().filter(|at_once| !at_once.wave.fits()) {
        for finding in at_once.findings.iter().filter(|finding| finding.code.id == "ROLL101") {
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            let code = format!("{severity}[{}]", finding.code.id);
            out.push_str(&format!("{}: {}\n", paint(style, BOLD, &code), finding.title));
        }
        let all = count(plan.rolled.len(), "roll-out");
        let nodes = match at_once.nodes_without_limits > at_once.wave.nodes.1 {
            true => {
                let wanted = count(at_once.nodes_without_limits as usize, "node");
                format!("{wanted} without the pools' limits, {} within them", at_once.wave.nodes.1)
            }
            false => format!("{} at the most", count(at_once.wave.nodes.1 as usize, "node")),
        };
        out.push_str(&format!("{all} at once: {nodes}; {}\n\n", waiting(&at_once.wave)));
    }
    if plan.waves.is_empty() {
        return;
    }
    let header = ["wave", "starts", "roll-outs", "takes", "nodes", "pods", "addresses", "which"];
    let rows = plan.waves.iter().enumerate().map(|(index, wave)| row(index + 1, wave, style)).collect();
    out.push_str(&table(&header, rows, &[2, 3]));
    for (index, wave) in plan.waves.iter().enumerate().filter(|(_, wave)| !wave.fits()) {
        out.push_str(&format!("wave {} does not fit: {}\n", index + 1, waiting(wave)));
    }
    let told = "each wave begins when the cluster has settled after the one before; nodes, pods and addresses: before -> at the most";
    out.push_str(&format!("{}\n", paint(style, BLUE, told)));
}

fn headline(plan: &Plan) -> (anstyle::Style, String) {
    if plan.before != Outcome::Converges {
        let why =
            format!("no plan: the cluster does not come up ({}); `plimsoll check` says why", plan.before);
        return (RED, why);
    }
    let all = count(plan.rolled.len(), "roll-out");
    if plan.rolled.is_empty() {
        return (RED, "no plan: the input has no Deployment to roll; `--only` names others".to_owned());
    }
    let most = plan.waves.iter().map(|wave| wave.workloads.len()).max().unwrap_or(0);
    match (plan.fits(), plan.waves.len()) {
        (true, 1) => (GREEN, format!("fits: {all} at once")),
        (true, waves) => (GREEN, format!("fits: {all} in {waves} waves of {most}")),
        (false, _) => (RED, format!("does not fit: {all}, in waves of {most}")),
    }
}

fn waiting(wave: &Wave) -> String {
    let stuck = if wave.completes { "" } else { "; it never completes" };
    match wave.waited.as_slice() {
        [] => format!("no new pod waits for an old one{stuck}"),
        [one] => format!("new pod {one} waits for an old one to go{stuck}"),
        many => format!("{} new pods wait for old ones to go{stuck}", many.len()),
    }
}

fn row(number: usize, wave: &Wave, style: Style) -> Vec<String> {
    let arrow = if style.ascii { "->" } else { "→" };
    let level = |(before, most): (u32, u32)| format!("{before} {arrow} {most}");
    let shown = if style.verbose { usize::MAX } else { NAMES_MAX };
    let names: Vec<String> =
        wave.workloads.iter().take(shown).map(|key| format!("{}/{}", key.namespace, key.name)).collect();
    let more = wave.workloads.len().saturating_sub(shown);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    vec![
        number.to_string(),
        wave.starts.to_string(),
        wave.workloads.len().to_string(),
        Span(wave.took_ms).to_string(),
        level(wave.nodes),
        level(wave.pods),
        level(wave.addresses),
        format!("{}{more}", names.join(", ")),
    ]
}
