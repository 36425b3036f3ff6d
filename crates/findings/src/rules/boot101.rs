//! BOOT101: the provisioner's own pods wait for a node that only it could add.

use cluster::role::Program;
use cluster::{Waiting, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::wait::Party;
use crate::{stuck, words};

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
    let ready = stuck::ready_pods(scene.cluster, id);
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
                "{} of {program} {} and the others cannot be placed: it adds no node for itself",
                stuck::count(ready, "pod"),
                if ready == 1 { "runs" } else { "run" }
            ),
        )
    };
    let mut finding = Finding::new(RULE.code, severity, title)
        .at(workload.template.location.at("/spec"), "where it may run")
        .help(format!(
            "make room for {program} on nodes that it does not manage: one more node there, a toleration, or fewer replicas"
        ));
    finding.affects(workload.key.clone());
    for wait in waits {
        finding = finding.note(words::wait(scene, wait));
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::testing::{KARPENTER, boot, eks};

    #[test]
    fn a_second_replica_without_room_is_a_warning() {
        let ended =
            boot(&[&eks("scaling: {min: 1, max: 1}, taints: []", KARPENTER).replace("count: 2", "count: 1")]);
        insta::assert_snapshot!(ended.told("BOOT101"), @r#"
        Warning: 1 pod of Karpenter runs and the others cannot be placed: it adds no node for itself
         at Cluster test spec.addons[2].spec: where it may run
         note: kube-system/karpenter-7b48789dcf-1: 0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.
         help: make room for Karpenter on nodes that it does not manage: one more node there, a toleration, or fewer replicas
        "#);
    }

    #[test]
    fn fires() {
        let ended = boot(&[&eks("taints: [{key: dedicated, effect: NoSchedule}]", KARPENTER)]);
        insta::assert_snapshot!(ended.told("BOOT101"), @r#"
        Error: Karpenter waits for itself: none of its pods can start, and only it adds nodes
         at Cluster test spec.addons[2].spec: where it may run
         note: kube-system/karpenter-7b48789dcf-0, kube-system/karpenter-7b48789dcf-1: 0/2 nodes are available: 2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
         help: make room for Karpenter on nodes that it does not manage: one more node there, a toleration, or fewer replicas
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(boot(&[&eks("", KARPENTER)]).told("BOOT101"), "");
    }
}
