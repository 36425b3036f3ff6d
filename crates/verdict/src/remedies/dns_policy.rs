//! dnsPolicy: a provisioner that asks the VPC's resolver does not need cluster DNS.

use serde_json::json;
use sources::Action;

use super::Case;
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let asking =
        case.stuck_provisioners().into_iter().filter(|workload| workload.template.uses_cluster_dns());
    let remedies = asking.filter_map(|workload| {
        let change = case.in_pod_spec(workload, "/dnsPolicy", Action::Set(json!("Default")))?;
        Some(Remedy {
            id: "dns-policy",
            title: format!("set dnsPolicy Default on {}", workload.key),
            edits: vec![change.edit],
            operation: change.operation,
            cost: 0,
        })
    });
    remedies.collect()
}
