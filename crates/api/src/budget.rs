//! Disruption budgets of a NodePool.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/apis/v1/nodepool.go`.

use cluster::node_pool::{Budget, BudgetNodes, DisruptionReason};
use cluster::{FieldPath, Name};
use serde::Deserialize;

use crate::problem::Reporter;
use crate::{code, duration};

/// A budget as written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireBudget {
    nodes: Option<String>,
    reasons: Option<Vec<String>>,
    schedule: Option<String>,
    duration: Option<String>,
}

/// Most budgets of a pool.
const MAX_BUDGETS: usize = 50;

/// The budgets; one of 10 % where none is written.
pub(crate) fn budgets(wires: Option<&[WireBudget]>, reporter: &mut Reporter<'_>) -> Vec<Budget> {
    let Some(wires) = wires else {
        return vec![Budget { nodes: BudgetNodes::Percent(10), reasons: Vec::new(), schedule: None }];
    };
    let path = FieldPath::of("/spec/disruption/budgets");
    if wires.len() > MAX_BUDGETS {
        reporter.error(&path, code::BAD_VALUE, format!("{path}: must have at most {MAX_BUDGETS} items"), "");
    }
    let mut budgets = Vec::new();
    for (index, wire) in wires.iter().take(MAX_BUDGETS).enumerate() {
        let at = path.child(index);
        budgets.push(Budget {
            nodes: budget_nodes(wire.nodes.as_deref().unwrap_or("10%"), &at.child("nodes"), reporter),
            reasons: reasons(wire.reasons.as_deref().unwrap_or_default(), &at.child("reasons"), reporter),
            schedule: schedule(wire, &at, reporter),
        });
    }
    budgets
}

/// `^((100|[0-9]{1,2})%|[0-9]+)$`.
fn budget_nodes(text: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> BudgetNodes {
    let digits = |text: &str| {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u32>())
    };
    let parsed = match text.strip_suffix('%') {
        Some(percent) => {
            digits(percent).and_then(Result::ok).filter(|percent| *percent <= 100).map(BudgetNodes::Percent)
        }
        None => digits(text).map(|count| BudgetNodes::Count(count.unwrap_or(u32::MAX))),
    };
    parsed.unwrap_or_else(|| {
        let message = format!("{path}: {text:?} is neither a count nor a percentage up to 100%");
        reporter.error(path, code::BAD_VALUE, message, "such as \"10%\" or \"1\"");
        BudgetNodes::Count(0)
    })
}

fn reasons(wires: &[String], path: &FieldPath, reporter: &mut Reporter<'_>) -> Vec<DisruptionReason> {
    const REASONS: [&str; 3] = ["Underutilized", "Empty", "Drifted"];
    let mut reasons = Vec::new();
    for (index, wire) in wires.iter().enumerate() {
        match wire.as_str() {
            "Underutilized" => reasons.push(DisruptionReason::Underutilized),
            "Empty" => reasons.push(DisruptionReason::Empty),
            "Drifted" => reasons.push(DisruptionReason::Drifted),
            other => {
                let at = path.child(index);
                let message =
                    format!("{at}: Unsupported value: {other:?}: supported values: {}", REASONS.join(", "));
                reporter.error(&at, code::BAD_VALUE, message, crate::suggest::did_you_mean(other, REASONS));
            }
        }
    }
    reasons
}

/// Schedule and duration: both or none. A schedule that passes the CRD's pattern but not the parser makes the
/// budget allow nothing; it is reported.
fn schedule(wire: &WireBudget, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<(Name, i64)> {
    let (text, length) = match (&wire.schedule, &wire.duration) {
        (None, None) => return None,
        (Some(text), Some(length)) => (text, length),
        _ => {
            reporter.error(
                path,
                code::MISSING_FIELD,
                format!("{path}: 'schedule' must be set with 'duration'"),
                "write both or none",
            );
            return None;
        }
    };
    if let Err(why) = crate::job::check_schedule(text) {
        let at = path.child("schedule");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: {text:?}: {why}"),
            "such as \"0 9 * * 1-5\" or @daily",
        );
    }
    let at = path.child("duration");
    let allowed = |text: &str| text.strip_suffix("0s").is_none_or(|head| head.ends_with(['h', 'm']));
    let whole_minutes = duration::parse_ms(length)
        .ok()
        .filter(|ms| ms % 60_000 == 0 && allowed(length) && !length.contains('.'));
    if whole_minutes.is_none() {
        let message = format!("{at}: {length:?} is not a duration of hours and minutes");
        reporter.error(&at, code::BAD_VALUE, message, "such as 8h or 1h30m");
    }
    Some((text.as_str().into(), whole_minutes.unwrap_or(0)))
}
