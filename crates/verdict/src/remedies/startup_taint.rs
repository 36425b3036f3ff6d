//! Startup taints that nobody removes: nodes without them.
//!
//! Karpenter waits for startup taints to be gone before a node is initialized (`sigs.k8s.io/karpenter`
//! `pkg/controllers/nodeclaim/lifecycle/initialization.go`), and the scheduler keeps pods away until then.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Location, Taint};
use serde_json::{Value, json};

use super::{Case, effect_name, remove, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let (pools, groups) = left_on_nodes(case);
    let of_pools = pools.into_iter().filter_map(|(index, left)| {
        let pool = case.declared.node_pools.get(index as usize)?;
        let location = pool.location.at("/spec/template/spec/startupTaints");
        Some(without(location, &pool.startup_taints, &left, &format!("NodePool {}", pool.name)))
    });
    let of_groups = groups.into_iter().filter_map(|(index, left)| {
        let group = case.declared.profile.node_groups.get(index as usize)?;
        let location = group.location.at("/startupTaints");
        Some(without(location, &group.startup_taints, &left, &format!("group {}", group.name)))
    });
    of_pools.chain(of_groups).collect()
}

type Left = BTreeMap<u32, BTreeSet<Taint>>;

/// Startup taints that are still on nodes at the end, by the pool or the group of the nodes.
fn left_on_nodes(case: &Case<'_>) -> (Left, Left) {
    let cluster = &case.told.run.cluster;
    let (mut pools, mut groups) = (Left::new(), Left::new());
    for node in cluster.live_nodes().filter(|node| node.deleted.is_none()) {
        if let Some(claim) = node.claim.map(|claim| cluster.claim(claim)) {
            let left = claim.startup_taints.iter().filter(|taint| node.taints.contains(taint)).cloned();
            let Some(pool) = claim.pool else { continue };
            pools.entry(pool).or_default().extend(left);
        } else if let Some(index) = node.group {
            let Some(group) = case.declared.profile.node_groups.get(index as usize) else { continue };
            let left = group.startup_taints.iter().filter(|taint| node.taints.contains(taint)).cloned();
            groups.entry(index).or_default().extend(left);
        }
    }
    pools.retain(|_, left| !left.is_empty());
    groups.retain(|_, left| !left.is_empty());
    (pools, groups)
}

fn without(location: Location, all: &[Taint], left: &BTreeSet<Taint>, of: &str) -> Remedy {
    let kept: Vec<Value> = all.iter().filter(|taint| !left.contains(taint)).map(written).collect();
    let names: Vec<String> =
        left.iter().map(|taint| format!("{}:{}", taint.key, effect_name(taint.effect))).collect();
    let taints = if names.len() == 1 { "taint" } else { "taints" };
    Remedy {
        id: "startup-taint",
        title: format!("remove the startup {taints} {} of {of}, which nothing takes away", names.join(", ")),
        edits: vec![if kept.is_empty() { remove(location) } else { set(location, json!(kept)) }],
        operation: None,
        cost: 0,
    }
}

fn written(taint: &Taint) -> Value {
    let mut value = json!({"key": taint.key.as_str(), "effect": effect_name(taint.effect)});
    if !taint.value.is_empty() {
        value["value"] = json!(taint.value.as_str());
    }
    value
}
