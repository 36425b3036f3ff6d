//! SCHED104: pods that ask for nothing are packed as if they used nothing.

use std::collections::BTreeMap;

use cluster::workload::Shape;
use cluster::{NodeId, Pod, PodId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "SCHED104", name: "pods-without-requests" }, docs: DOCS, examine };

const DOCS: &str = "\
Many pods on a node of the provisioner ask for neither CPU nor memory: nothing but the pods limit keeps them apart.

## What it is
kube-scheduler and Karpenter pack by requests. A pod that asks for nothing fits everywhere, and Karpenter buys no room
for it: it fills the smallest node that is there up to its pods limit, whatever the pods use.

## Why it deadlocks
It does not: everything runs. What follows is beyond what a simulation of requests shows: throttled CPU, and the kernel
or the kubelet killing pods when memory runs out.

## Evidence
The node with the most such pods, how many, and its CPUs.

## Example
Forty pods without requests on two m6i.large, of 2 CPU each.

## Remedy
Write requests; or a LimitRange with `defaultRequest` in the namespace, which gives them to every container that has
none.

## Exceptions
It is a note, not a warning, and only from more than two such pods a CPU on: a few small helpers without requests are
common and do no harm. DaemonSets are left out, and nodes that the provisioner did not make.

## References
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Unspecified resource requests cause scheduling/bin-pack failures
- kubernetes: plugin/pkg/admission/limitranger
";

/// More of them for one CPU than this are told.
const MOST_PER_CPU: i64 = 2;

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut by_node: BTreeMap<NodeId, Vec<PodId>> = BTreeMap::new();
    for pod in scene.cluster.live_pods().filter(|pod| asks_for_nothing(scene, pod)) {
        if let Some(node) = pod.node.filter(|node| scene.cluster.node(*node).claim.is_some()) {
            by_node.entry(node).or_default().push(pod.id);
        }
    }
    let crowded = by_node.iter().filter(|(node, pods)| {
        let cpus = scene.cluster.node(**node).capacity.cpu_millis / 1000;
        pods.len() as i64 > MOST_PER_CPU * cpus.max(1)
    });
    // Of several the fullest, and of equals the first.
    let fullest = crowded.max_by_key(|(node, pods)| (pods.len(), std::cmp::Reverse(**node)));
    fullest.map(|(node, pods)| finding(scene, *node, pods)).into_iter().collect()
}

fn asks_for_nothing(scene: &Scene<'_>, pod: &Pod) -> bool {
    let of_daemon = pod
        .workload
        .is_some_and(|workload| matches!(scene.cluster.declared.workload(workload).shape, Shape::DaemonSet));
    let requests = &pod.template.requests;
    pod.is_wanted() && !of_daemon && requests.cpu_millis == 0 && requests.memory_bytes == 0
}

fn finding(scene: &Scene<'_>, node: NodeId, pods: &[PodId]) -> Finding {
    let subject = scene.cluster.node(node);
    let cpus = subject.capacity.cpu_millis / 1000;
    let title = format!(
        "{} of a node of {} CPU ask for neither CPU nor memory: only its pods limit of {} keeps more away",
        stuck::count(pods.len(), "pod"),
        cpus,
        subject.allocatable.pods
    );
    let mut finding = Finding::new(RULE.code, Severity::Note, title)
        .note(format!("{} ({}): {}", subject.name, subject.instance_type, words::pods(scene, pods)))
        .number("pods", pods.len() as i64)
        .number("cpus", cpus)
        .help("write requests, or a LimitRange with `defaultRequest` in their namespace: nodes are chosen by requests alone");
    if let Some(location) = stuck::location(scene, pods) {
        finding = finding.at(location, "the first of them");
    }
    stuck::affect(scene, &mut finding, pods);
    finding
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn packed(replicas: u32, requests: &str) -> crate::testing::Ended {
        let tainted = eks("taints: [{key: CriticalAddonsOnly, effect: NoSchedule}]", KARPENTER);
        boot(&[&tainted, CLASS, &pool("m6i.large", "", ""), &app(replicas, requests, "")])
    }

    #[test]
    fn fires() {
        let ended = packed(20, "");
        assert_eq!(ended.outcome(), crate::Outcome::Converges);
        insta::assert_snapshot!(ended.told("SCHED104"), @r#"
        Note: 20 pods of a node of 2 CPU ask for neither CPU nor memory: only its pods limit of 29 keeps more away
         at Deployment default/app : the first of them
         note: default-00000 (m6i.large): default/app-6d88768796-0, default/app-6d88768796-1, default/app-6d88768796-2 and 17 more
         help: write requests, or a LimitRange with `defaultRequest` in their namespace: nodes are chosen by requests alone
         cpus: 2
         pods: 20
        "#);
    }

    #[test]
    fn a_request_or_a_small_number_is_enough() {
        assert_eq!(packed(20, "memory: 64Mi").told("SCHED104"), "");
        assert_eq!(packed(4, "").told("SCHED104"), "");
    }
}
