//! Host networking: a provisioner on the node's own network needs no address, and uses the node's resolver.

use serde_json::json;

use super::{Case, set_in_template};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let on_pod_network = case.provisioners().into_iter().filter(|workload| workload.template.needs_address());
    on_pod_network
        .map(|workload| Remedy {
            id: "host-network",
            title: format!("set hostNetwork on {}", workload.key),
            edits: vec![set_in_template(workload, "/spec/hostNetwork", json!(true))],
            operation: None,
            cost: 0,
        })
        .collect()
}
