//! BOOT101: the provisioner's own pods wait for a node that only it could add.

use std::collections::BTreeSet;

use cluster::role::Program;
use cluster::{PodId, Waiting, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::wait::{Party, Wait, Why};
use crate::{provisioner, stuck, words};

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
A second replica that cannot be placed while the first one runs is an error too, though nodes are added: two were asked
for, and one never comes. Nothing else in the cluster notices, but whoever installs waits for it in vain: `helm --wait`
and Terraform's helm_release (which waits unless told not to) fail after their time-out, an Argo CD sync wave behind it
never starts, no roll-out of Karpenter completes, and the next drain of the only node stops it. If one replica is meant,
`replicas: 1` says so, and there is no finding.
With another provisioner running beside it, the pods are judged like all others: SCHED101, NODE103.

## References
- karpenter-provider-aws: charts/karpenter/values.yaml
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Unable to schedule pod due to insufficient node group instances
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let alone = scene.cluster.declared.workload_ids().filter(|(id, _)| provisioner::stands_alone(scene, *id));
    alone.filter_map(|(id, _)| finding(scene, id)).collect()
}

fn finding(scene: &Scene<'_>, id: WorkloadId) -> Option<Finding> {
    let own_party = Party::Workload(id);
    let waits: Vec<&Wait> =
        scene.graph.of(&own_party).filter(|wait| wait.pods.iter().any(|pod| lacks(scene, *pod))).collect();
    if waits.is_empty() {
        return None;
    }
    let waiting: BTreeSet<PodId> = waits.iter().flat_map(|wait| wait.pods.iter().copied()).collect();
    let workload = scene.cluster.declared.workload(id);
    let program = workload.template.role.program;
    let ready = stuck::ready_pods(scene.cluster, id);
    let mut finding = Finding::new(RULE.code, Severity::Error, title(program, ready, waiting.len()))
        .at(workload.template.location.at("/spec"), "where it may run")
        .help(help(scene, program, &waiting));
    finding.affects(workload.key.clone());
    for wait in waits {
        finding = finding.note(words::wait(scene, wait));
        if let Some(said) = words::on_nodes(scene, &wait.pods).filter(|_| matches!(wait.why, Why::Pool(_))) {
            finding = finding.note(said);
        }
    }
    Some(finding)
}

/// Whether a pod waits for what only another node brings.
fn lacks(scene: &Scene<'_>, pod: PodId) -> bool {
    matches!(scene.cluster.pod(pod).waiting, Some((_, Waiting::Unschedulable(_) | Waiting::NoAddress(_))))
}

fn title(program: Program, ready: usize, waiting: usize) -> String {
    match (ready, waiting) {
        (0, _) => format!("{program} waits for itself: none of its pods can start, and only it adds nodes"),
        _ => format!(
            "{program} runs, but {waiting} of its {} pods never will: it adds no node for itself",
            ready + waiting
        ),
    }
}

fn help(scene: &Scene<'_>, program: Program, waiting: &BTreeSet<PodId>) -> String {
    let no_address =
        |pod: &PodId| matches!(scene.cluster.pod(*pod).waiting, Some((_, Waiting::NoAddress(_))));
    if waiting.iter().all(no_address) {
        return format!(
            "keep an address free for {program} on a node that it does not manage, or add such a node"
        );
    }
    format!(
        "make room for {program} on nodes that it does not manage: one more node there, a toleration, or fewer replicas"
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::{KARPENTER, boot, eks};

    #[test]
    fn a_second_replica_without_room_is_an_error() {
        let ended =
            boot(&[&eks("scaling: {min: 1, max: 1}, taints: []", KARPENTER).replace("count: 2", "count: 1")]);
        insta::assert_snapshot!(ended.told("BOOT101"), @r#"
        Error: Karpenter runs, but 1 of its 2 pods never will: it adds no node for itself
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
