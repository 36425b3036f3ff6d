//! Tolerations: for pods that one taint keeps from every node or pool.

use std::collections::BTreeSet;

use cluster::rejection::{FilterReason, PoolReason};
use cluster::{Taint, Waiting};
use findings::Why;
use serde_json::json;
use sources::Action;

use super::{Case, effect_name};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for (workload, wait) in case.workload_waits() {
        for taint in taints(&wait.why) {
            if is_transient(&taint) || !seen.insert((workload.key.clone(), taint.clone())) {
                continue;
            }
            let effect = effect_name(taint.effect);
            let toleration = json!({"key": taint.key.as_str(), "operator": "Exists", "effect": effect});
            let change = case.in_pod_spec(workload, "/tolerations", Action::Append(toleration));
            let Some(change) = change else { continue };
            remedies.push(Remedy {
                id: "toleration",
                title: format!("tolerate {}:{effect} in {}", taint.key, workload.key),
                edits: vec![change.edit],
                operation: change.operation,
                cost: 0,
            });
        }
    }
    remedies.truncate(MAX);
    remedies
}

/// More proposals than this would only crowd out others.
const MAX: usize = 8;

fn taints(why: &Why) -> Vec<Taint> {
    match why {
        Why::Pool(PoolReason::Taint(taint)) => vec![taint.clone()],
        Why::Pods(Waiting::Unschedulable(rejection)) => {
            let reasons = rejection.reasons.iter().filter_map(|reason| match &reason.reason {
                FilterReason::Taint(taint) => Some(taint.clone()),
                _ => None,
            });
            reasons.collect()
        }
        _ => Vec::new(),
    }
}

/// Taints that go away by themselves, that mark a node on its way out, or that keep a Fargate node for its one pod:
/// tolerating them helps nobody.
fn is_transient(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/")
        || taint.key.starts_with("karpenter.sh/")
        || taint.key == "eks.amazonaws.com/compute-type"
}
