//! Requirements: a pool that also makes nodes with the labels that waiting pods ask for.
//!
//! A label of one's own that no pool has is added to the pool; a requirement `In` that leaves a value out gets it.
//! Labels that Karpenter or the kubelet give (`kubernetes.io`, `k8s.io`, `karpenter.sh`, `karpenter.k8s.aws`) cannot be
//! written by a pool (`sigs.k8s.io/karpenter` `pkg/apis/v1/labels.go`).

use std::collections::BTreeSet;

use cluster::rejection::PoolReason;
use cluster::{NodePool, SelectorOperator, SelectorRequirement};
use serde_json::json;
use sources::Edit;

use super::{Case, child, set};
use crate::remedy::Remedy;

/// More proposals than this would only crowd out others.
const MAX: usize = 6;

/// Domains whose labels are not a pool's to give.
const RESERVED: [&str; 4] = ["kubernetes.io", "k8s.io", "karpenter.sh", "karpenter.k8s.aws"];

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    let refusals = &case.told.run.cluster.refusals;
    let waiting = case.waiting_pods().filter_map(|(pod, _)| refusals.get(&pod.id));
    for rejection in waiting.flat_map(|refusal| &refusal.pools) {
        let PoolReason::Requirement { key, wanted, .. } = &rejection.reason else { continue };
        let Some(pool) = case.declared.node_pools.iter().find(|pool| pool.name == rejection.pool) else {
            continue;
        };
        let is_choice = wanted.operator == SelectorOperator::In && !wanted.values.is_empty();
        if !is_choice || !seen.insert((&pool.name, key.clone(), wanted.values.clone())) {
            continue;
        }
        let Some(edit) = offer(pool, wanted) else { continue };
        let values: Vec<&str> = wanted.values.iter().map(|value| value.as_str()).collect();
        remedies.push(Remedy {
            id: "pool-requirement",
            title: format!("let NodePool {} make nodes with {key} {}", pool.name, values.join(", ")),
            edits: vec![edit],
            operation: None,
            cost: 0,
        });
    }
    remedies.truncate(MAX);
    remedies
}

/// What makes a pool offer what is wanted; `None` where a person would have to think.
fn offer(pool: &NodePool, wanted: &SelectorRequirement) -> Option<Edit> {
    let template = pool.location.at("/spec/template");
    if let Some(index) = pool.requirements.iter().position(|requirement| requirement.key == wanted.key) {
        let requirement = &pool.requirements[index];
        if requirement.operator != SelectorOperator::In {
            return None;
        }
        let mut values = requirement.values.clone();
        values.extend(wanted.values.iter().filter(|value| !requirement.values.contains(value)).cloned());
        return Some(set(template.at(&format!("/spec/requirements/{index}/values")), json!(values)));
    }
    let first = wanted.values.first()?;
    if is_reserved(&wanted.key) {
        return None;
    }
    Some(set(child(&template.at("/metadata/labels"), &wanted.key), json!(first)))
}

fn is_reserved(key: &str) -> bool {
    let Some((domain, _)) = key.split_once('/') else { return false };
    RESERVED.iter().any(|reserved| domain == *reserved || domain.ends_with(&format!(".{reserved}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labels_of_one_s_own_are_given_by_a_pool() {
        assert!(is_reserved("topology.kubernetes.io/zone") && is_reserved("karpenter.sh/capacity-type"));
        assert!(!is_reserved("workload-type") && !is_reserved("example.com/tier"));
    }
}
