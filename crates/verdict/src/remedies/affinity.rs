//! Placement rules that a stuck provisioner could do without.

use findings::Why;

use super::{Case, remove};
use crate::remedy::Remedy;
use cluster::Waiting;
use cluster::Workload;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    for workload in case.provisioners() {
        let unschedulable = case.workload_waits().any(|(waiter, wait)| {
            waiter.key == workload.key
                && matches!(wait.why, Why::Pods(Waiting::Unschedulable(_)) | Why::Pool(_))
        });
        if unschedulable {
            remedies.extend(relaxations(workload));
        }
    }
    remedies
}

fn relaxations(workload: &Workload) -> Vec<Remedy> {
    let template = &workload.template;
    let relax = |present: bool, tail: &str, what: &str| {
        present.then(|| Remedy {
            id: "affinity",
            title: format!("remove the {what} of {}", workload.key),
            edits: vec![remove(template.location.at(tail))],
            operation: None,
            cost: 0,
        })
    };
    [
        relax(!template.node_selector.is_empty(), "/spec/nodeSelector", "nodeSelector"),
        relax(
            template.required_node_affinity.is_some(),
            "/spec/affinity/nodeAffinity",
            "required node affinity",
        ),
        relax(
            !template.pod_anti_affinity.required.is_empty(),
            "/spec/affinity/podAntiAffinity",
            "required anti-affinity",
        ),
        relax(
            template.topology_spread.iter().any(|spread| spread.required),
            "/spec/topologySpreadConstraints",
            "topology spread constraints",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
