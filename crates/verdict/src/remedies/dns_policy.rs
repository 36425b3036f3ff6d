//! dnsPolicy: a provisioner that asks the VPC's resolver does not need cluster DNS.

use serde_json::json;

use super::{Case, set_in_template};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let asking = case.provisioners().into_iter().filter(|workload| workload.template.uses_cluster_dns());
    asking
        .map(|workload| Remedy {
            id: "dns-policy",
            title: format!("set dnsPolicy Default on {}", workload.key),
            edits: vec![set_in_template(workload, "/spec/dnsPolicy", json!("Default"))],
            operation: None,
            cost: 0,
        })
        .collect()
}
