//! Offerings: a pool of spot only that may also buy on demand, and the role without which EC2 sells no spot.

use cluster::SelectorOperator;
use cluster::node_claim::LaunchFailure;
use cluster::rejection::PoolReason;
use findings::{Party, Why};
use serde_json::json;

use super::{Case, append, set};
use crate::remedy::Remedy;

const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// The service whose role spot requests need.
const SPOT: &str = "spot.amazonaws.com";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    role(case).into_iter().chain(on_demand(case)).collect()
}

/// The role exists in an account for good: nothing of the cluster changes.
fn role(case: &Case<'_>) -> Option<Remedy> {
    let refused = case
        .launch_failures()
        .into_iter()
        .any(|why| matches!(why, LaunchFailure::Unauthorized(code) if code.contains("ServiceLinkedRole")));
    refused.then(|| Remedy {
        id: "service-linked-role",
        title: format!("create the service-linked role of {SPOT} in the account, once"),
        edits: vec![append(case.declared.profile.location.at("/spec/aws/serviceLinkedRoles"), json!(SPOT))],
        operation: Some(format!("run: aws iam create-service-linked-role --aws-service-name {SPOT}")),
        cost: 0,
    })
}

/// Pools that nothing could be bought for.
fn on_demand(case: &Case<'_>) -> Vec<Remedy> {
    let unsold = |index: u32| {
        case.told.graph.waits.iter().any(|wait| {
            wait.on == Party::Pool(index) && matches!(wait.why, Why::Pool(PoolReason::NoOffering))
        })
    };
    let pools = (0u32..).zip(&case.declared.node_pools).filter(|(index, _)| unsold(*index));
    let remedies = pools.filter_map(|(_, pool)| {
        let index = pool.requirements.iter().position(|requirement| requirement.key == CAPACITY_TYPE)?;
        let requirement = &pool.requirements[index];
        if requirement.operator != SelectorOperator::In
            || requirement.values.iter().any(|value| value == "on-demand")
        {
            return None;
        }
        let mut values = requirement.values.clone();
        values.push("on-demand".into());
        let location = pool.location.at(&format!("/spec/template/spec/requirements/{index}/values"));
        Some(Remedy {
            id: "on-demand",
            title: format!("let NodePool {} buy on-demand capacity as well", pool.name),
            edits: vec![set(location, json!(values))],
            operation: None,
            cost: 2,
        })
    });
    remedies.collect()
}
