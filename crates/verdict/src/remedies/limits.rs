//! Pool limits: twice what is allowed now.

use std::collections::BTreeSet;

use cluster::rejection::PoolReason;
use cluster::resources::format_amount;
use findings::{Party, Why};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for wait in &case.told.graph.waits {
        let (Party::Pool(index), Why::Pool(PoolReason::Limit { resource, limit, .. })) =
            (&wait.on, &wait.why)
        else {
            continue;
        };
        if !seen.insert((*index, resource.clone())) {
            continue;
        }
        let pool = &case.declared.node_pools[*index as usize];
        let raised = format_amount(resource, limit.saturating_mul(2));
        remedies.push(Remedy {
            id: "pool-limit",
            title: format!("raise the limit of NodePool {} to {resource} {raised}", pool.name),
            edits: vec![set(pool.location.at(&format!("/spec/limits/{resource}")), json!(raised))],
            operation: None,
            cost: 2,
        });
    }
    remedies
}
