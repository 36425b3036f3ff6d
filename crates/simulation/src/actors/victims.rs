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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node};
    use cluster::WorkloadId;
    use std::sync::Arc;

    /// Pods in the order of `(node, stage, deletion cost, ready since, restarts)`.
    fn cluster_of(pods: &[(Option<u32>, Stage, &str, i64, u32)]) -> Cluster {
        let declared = declared(vec![deployment("web", 0)], vec![node("a"), node("b")]);
        let template = Arc::clone(&declared.workloads[0].template);
        let mut hand = StageHand::new(declared, Vec::new());
        hand.schedules = false;
        for (index, (on, stage, cost, since, restarts)) in (0u32..).zip(pods) {
            hand.perform(crate::Effect::CreatePod(Box::new(cluster::pod::NewPod {
                namespace: "apps".into(),
                name: format!("web-{index}").into(),
                workload: Some(WorkloadId(0)),
                template: Arc::clone(&template),
                revision: 0,
                ordinal: 0,
                for_node: None,
            })));
            let pod = &mut hand.cluster.pods[index as usize];
            (pod.node, pod.stage, pod.restarts) = (on.map(NodeId), *stage, *restarts);
            pod.since = Timestamp(*since);
            if !cost.is_empty() {
                Arc::make_mut(&mut pod.template).annotations.insert(DELETION_COST.into(), (*cost).into());
            }
        }
        hand.cluster.now = Timestamp(1_000_000);
        hand.cluster
    }

    fn order(pods: &[(Option<u32>, Stage, &str, i64, u32)]) -> Vec<u32> {
        let cluster = cluster_of(pods);
        let ids = || cluster.pods.iter().map(|pod| pod.id);
        // All but the last are asked for one by one, so that the whole order shows.
        let mut left: Vec<PodId> = ids().collect();
        let mut order = Vec::new();
        while left.len() > 1 {
            let first = choose(&cluster, left.iter().copied(), ids(), 1)[0];
            left.retain(|pod| *pod != first);
            order.push(first.0);
        }
        order
    }

    #[test]
    fn unassigned_pending_unready_and_cheap_pods_go_first() {
        assert_eq!(
            order(&[
                (Some(0), Stage::Ready, "", 0, 0),
                (Some(1), Stage::Ready, "-5", 0, 0),
                (Some(0), Stage::Running, "9", 0, 0),
                (Some(1), Stage::Starting, "9", 0, 0),
                (None, Stage::Pending, "9", 0, 0),
            ]),
            [4, 3, 2, 1]
        );
    }

    #[test]
    fn crowded_nodes_lose_pods_before_others_and_young_ready_ones_before_old() {
        let ready = |node, since, restarts| (Some(node), Stage::Ready, "", since, restarts);
        assert_eq!(order(&[ready(0, 0, 0), ready(1, 999_000, 0), ready(1, 0, 0)]), [1, 2]);
        // Ages in the same power of two count as equal: then restarts decide, then the younger id.
        assert_eq!(order(&[ready(0, 10_000, 0), ready(0, 0, 3), ready(0, 20_000, 0)]), [1, 2]);
    }
}
