//! NODE103: no pool can make a node for pods that no node takes.

use std::collections::BTreeMap;

use cluster::rejection::PoolReason;
use cluster::{PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

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
A pod that selects `workload-type: application` while the only pool labels its nodes `workload-type: app`.

## Remedy
As the reasons say: a toleration, a label or requirement of the pool, larger instance types, smaller requests.

## Exceptions
Limits are NODE102, architectures NODE101, topology domains SCHED102, pools that are not ready NODE104.

## References
- karpenter: pkg/controllers/provisioning/scheduling/scheduler.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Vec<String>, Vec<PodId>> = BTreeMap::new();
    for (pod, refusal) in &scene.cluster.refusals {
        let subject = scene.cluster.pod(*pod);
        let pending =
            matches!(subject.waiting, Some((_, Waiting::Unschedulable(_)))) && subject.deleted.is_none();
        if !pending
            || refusal.pools.is_empty()
            || !refusal.pools.iter().all(|rejection| is_ours(&rejection.reason))
        {
            continue;
        }
        let why =
            refusal.pools.iter().map(|r| format!("NodePool {}: {}", r.pool, words::pool_reason(&r.reason)));
        groups.entry(why.collect()).or_default().push(*pod);
    }
    groups.into_iter().map(|(why, pods)| finding(scene, why, &pods)).collect()
}

fn is_ours(reason: &PoolReason) -> bool {
    match reason {
        PoolReason::Requirement { key, .. } => key != "kubernetes.io/arch",
        PoolReason::Taint(_)
        | PoolReason::TooLarge { .. }
        | PoolReason::FilledByDaemons { .. }
        | PoolReason::NoInstanceType
        | PoolReason::MinValues { .. }
        | PoolReason::VolumeTopology => true,
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
    if let Some(Some((_, Waiting::Unschedulable(rejection)))) =
        pods.first().map(|pod| &scene.cluster.pod(*pod).waiting)
    {
        finding = finding.note(format!("on the nodes that are there: {}", rejection.message));
    }
    finding = finding.note(format!("waiting: {}", words::pods(scene, pods)));
    stuck::affect(scene, &mut finding, pods);
    finding
}
