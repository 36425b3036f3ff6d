//! Quotas: of the account, which AWS raises on request, and of a namespace.

use std::collections::BTreeMap;

use cluster::change::Refusal;
use cluster::node_claim::LaunchFailure;
use cluster::resources::format_amount;
use cluster::{Kind, ObjectKey};
use findings::Why;
use serde_json::json;

use super::{Case, child, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies = of_account(case);
    remedies.extend(of_namespaces(case));
    remedies
}

fn of_account(case: &Case<'_>) -> Vec<Remedy> {
    let exceeded = case.launch_failures().into_iter().filter_map(|why| match why {
        LaunchFailure::QuotaExceeded { quota, limit } => Some((quota, limit.saturating_mul(2))),
        _ => None,
    });
    let quotas = case.declared.profile.location.at("/spec/aws/quotas");
    exceeded
        .map(|(quota, raised)| Remedy {
            id: "account-quota",
            title: format!("have the account's quota {quota} raised to {raised}"),
            edits: vec![set(child(&quotas, quota), json!(raised))],
            operation: Some("ask AWS for it (Service Quotas): it is not yours to set".to_owned()),
            cost: 2,
        })
        .collect()
}

/// A ResourceQuota that refuses pods: twice what it allows, or what one more pod needs where that is more.
fn of_namespaces(case: &Case<'_>) -> Vec<Remedy> {
    let mut needed: BTreeMap<(&ObjectKey, &str), i64> = BTreeMap::new();
    for (_, wait) in case.workload_waits() {
        let Why::Refused(Refusal::Quota { quota, resource, hard, used, wanted }) = &wait.why else {
            continue;
        };
        let need = hard.saturating_mul(2).max(used.saturating_add(*wanted));
        let known = needed.entry((quota, resource)).or_insert(need);
        *known = (*known).max(need);
    }
    let remedies =
        needed.into_iter().filter_map(|((key, resource), need)| {
            let written = (key.kind == Kind::ResourceQuota).then(|| case.inputs.find(key)).flatten()?;
            let name =
                written.value.pointer("/spec/hard")?.as_object()?.keys().find(|name| {
                    name.as_str() == resource || name.strip_prefix("requests.") == Some(resource)
                })?;
            let quota = case.declared.quotas.iter().find(|quota| quota.location.object == *key)?;
            let raised = format_amount(resource, need);
            Some(Remedy {
                id: "namespace-quota",
                title: format!("raise {name} of {key} to {raised}"),
                edits: vec![set(child(&quota.location.at("/spec/hard"), name), json!(raised))],
                operation: None,
                cost: 1,
            })
        });
    remedies.collect()
}
