//! Priority: the class that the provisioner and cluster DNS should have. Often proposed; run like the others.

use cluster::role::Program;
use serde_json::json;
use sources::Action;

use super::Case;
use crate::remedy::Remedy;

const CRITICAL: &str = "system-cluster-critical";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let critical = case.running(&[Program::Karpenter, Program::ClusterDns]);
    let stuck = critical.into_iter().filter(|workload| case.is_stuck(workload));
    let remedies = stuck.filter_map(|workload| {
        let has = workload.template.priority_class == CRITICAL;
        // That it is there already is said of what people write themselves: an add-on has it from its chart.
        if has && workload.location.object.kind == cluster::Kind::Cluster {
            return None;
        }
        let already = if has { " (it already has it)" } else { "" };
        let change = case.in_pod_spec(workload, "/priorityClassName", Action::Set(json!(CRITICAL)))?;
        Some(Remedy {
            id: "priority",
            title: format!("give {} priority class {CRITICAL}{already}", workload.key),
            edits: vec![change.edit],
            operation: change.operation,
            cost: 0,
        })
    });
    remedies.collect()
}
