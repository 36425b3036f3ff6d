//! Which pods a controller deletes first when it has too many.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/controller_utils.go` `ActivePodsWithRanks` and
//! `pkg/controller/replicaset` `getPodsRankedByRelatedPodsOnSameNode`. Where upstream compares random UIDs
//! (ages in the same power of two), the younger id goes first.

use std::collections::BTreeMap;

use cluster::pod::Stage;
use cluster::{Cluster, NodeId, Pod, PodId, Timestamp};

/// The annotation by which a pod says how much it minds.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods of `candidates` that go first. `related` are the active pods of the same owner (of all
/// revisions), for the preference of nodes that hold several.
pub fn choose(
    cluster: &Cluster,
    candidates: impl Iterator<Item = PodId>,
    related: impl Iterator<Item = PodId>,
    count: usize,
) -> Vec<PodId> {
    let mut ordered: Vec<PodId> = candidates.collect();
    if count < ordered.len() {
        let mut on_node: BTreeMap<Option<NodeId>, u32> = BTreeMap::new();
        for pod in related {
            *on_node.entry(cluster.pod(pod).node).or_default() += 1;
        }
        ordered.sort_by_cached_key(|id| {
            let pod = cluster.pod(*id);
            let doubled = on_node.get(&pod.node).copied().unwrap_or(0);
            rank(pod, doubled, cluster.now)
        });
        ordered.truncate(count);
    }
    ordered
}

type Rank =
    (bool, bool, bool, i64, std::cmp::Reverse<u32>, i64, std::cmp::Reverse<u32>, i64, std::cmp::Reverse<u32>);

/// The smaller goes first.
fn rank(pod: &Pod, doubled: u32, now: Timestamp) -> Rank {
    let ready = pod.stage == Stage::Ready;
    let cost =
        pod.template.annotations.get(DELETION_COST).and_then(|cost| cost.parse::<i32>().ok()).unwrap_or(0);
    (
        pod.node.is_some(),
        pod.stage >= Stage::Running,
        ready,
        i64::from(cost),
        std::cmp::Reverse(doubled),
        if ready { age_power(now.since_ms(pod.since)) } else { 0 },
        std::cmp::Reverse(pod.restarts),
        age_power(now.since_ms(pod.created)),
        std::cmp::Reverse(pod.id.0),
    )
}

/// `logarithmicRankDiff`'s rank: the power of two of the age in nanoseconds; -1 for no age at all.
fn age_power(age_ms: i64) -> i64 {
    let age_ns = i128::from(age_ms.max(0)) * 1_000_000;
    age_ns.checked_ilog2().map_or(-1, i64::from)
}
