//! BOOT101: the provisioner's own pods wait for a node that only it could add.

use cluster::role::Program;
use cluster::{Waiting, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::wait::Party;
use crate::words;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "BOOT101", name: "provisioner-waits-for-itself" }, docs: DOCS, examine };

const DOCS: &str = "\
The provisioner's own pods wait for a node or an address that only the provisioner could add.

## What it is
Karpenter runs as pods like any other. Its chart keeps them off the nodes that it makes (`karpenter.sh/nodepool
DoesNotExist`), apart from each other (hostname anti-affinity) and, with two replicas, in two zones. When the nodes
that it does not manage cannot take them, they stay Pending, or without an address.

## Why it deadlocks
Nothing else adds nodes. While no replica runs, nothing is provisioned, and no replica will ever run.

## Evidence
The provisioner's pods, what the scheduler said about each node, and the field that excludes it.

## Example
A required node affinity to `role=system` on a cluster whose only nodes are application nodes.

## Remedy
Room for the provisioner on nodes that it does not manage: another node in the group, a toleration, one replica
instead of two; or a rule that is preferred instead of required.

## Exceptions
When at least one replica runs, a second one that cannot be placed is a warning: it costs availability only.

## References
- karpenter-provider-aws: charts/karpenter/values.yaml
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Unable to schedule pod due to insufficient node group instances
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let provisioner = |program| matches!(program, Program::Karpenter | Program::ClusterAutoscaler);
    let workloads = scene.cluster.declared.workload_ids();
    workloads
        .filter(|(_, workload)| provisioner(workload.template.role.program))
        .filter_map(|(id, _)| finding(scene, id))
        .collect()
}

fn finding(scene: &Scene<'_>, id: WorkloadId) -> Option<Finding> {
    let own = |waiting: &Waiting| matches!(waiting, Waiting::Unschedulable(_) | Waiting::NoAddress(_));
    let own_party = Party::Workload(id);
    let waits: Vec<_> = scene
        .graph
        .of(&own_party)
        .filter(|wait| {
            wait.pods
                .iter()
                .any(|pod| scene.cluster.pod(*pod).waiting.as_ref().is_some_and(|(_, waiting)| own(waiting)))
        })
        .collect();
    if waits.is_empty() {
        return None;
    }
    let workload = scene.cluster.declared.workload(id);
    let unmet = scene.unmet.iter().find(|unmet| unmet.workload() == id);
    let ready = match unmet {
        Some(cluster::Unmet::Workload { ready, .. }) => *ready,
        _ => 0,
    };
    let program = workload.template.role.program;
    let (severity, title) = if ready == 0 {
        (
            Severity::Error,
            format!("{program} waits for itself: none of its pods can start, and only it adds nodes"),
        )
    } else {
        (
            Severity::Warning,
            format!(
                "{ready} of {program}'s pods run, the others cannot be placed: it will not add a node for itself"
            ),
        )
    };
    let mut finding = Finding::new(RULE.code, severity, title)
        .at(workload.template.location.at("/spec"), "where it may run");
    finding.affects(workload.key.clone());
    for wait in waits {
        finding = finding.note(words::wait(scene, wait));
    }
    Some(finding)
}
