//! Host networking: a provisioner on the node's own network needs no address, and uses the node's resolver.

use serde_json::json;
use sources::Action;

use super::Case;
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let on_pod_network =
        case.stuck_provisioners().into_iter().filter(|workload| workload.template.needs_address());
    let remedies = on_pod_network.filter_map(|workload| {
        let change = case.in_pod_spec(workload, "/hostNetwork", Action::Set(json!(true)))?;
        Some(Remedy {
            id: "host-network",
            title: format!("set hostNetwork on {}", workload.key),
            edits: vec![change.edit],
            operation: change.operation,
            cost: 0,
        })
    });
    remedies.collect()
}
