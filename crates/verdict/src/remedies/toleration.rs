//! Tolerations: for pods that one taint keeps from every node or pool.

use std::collections::BTreeSet;

use cluster::rejection::{FilterReason, PoolReason};
use cluster::{Effect, Kind, Location, Taint, Waiting, Workload};
use findings::Why;
use serde_json::json;

use super::Case;
use crate::remedy::Remedy;
use sources::{Action, Edit};

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for (workload, wait) in case.workload_waits() {
        for taint in taints(&wait.why) {
            if is_transient(&taint) || !seen.insert((workload.key.clone(), taint.clone())) {
                continue;
            }
            let Some(location) = place(case, workload) else { continue };
            let effect = match taint.effect {
                Effect::NoSchedule => "NoSchedule",
                Effect::PreferNoSchedule => "PreferNoSchedule",
                Effect::NoExecute => "NoExecute",
            };
            let toleration = json!({"key": taint.key.as_str(), "operator": "Exists", "effect": effect});
            remedies.push(Remedy {
                id: "toleration",
                title: format!("tolerate {}:{effect} in {}", taint.key, workload.key),
                edits: vec![Edit {
                    object: location.object,
                    path: location.path,
                    action: Action::Append(toleration),
                }],
                operation: None,
                cost: 0,
            });
        }
    }
    remedies.truncate(MAX);
    remedies
}

/// Where the tolerations of a workload are written; `None` where the input has no place for them.
///
/// An add-on of the profile is not written as a workload: its entry takes the tolerations of its Deployment, or has a
/// pod template of its own.
fn place(case: &Case<'_>, workload: &Workload) -> Option<Location> {
    if workload.template.location.object.kind != Kind::Cluster {
        return Some(workload.template.location.at("/spec/tolerations"));
    }
    let entry = &workload.location;
    let profile = case.inputs.find(&entry.object)?;
    let written = profile.value.pointer(&entry.path.0).filter(|written| written.is_object())?;
    match written.pointer("/pods/template") {
        Some(template) if template.get("containers").is_some() => {
            Some(entry.at("/pods/template/tolerations"))
        }
        Some(_) => Some(entry.at("/pods/template/spec/tolerations")),
        None if workload.key.kind == Kind::Deployment => Some(entry.at("/tolerations")),
        None => None,
    }
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

/// Taints that go away by themselves, or that mark a node on its way out: tolerating them helps nobody.
fn is_transient(taint: &Taint) -> bool {
    taint.key.starts_with("node.kubernetes.io/") || taint.key.starts_with("karpenter.sh/")
}
