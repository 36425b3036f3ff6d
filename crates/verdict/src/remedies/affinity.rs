//! Placement rules that a stuck provisioner could do without.

use cluster::{Waiting, Workload};
use findings::Why;
use sources::Action;

use super::Case;
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let stuck = case.provisioners().into_iter().filter(|workload| is_unschedulable(case, workload));
    stuck.flat_map(|workload| relaxations(case, workload)).collect()
}

/// Whether pods of a workload find no node.
pub(super) fn is_unschedulable(case: &Case<'_>, workload: &Workload) -> bool {
    case.workload_waits().any(|(waiter, wait)| {
        waiter.key == workload.key && matches!(wait.why, Why::Pods(Waiting::Unschedulable(_)) | Why::Pool(_))
    })
}

fn relaxations(case: &Case<'_>, workload: &Workload) -> Vec<Remedy> {
    let template = &workload.template;
    let rules = [
        (!template.node_selector.is_empty(), "/nodeSelector", "nodeSelector"),
        (template.required_node_affinity.is_some(), "/affinity/nodeAffinity", "required node affinity"),
        (
            !template.pod_anti_affinity.required.is_empty(),
            "/affinity/podAntiAffinity",
            "required anti-affinity",
        ),
        (
            template.topology_spread.iter().any(|spread| spread.required),
            "/topologySpreadConstraints",
            "topology spread constraints",
        ),
    ];
    let present = rules.into_iter().filter(|(present, _, _)| *present);
    let remedies = present.filter_map(|(_, path, what)| {
        let change = case.in_pod_spec(workload, path, Action::Remove)?;
        Some(Remedy {
            id: "affinity",
            title: format!("remove the {what} of {}", workload.key),
            edits: vec![change.edit],
            operation: change.operation,
            cost: 0,
        })
    });
    remedies.collect()
}
