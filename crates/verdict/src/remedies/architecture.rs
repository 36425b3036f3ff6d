//! Architecture: pools that make nodes like those that are there or that images are built for, and pods that keep to
//! the nodes that their images run on.

use std::collections::BTreeSet;

use cluster::waiting::CrashCause;
use cluster::{NodePool, SelectorOperator, Waiting};
use serde_json::json;
use sources::Action;

use super::{Case, set};
use crate::remedy::Remedy;

const ARCH: &str = "kubernetes.io/arch";

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let nodes: BTreeSet<&str> =
        case.declared.nodes.iter().map(|node| node.arch()).filter(|a| !a.is_empty()).collect();
    let images: BTreeSet<&str> = crashing(case).map(|(_, arch)| arch).collect();
    case.declared.node_pools.iter().flat_map(|pool| pinned(pool, &nodes, &images)).collect()
}

/// Workloads whose images are built for one architecture that is not their node's.
fn crashing<'c>(case: &'c Case<'_>) -> impl Iterator<Item = (&'c cluster::Workload, &'c str)> {
    case.waiting_pods().filter_map(|(pod, waiting)| match waiting {
        Waiting::Crashing { why: CrashCause::ExecFormat { built_for, .. }, .. } => match built_for.as_slice()
        {
            [only] => Some((case.declared.workload(pod.workload?), only.as_str())),
            _ => None,
        },
        _ => None,
    })
}

fn pinned(pool: &NodePool, nodes: &BTreeSet<&str>, images: &BTreeSet<&str>) -> Vec<Remedy> {
    let Some(index) =
        pool.requirements.iter().position(|r| r.key == ARCH && r.operator == SelectorOperator::In)
    else {
        return Vec::new();
    };
    let missing = nodes
        .union(images)
        .filter(|arch| !pool.requirements[index].values.iter().any(|value| value == *arch));
    let to = |arch: &&str| {
        let like = if nodes.contains(arch) { "like the nodes that are there" } else { "like the images" };
        Remedy {
            id: "architecture",
            title: format!("pin NodePool {} to {arch}, {like}", pool.name),
            edits: vec![set(
                pool.location.at(&format!("/spec/template/spec/requirements/{index}/values")),
                json!([arch]),
            )],
            operation: None,
            cost: 0,
        }
    };
    missing.map(to).collect()
}

/// Pods that crash on nodes of the wrong architecture ask for the right one.
pub(super) fn keep_to_images(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let stuck = crashing(case).filter(|(workload, _)| seen.insert(workload.key.clone()));
    let remedies = stuck.filter_map(|(workload, arch)| {
        let change =
            case.in_pod_spec(workload, "/nodeSelector/kubernetes.io~1arch", Action::Set(json!(arch)))?;
        Some(Remedy {
            id: "image-architecture",
            title: format!("let {} run on {arch} nodes only, for which its image is built", workload.key),
            edits: vec![change.edit],
            operation: change.operation,
            cost: 0,
        })
    });
    remedies.collect()
}
