//! Nodes that pods were planned for: protected until the pods are there.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/state/statenode.go` (`Nominate`). Upstream plans every ten
//! seconds for pods that still wait, and nominates again; here nothing polls, so a nomination holds while they wait.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{Cluster, NodeId, PodId, Timestamp};
use provisioning::class::is_provisionable;
use provisioning::existing::View;

use crate::batch::REQUEUE_MS;

/// As long as a pod waits.
const WHILE_WAITING: Timestamp = Timestamp(i64::MAX);

/// The nominations.
#[derive(Clone, Debug, Default)]
pub struct Nominations {
    until: BTreeMap<NodeId, Timestamp>,
    /// The pods of the last plan.
    planned: BTreeMap<NodeId, Vec<PodId>>,
}

impl Nominations {
    /// There is another plan.
    pub fn replan(&mut self) {
        self.planned.clear();
    }

    /// A pod is planned for a node.
    pub fn note(&mut self, cluster: &Cluster, node: NodeId, pod: PodId) {
        self.until.insert(node, window_end(cluster));
        self.planned.entry(node).or_default().push(pod);
    }

    /// Goes on as upstream's next plans would; `going` are nodes that a command is about.
    pub fn renew(&mut self, cluster: &Cluster, going: &BTreeSet<NodeId>) {
        let waits = |pod: &PodId| {
            let pod = cluster.pod(*pod);
            let leaves = |node: NodeId| {
                going.contains(&node) || View::of_node(cluster, cluster.node(node)).is_leaving()
            };
            is_provisionable(cluster, pod) || pod.is_wanted() && pod.node.is_some_and(leaves)
        };
        self.until.retain(|node, until| {
            let waiting = self.planned.get(node).is_some_and(|pods| pods.iter().any(waits));
            match waiting {
                true => *until = WHILE_WAITING,
                false if *until == WHILE_WAITING => *until = window_end(cluster),
                false => {}
            }
            cluster.node(*node).exists() && *until > cluster.now
        });
    }

    /// Until when each node is protected.
    pub fn until(&self) -> &BTreeMap<NodeId, Timestamp> {
        &self.until
    }

    /// When protections end by themselves.
    pub fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.until.values().copied().filter(|until| *until != WHILE_WAITING)
    }
}

fn window_end(cluster: &Cluster) -> Timestamp {
    cluster.now.after_ms(cluster.declared.karpenter.batch_max_ms.saturating_mul(2).max(REQUEUE_MS))
}
