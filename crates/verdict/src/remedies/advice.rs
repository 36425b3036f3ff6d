//! Advice: what may help and cannot be run, because the input says nothing that would decide it.
//!
//! It is never called verified, and never stands before what was run.

use std::collections::BTreeSet;

use catalog::Catalog;
use cluster::waiting::ImageProblem;
use cluster::{Declared, Waiting};
use sources::Inputs;

use super::Case;
use crate::trial::Trial;

/// Sentences without a full stop, in a fixed order.
pub fn advise(inputs: &Inputs, declared: &Declared, catalog: &Catalog, told: &Trial) -> Vec<String> {
    let case = Case { inputs, declared, catalog, told };
    let mut advice = subnets(&case);
    advice.extend(images(&case));
    advice.extend(budgets(&case));
    advice
}

/// What a VPC has besides the subnets of the profile is nowhere in the input.
fn subnets(case: &Case<'_>) -> Vec<String> {
    let drained: Vec<&str> = case.drained_subnets().into_iter().map(|subnet| subnet.name.as_str()).collect();
    if drained.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "give pods other addresses than those of {}: a further or larger subnet, a secondary CIDR with custom networking, or IPv6; what the VPC has left is not in the input",
        drained.join(", ")
    )]
}

/// An image for another platform has to be built.
fn images(case: &Case<'_>) -> Vec<String> {
    let missing: BTreeSet<&str> = case
        .waiting_pods()
        .filter_map(|(_, waiting)| match waiting {
            Waiting::Image { image, why: ImageProblem::NoPlatform } => Some(image.as_str()),
            _ => None,
        })
        .collect();
    missing.into_iter().map(|image| format!("build {image} for the platform of the nodes as well")).collect()
}

/// Nodes that go and cannot, because a budget keeps a pod on them. How much of a service may be missing is its
/// owner's decision.
fn budgets(case: &Case<'_>) -> Vec<String> {
    let run = &case.told.run.cluster;
    let leaving = run.live_nodes().filter(|node| node.deleted.is_some());
    let kept = leaving.flat_map(|node| run.pods_on(node.id)).filter(|pod| pod.deleted.is_none());
    let mut lines = BTreeSet::new();
    for pod in kept {
        let guards = case.declared.disruption_budgets.iter().filter(|budget| {
            budget.namespace == pod.namespace && budget.selector.matches(&pod.template.labels)
        });
        lines.extend(guards.map(|budget| {
            format!(
                "let PodDisruptionBudget {}/{} give up a pod, or give its workload another replica: nodes wait for that before they go",
                budget.namespace, budget.name
            )
        }));
    }
    lines.into_iter().collect()
}
