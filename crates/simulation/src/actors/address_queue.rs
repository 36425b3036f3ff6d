//! Pods that ask their node's CNI for an address, and when they ask again.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/kubelet/pod_workers.go`: a sandbox that could not be made is tried again after
//! `backOffPeriod` (10 s; its jitter is left out). A pod whose sandbox waits for something else does not ask.
//! Nothing here knows how addresses come onto the node.

use std::collections::{BTreeMap, BTreeSet};

use addressing::pod_eni::is_branch_pod;
use cluster::pod::Stage;
use cluster::waiting::AddressShortage;
use cluster::{Change, Cluster, NodeId, Pod, PodId, Timestamp, Waiting};

use crate::actors::claims::ClaimNames;
use crate::actors::kubelet::sandbox::{SandboxNeed, sandbox_need};
use crate::effect::{Effect, Effects};

/// How long after a refused sandbox the kubelet tries again.
const RETRY_MS: i64 = 10_000;

/// Pods without an address, by node.
#[derive(Clone, Debug, Default)]
pub struct AddressQueue {
    /// Those that want a branch interface, instead of those that do not.
    branches: bool,
    asks: BTreeMap<NodeId, BTreeMap<PodId, Ask>>,
    claims: ClaimNames,
    adopted: bool,
}

#[derive(Clone, Debug, Default)]
struct Ask {
    /// When it was refused for the first time; it asks again every [`RETRY_MS`] from then on.
    first: Option<Timestamp>,
    /// When it was last given one: the effect may be on its way.
    given: Option<Timestamp>,
}

impl AddressQueue {
    /// The queue of pods that want a branch interface.
    pub fn for_branches() -> AddressQueue {
        AddressQueue { branches: true, ..AddressQueue::default() }
    }

    /// Learns one change; the nodes on which something has changed for those who ask are added to `touched`.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster, touched: &mut BTreeSet<NodeId>) {
        self.adopt(cluster, touched);
        self.claims.catch_up(cluster);
        match change {
            Change::PodBound(pod, node) => {
                self.enter(cluster.pod(*pod), touched);
                touched.insert(*node);
            }
            Change::PodAddressed(pod)
            | Change::PodGone(pod)
            | Change::PodDeleting { pod, .. }
            | Change::PodStage(pod, Stage::Succeeded | Stage::Failed) => {
                if let Some(node) = cluster.pod(*pod).node {
                    self.leave(*pod, node);
                    touched.insert(node);
                }
            }
            Change::VolumeAttached(_, node) => {
                touched.insert(*node);
            }
            Change::ObjectArrived(_) => touched.extend(self.asks.keys()),
            Change::NodeGone(node) => {
                self.asks.remove(node);
            }
            _ => {}
        }
    }

    /// Pods that are there already when the run begins.
    fn adopt(&mut self, cluster: &Cluster, touched: &mut BTreeSet<NodeId>) {
        if !std::mem::replace(&mut self.adopted, true) {
            cluster.pods.iter().for_each(|pod| self.enter(pod, touched));
        }
    }

    fn enter(&mut self, pod: &Pod, touched: &mut BTreeSet<NodeId>) {
        let Some(node) = pod.node else { return };
        if is_branch_pod(pod) != self.branches {
            return;
        }
        if pod.template.needs_address() && !pod.addressed && pod.is_wanted() {
            self.asks.entry(node).or_default().entry(pod.id).or_default();
            touched.insert(node);
        }
    }

    fn leave(&mut self, pod: PodId, node: NodeId) {
        if let Some(asks) = self.asks.get_mut(&node) {
            asks.remove(&pod);
            if asks.is_empty() {
                self.asks.remove(&node);
            }
        }
    }

    /// Pods on a node that wait for an address.
    pub fn len(&self, node: NodeId) -> u32 {
        self.asks.get(&node).map_or(0, |asks| u32::try_from(asks.len()).unwrap_or(u32::MAX))
    }

    /// Gives addresses to pods that ask now, `available` at the most, and tells the others why they wait.
    pub fn serve(
        &mut self,
        node: NodeId,
        mut available: u32,
        cluster: &Cluster,
        why: impl Fn() -> AddressShortage,
        effects: &mut Effects,
    ) {
        let now = cluster.now;
        let host = cluster.node(node);
        let Some(asks) = self.asks.get_mut(&node) else { return };
        let mut shortage = None;
        for (id, ask) in asks {
            let pod = cluster.pod(*id);
            let asks_now = sandbox_need(cluster, &self.claims, pod, host) == SandboxNeed::Address;
            if ask.given == Some(now) || !asks_now {
                continue;
            }
            let due = ask.first.is_none_or(|first| now.since_ms(first) % RETRY_MS == 0);
            if available > 0 && due {
                ask.given = Some(now);
                available -= 1;
                effects.now(Effect::AddressPod(*id));
            } else if available == 0 {
                ask.first.get_or_insert(now);
                let why = shortage.get_or_insert_with(|| Waiting::NoAddress(why()));
                if pod.waiting.as_ref().is_none_or(|(_, known)| known != why) {
                    effects.now(Effect::PodWaits(*id, Box::new(why.clone())));
                }
            }
        }
    }

    /// When the next pod on a node asks, from `from` on and after `now`.
    pub fn next_ask(&self, node: NodeId, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let from = from.max(now.after_ms(1));
        let asks = self.asks.get(&node)?.values();
        asks.filter_map(|ask| Some(next_on_grid(ask.first?, RETRY_MS, from))).min()
    }
}

/// The first instant from `from` on that is a whole number of steps after `start`.
pub fn next_on_grid(start: Timestamp, step_ms: i64, from: Timestamp) -> Timestamp {
    let passed = from.since_ms(start).max(0);
    let steps = passed.saturating_add(step_ms - 1) / step_ms;
    start.after_ms(steps.saturating_mul(step_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid() {
        let at = |from| next_on_grid(Timestamp(1_000), 5_000, Timestamp(from)).0;
        assert_eq!((at(0), at(1_000), at(1_001), at(6_000), at(6_001)), (1_000, 1_000, 6_000, 6_000, 11_000));
    }
}
