//! Architecture: a pool that also makes nodes of the architectures that the cluster already runs.

use std::collections::BTreeSet;

use cluster::{NodePool, SelectorOperator};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

const ARCH: &str = "kubernetes.io/arch";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let present: BTreeSet<&str> =
        case.declared.nodes.iter().map(|node| node.arch()).filter(|a| !a.is_empty()).collect();
    case.declared.node_pools.iter().flat_map(|pool| pinned(pool, &present)).collect()
}

fn pinned(pool: &NodePool, present: &BTreeSet<&str>) -> Vec<Remedy> {
    let Some(index) =
        pool.requirements.iter().position(|r| r.key == ARCH && r.operator == SelectorOperator::In)
    else {
        return Vec::new();
    };
    let missing: Vec<&str> = present
        .iter()
        .copied()
        .filter(|arch| !pool.requirements[index].values.iter().any(|v| v == arch))
        .collect();
    let to = |arch: &str| Remedy {
        id: "architecture",
        title: format!("pin NodePool {} to {arch}, like the nodes that are there", pool.name),
        edits: vec![set(
            pool.location.at(&format!("/spec/template/spec/requirements/{index}/values")),
            json!([arch]),
        )],
        operation: None,
        cost: 0,
    };
    missing.into_iter().map(to).collect()
}
