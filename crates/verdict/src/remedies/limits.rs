//! Pool limits: twice what is allowed now, or what the waiting pods ask for where that is more.

use std::collections::BTreeMap;

use cluster::rejection::PoolReason;
use cluster::resources::format_amount;
use findings::{Party, Why};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let cluster = &case.told.run.cluster;
    let mut needed: BTreeMap<(u32, &str), (i64, i64)> = BTreeMap::new();
    for wait in &case.told.graph.waits {
        let (Party::Pool(index), Why::Pool(PoolReason::Limit { resource, limit, used, wanted })) =
            (&wait.on, &wait.why)
        else {
            continue;
        };
        let pods = wait.pods.iter().map(|pod| cluster.pod(*pod).template.requests.get(resource));
        let asked = pods.fold(0_i64, i64::saturating_add);
        let first = used.saturating_add(*wanted);
        let need = needed.entry((*index, resource.as_str())).or_insert((*limit, first));
        need.1 = need.1.saturating_add(asked).max(first);
    }
    let remedies = needed.into_iter().filter_map(|((index, resource), (limit, need))| {
        let pool = case.declared.node_pools.get(index as usize)?;
        let raised = format_amount(resource, limit.saturating_mul(2).max(need));
        Some(Remedy {
            id: "pool-limit",
            title: format!("raise the limit of NodePool {} to {resource} {raised}", pool.name),
            edits: vec![set(pool.location.at(&format!("/spec/limits/{resource}")), json!(raised))],
            operation: None,
            cost: 2,
        })
    });
    remedies.collect()
}
