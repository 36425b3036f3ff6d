//! Pods that are stuck, picked by what they wait for: what most rules begin with.

use std::collections::BTreeMap;

use cluster::rejection::PoolReason;
use cluster::{PodId, Waiting};

use crate::finding::Finding;
use crate::scene::Scene;

/// Pods whose wait `pick` recognises, grouped by what it makes of them.
pub(crate) fn by_wait<K: Ord>(
    scene: &Scene<'_>,
    pick: impl Fn(&cluster::Pod, &Waiting) -> Option<K>,
) -> BTreeMap<K, Vec<PodId>> {
    let mut groups: BTreeMap<K, Vec<PodId>> = BTreeMap::new();
    for pod in scene.cluster.live_pods().filter(|pod| pod.deleted.is_none()) {
        let Some((_, waiting)) = &pod.waiting else { continue };
        if let Some(key) = pick(pod, waiting) {
            groups.entry(key).or_default().push(pod.id);
        }
    }
    groups
}

/// Pods that a pool refused for a reason that `pick` recognises, by pool index and what it makes of the reason.
pub(crate) fn by_pool<K: Ord>(
    scene: &Scene<'_>,
    pick: impl Fn(&PoolReason) -> Option<K>,
) -> BTreeMap<(usize, K), Vec<PodId>> {
    let mut groups: BTreeMap<(usize, K), Vec<PodId>> = BTreeMap::new();
    for (pod, refusal) in &scene.cluster.refusals {
        let subject = scene.cluster.pod(*pod);
        if !matches!(subject.waiting, Some((_, Waiting::Unschedulable(_)))) || subject.deleted.is_some() {
            continue;
        }
        for rejection in &refusal.pools {
            let Some(index) = scene.cluster.declared.node_pools.iter().position(|p| p.name == rejection.pool)
            else {
                continue;
            };
            if let Some(key) = pick(&rejection.reason) {
                groups.entry((index, key)).or_default().push(*pod);
            }
        }
    }
    groups
}

/// Lists the pods' workloads as affected.
pub(crate) fn affect(scene: &Scene<'_>, finding: &mut Finding, pods: &[PodId]) {
    for workload in pods.iter().filter_map(|pod| scene.cluster.pod(*pod).workload) {
        finding.affects(scene.cluster.declared.workload(workload).key.clone());
    }
}

/// Where the first pod's workload is written.
pub(crate) fn location(scene: &Scene<'_>, pods: &[PodId]) -> Option<cluster::Location> {
    let workload = pods.iter().find_map(|pod| scene.cluster.pod(*pod).workload)?;
    Some(scene.cluster.declared.workload(workload).location.clone())
}

/// How many pods of a workload are Ready and stay.
pub(crate) fn ready_pods(cluster: &cluster::Cluster, id: cluster::WorkloadId) -> usize {
    let ready = |pod: &&cluster::Pod| pod.stage == cluster::pod::Stage::Ready && pod.deleted.is_none();
    cluster.pods.iter().filter(|pod| pod.workload == Some(id)).filter(ready).count()
}

/// `it` / `them`: what stands for the pods.
pub(crate) fn them(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// `1 address` / `3 addresses`.
pub(crate) fn addresses(number: u32) -> String {
    if number == 1 { "1 address".to_owned() } else { format!("{number} addresses") }
}

/// `1 node` / `3 nodes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `1 pod waits` / `3 pods wait`: subject and verb.
pub(crate) fn pods_verb(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 pod {one}") } else { format!("{count} pods {many}") }
}
