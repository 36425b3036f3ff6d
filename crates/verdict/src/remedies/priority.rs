//! Priority: the class that the provisioner and cluster DNS should have. Often proposed; run like the others.

use cluster::role::Program;
use serde_json::json;

use super::{Case, set_in_template};
use crate::remedy::Remedy;

const CRITICAL: &str = "system-cluster-critical";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let critical = case.running(&[Program::Karpenter, Program::ClusterDns]);
    critical
        .into_iter()
        .map(|workload| {
            let has = workload.template.priority_class == CRITICAL;
            let already = if has { " (it already has it)" } else { "" };
            Remedy {
                id: "priority",
                title: format!("give {} priority class {CRITICAL}{already}", workload.key),
                edits: vec![set_in_template(workload, "/spec/priorityClassName", json!(CRITICAL))],
                operation: None,
                cost: 0,
            }
        })
        .filter(|remedy| remedy.edits.iter().all(|edit| edit.object.kind != cluster::Kind::Cluster))
        .collect()
}
