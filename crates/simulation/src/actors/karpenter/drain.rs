//! Taking nodes down: taint, drain, detach, terminate.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/node/termination`. Pods are evicted in four groups
//! (ordinary before critical ones, each without DaemonSets first); the next group waits until the one before is gone.
//! `terminationGracePeriod` ends all waiting: pods are deleted early enough for their own grace period.

use std::collections::BTreeMap;

use cluster::change::{DeletionCause, NodePatch};
use cluster::{ClaimId, Cluster, Node, NodeClaim, NodeId, Pod, Timestamp};
use provisioning::class::of_daemon_set;
use provisioning::disruption::pdb::PodBudgets;
use provisioning::disruption::pods;

use crate::effect::{Effect, Effects};

/// A drain takes at least this long: the scheduler may not have seen the taint yet.
const MIN_DRAIN_MS: i64 = 5_000;
/// Between two looks at a node that drains.
const REQUEUE_MS: i64 = 1_000;

/// Nodes that are taken down.
#[derive(Clone, Debug, Default)]
pub struct Drains {
    nodes: BTreeMap<NodeId, Drain>,
    unregistered: BTreeMap<ClaimId, Option<Timestamp>>,
    /// Something changed that could let a drain go on.
    pub changed: bool,
    looked: Option<Timestamp>,
    wake: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    since: Timestamp,
    /// The instance is being terminated, and gone by then.
    gone_at: Option<Timestamp>,
}

impl Drains {
    /// A claim without a node goes: its instance is terminated.
    pub fn terminate_unregistered(&mut self, cluster: &Cluster, claim: &NodeClaim, reaches_ec2: bool) {
        let gone_at = self.unregistered.entry(claim.id).or_default();
        if gone_at.is_none() && reaches_ec2 {
            *gone_at = Some(cluster.now.after_ms(cluster.declared.profile.latencies.terminate_ms));
        }
    }

    /// A node was asked to go.
    pub fn begin(&mut self, cluster: &Cluster, node: NodeId) {
        if cluster.node(node).claim.is_some() {
            self.nodes.entry(node).or_insert(Drain { since: cluster.now, gone_at: None });
        }
    }

    /// A new leader goes on with what was begun; instances that are being terminated stay so.
    pub fn take_over(&mut self, cluster: &Cluster) {
        self.changed = true;
        for node in cluster.live_nodes().filter(|node| node.deleted.is_some()) {
            self.begin(cluster, node.id);
        }
    }

    /// Whether no node is taken down.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Takes every node one step further.
    pub fn decide(&mut self, cluster: &Cluster, reaches_ec2: bool, effects: &mut Effects) {
        let now = cluster.now;
        self.finish_unregistered(cluster, reaches_ec2, effects);
        self.nodes.retain(|node, _| cluster.node(*node).exists());
        let due = self.wake.is_some_and(|at| at <= now) || self.changed;
        let paced = self.looked.is_none_or(|at| now == at || now.since_ms(at) >= REQUEUE_MS);
        if self.nodes.is_empty() {
            self.wake = None;
            return;
        }
        if !due {
            return;
        }
        if !paced {
            self.wake = self.looked.map(|at| at.after_ms(REQUEUE_MS));
            return;
        }
        (self.changed, self.looked, self.wake) = (false, Some(now), None);
        let mut budgets = PodBudgets::of(cluster);
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            let next = self.step(cluster, cluster.node(id), &mut budgets, reaches_ec2, effects);
            self.wake = [self.wake, next].into_iter().flatten().min();
        }
    }

    /// When to look again without a change.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let paced = self.looked.filter(|_| self.changed && !self.nodes.is_empty());
        let unregistered = self.unregistered.values().flatten().min().copied();
        [self.wake, paced.map(|at| at.after_ms(REQUEUE_MS)), unregistered].into_iter().flatten().min()
    }

    fn finish_unregistered(&mut self, cluster: &Cluster, reaches_ec2: bool, effects: &mut Effects) {
        for (claim, gone_at) in &mut self.unregistered {
            if gone_at.is_none() && reaches_ec2 {
                *gone_at = Some(cluster.now.after_ms(cluster.declared.profile.latencies.terminate_ms));
            }
            if gone_at.is_some_and(|at| at <= cluster.now) {
                effects.now(Effect::ClaimGone(*claim));
            }
        }
        self.unregistered.retain(|_, gone_at| gone_at.is_none_or(|at| at > cluster.now));
    }

    /// One look at a node; when to look again.
    fn step(
        &mut self,
        cluster: &Cluster,
        node: &Node,
        budgets: &mut PodBudgets<'_>,
        reaches_ec2: bool,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        let now = cluster.now;
        let drain = self.nodes.get_mut(&node.id)?;
        if let Some(gone_at) = drain.gone_at {
            if gone_at <= now {
                effects.now(Effect::NodeGone(node.id));
                node.claim.into_iter().for_each(|claim| effects.now(Effect::ClaimGone(claim)));
            }
            return Some(gone_at).filter(|at| *at > now);
        }
        let claim = node.claim.map(|claim| cluster.claim(claim));
        if let Some(claim) = claim.filter(|claim| claim.deleted.is_none()) {
            effects.now(Effect::DeleteClaim(claim.id, None));
        }
        taint(node, effects);
        let deadline = claim.and_then(deadline);
        let on_node: Vec<&Pod> =
            cluster.pods_on(node.id).filter(|pod| pods::is_waited_for(pod, now)).collect();
        if !on_node.is_empty() {
            evict(cluster, &on_node, budgets, deadline, effects);
            return next_look(&on_node, deadline, now);
        }
        let drained_at = drain.since.after_ms(MIN_DRAIN_MS);
        if now < drained_at {
            return Some(drained_at);
        }
        let past = deadline.is_some_and(|at| now > at);
        if !past && holds_volumes(cluster, node.id, now) {
            return deadline.filter(|at| *at > now).map(|at| at.after_ms(1));
        }
        if reaches_ec2 {
            drain.gone_at = Some(now.after_ms(cluster.declared.profile.latencies.terminate_ms));
        }
        drain.gone_at.map(|at| at.max(now.after_ms(1)))
    }
}

fn taint(node: &Node, effects: &mut Effects) {
    let taint = pods::disrupted_taint();
    if node.taints.contains(&taint) {
        return;
    }
    let others = NodePatch::without(node.taints.iter().filter(|own| own.key == taint.key));
    let labels =
        [("node.kubernetes.io/exclude-from-external-load-balancers".into(), "karpenter".into())].into();
    let patch = NodePatch { taints_on: vec![taint], labels, ..others };
    effects.now(Effect::PatchNode(node.id, Box::new(patch)));
}

/// When `terminationGracePeriod` runs out.
fn deadline(claim: &NodeClaim) -> Option<Timestamp> {
    let (deleted, _) = claim.deleted?;
    claim.termination_grace_period_ms.map(|grace| deleted.after_ms(grace))
}

/// Evicts the first group that is not gone, and deletes pods whose time has come.
fn evict(
    cluster: &Cluster,
    on_node: &[&Pod],
    budgets: &mut PodBudgets<'_>,
    deadline: Option<Timestamp>,
    effects: &mut Effects,
) {
    let now = cluster.now;
    let group = |pod: &Pod| {
        let critical = matches!(
            pod.template.priority_class.as_str(),
            "system-cluster-critical" | "system-node-critical"
        );
        (critical, of_daemon_set(cluster, pod))
    };
    let first = on_node.iter().map(|pod| group(pod)).min();
    for pod in on_node.iter().filter(|pod| pod.deleted.is_none()) {
        let due = deadline.is_some_and(|at| now >= delete_at(at, pod));
        let in_turn = Some(group(pod)) == first && pods::is_evictable(pod, now);
        if due || in_turn && budgets.evict(pod) {
            effects.now(Effect::DeletePod(pod.id, DeletionCause::Drained));
        }
    }
}

/// A pod is deleted early enough to have its whole grace period before the deadline.
fn delete_at(deadline: Timestamp, pod: &Pod) -> Timestamp {
    deadline.after_ms(-pod.template.grace_period_ms)
}

/// When a pod would be deleted, would not be waited for any more, or would lose its protection.
fn next_look(on_node: &[&Pod], deadline: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let of_pod = |pod: &&Pod| {
        let deleted = deadline.filter(|_| pod.deleted.is_none()).map(|at| delete_at(at, pod));
        let stuck = pods::stuck_at(pod).map(|at| at.after_ms(1));
        let unprotected = match pods::protected_until(pod) {
            Some(pods::Protection::Until(at)) => Some(at),
            _ => None,
        };
        [deleted, stuck, unprotected].into_iter().flatten().filter(|at| *at > now).min()
    };
    on_node.iter().filter_map(of_pod).min()
}

/// Whether volumes of pods that were waited for are still attached.
fn holds_volumes(cluster: &Cluster, node: NodeId, now: Timestamp) -> bool {
    let index = provisioning::volumes::VolumeIndex::of(cluster);
    let staying = cluster.pods_on(node).filter(|pod| !pods::is_waited_for(pod, now));
    let kept: Vec<u32> = staying.flat_map(|pod| index.bound(pod)).collect();
    (0u32..).zip(&cluster.volumes).any(|(id, volume)| volume.attached.contains(&node) && !kept.contains(&id))
}
