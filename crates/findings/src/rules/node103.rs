//! NODE103: no pool can make a node for pods that no node takes.

use std::collections::BTreeMap;

use cluster::rejection::{PoolReason, PoolRejection};
use cluster::{PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::launches::Launches;
use crate::placeable::Placeable;
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{provisioner, stuck, volumes, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "NODE103", name: "no-pool-fits" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods fit on no node, and no NodePool can make one that they fit on.

## What it is
The provisioner compares a pending pod with every pool: taints, requirements, instance types, DaemonSet overhead,
zones and volumes. Each pool has its own reason to refuse.

## Why it deadlocks
It does not by itself; it is a misconfiguration unless other pods wait for these.

## Evidence
Each pool's reason with its numbers, and kube-scheduler's message for the nodes that are there.

## Example
A pod of 3 CPU, and a pool whose largest type has 2.

## Remedy
As the reasons say: a toleration, a label or requirement of the pool, larger instance types, smaller requests.

## Exceptions
Limits are NODE102, architectures NODE101, topology domains SCHED102, pools that are not ready NODE104, launches that
EC2 refuses NODE105, labels that neither a node nor a pool has SCHED103, pods of the provisioner itself BOOT101.

## References
- karpenter: pkg/controllers/provisioning/scheduling/scheduler.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Vec<String>, Vec<PodId>> = BTreeMap::new();
    let (placeable, launches) = (Placeable::new(scene.cluster), Launches::of(scene));
    for (pod, refusal) in &scene.cluster.refusals {
        let subject = scene.cluster.pod(*pod);
        let pending =
            matches!(subject.waiting, Some((_, Waiting::Unschedulable(_)))) && subject.deleted.is_none();
        if !pending
            || refusal.pools.is_empty()
            || placeable.impossible(&subject.template).is_some()
            || provisioner::is_its_own(scene, *pod)
            || volumes::kept(scene.cluster, subject).is_some()
            || !refusal.pools.iter().all(|rejection| is_ours(scene, &launches, rejection))
        {
            continue;
        }
        let said = |r: &PoolRejection| {
            format!("NodePool {}: {}", r.pool, words::reason_of(scene, &r.pool, &r.reason))
        };
        let why = refusal.pools.iter().map(said);
        groups.entry(why.collect()).or_default().push(*pod);
    }
    groups.into_iter().map(|(why, pods)| finding(scene, why, &pods)).collect()
}

/// Offerings that EC2 has just refused are NODE105's.
fn is_ours(scene: &Scene<'_>, launches: &Launches, rejection: &PoolRejection) -> bool {
    match &rejection.reason {
        PoolReason::NoOffering => {
            let pools = &scene.cluster.declared.node_pools;
            let index = pools.iter().position(|pool| pool.name == rejection.pool);
            index.is_some_and(|index| !launches.failed_in(index))
        }
        PoolReason::Requirement { key, .. } => key != "kubernetes.io/arch",
        PoolReason::Taint(_)
        | PoolReason::TooLarge { .. }
        | PoolReason::FilledByDaemons { .. }
        | PoolReason::NoInstanceType
        | PoolReason::MinValues { .. }
        | PoolReason::VolumeTopology
        | PoolReason::DeviceClaims => true,
        _ => false,
    }
}

fn finding(scene: &Scene<'_>, why: Vec<String>, pods: &[PodId]) -> Finding {
    let title =
        format!("{} for a node that no NodePool can make", stuck::pods_verb(pods.len(), "waits", "wait"));
    let mut finding = Finding::new(RULE.code, Severity::Error, title);
    if let Some(location) = stuck::location(scene, pods) {
        finding = finding.at(location, "what waits");
    }
    for line in why {
        finding = finding.note(line);
    }
    if let Some(said) = words::on_nodes(scene, pods) {
        finding = finding.note(said);
    }
    finding = finding.note(format!("waiting: {}", words::pods(scene, pods)));
    stuck::affect(scene, &mut finding, pods);
    finding.help("change what the pods ask for, or what a NodePool may make, as the reasons say")
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn on_types(types: &str) -> crate::testing::Ended {
        boot(&[&eks("", KARPENTER), CLASS, &pool(types, "", ""), &app(1, "cpu: 3", "")])
    }

    #[test]
    fn fires() {
        let ended = on_types("m6i.large");
        insta::assert_snapshot!(ended.told("NODE103"), @r#"
        Error: 1 pod waits for a node that no NodePool can make
         at Deployment default/app : what waits
         note: NodePool default: no type is large enough: cpu 3150m asked with the DaemonSets, the largest gives 1930m
         note: on the nodes that are there: 0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
         note: waiting: default/app-6d88768796-0
         help: change what the pods ask for, or what a NodePool may make, as the reasons say
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(on_types("m6i.xlarge").told("NODE103"), "");
    }
}
