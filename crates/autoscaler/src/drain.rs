//! Taking nodes down: taint, drain, detach, terminate.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/node/termination`. Pods are evicted in four groups
//! (ordinary before critical ones, each without DaemonSets first); the next group waits until the one before is gone.
//! `terminationGracePeriod` ends all waiting: pods are deleted early enough for their own grace period.

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::NodePatch;
use cluster::node_claim::ClaimStage;
use cluster::node_pool::DisruptionReason;
use cluster::{ClaimId, Cluster, Node, NodeClaim, NodeId, Pod, Timestamp};
use provisioning::class::of_daemon_set;
use provisioning::disruption::pdb::PodBudgets;
use provisioning::disruption::pods;

use crate::effect::Effect;

/// A drain takes at least this long: the scheduler may not have seen the taint yet.
const MIN_DRAIN_MS: i64 = 5_000;
/// Between two looks at a node that drains.
const REQUEUE_MS: i64 = 1_000;

/// The label of nodes that a claim had.
const REGISTERED: &str = "karpenter.sh/registered";

/// Nodes that are taken down.
#[derive(Clone, Debug, Default)]
pub struct Drains {
    nodes: BTreeMap<NodeId, Drain>,
    /// Nodes that go and have no claim (any more): nothing is left to be done for them.
    orphans: BTreeSet<NodeId>,
    /// Claims without a node that go.
    unregistered: BTreeSet<ClaimId>,
    /// Instances that the cloud was asked to end, and whether it has answered.
    terminations: BTreeMap<ClaimId, Termination>,
    /// Something changed that could let a drain go on.
    pub changed: bool,
    looked: Option<Timestamp>,
    wake: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Drain {
    since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Termination {
    Asked,
    Done,
}

impl Drains {
    /// A claim without a node goes: its instance is terminated.
    pub fn terminate_unregistered(&mut self, claim: ClaimId) {
        self.unregistered.insert(claim);
    }

    /// The cloud has ended an instance.
    pub fn terminated(&mut self, claim: ClaimId) {
        self.terminations.insert(claim, Termination::Done);
    }

    /// A node was asked to go.
    pub fn begin(&mut self, cluster: &Cluster, node: NodeId) {
        let claim = cluster.node(node).claim.map(|claim| cluster.claim(claim));
        if claim.is_some_and(|claim| claim.stage != ClaimStage::Gone) {
            self.nodes.entry(node).or_insert(Drain { since: cluster.now });
        } else if cluster.node(node).labels.contains_key(REGISTERED) {
            self.orphans.insert(node);
        }
    }

    /// A new leader goes on with what was begun; it does not know which instances the cloud was asked to end.
    pub fn take_over(&mut self, cluster: &Cluster) {
        self.changed = true;
        self.terminations.retain(|_, termination| *termination == Termination::Done);
        for node in cluster.live_nodes().filter(|node| node.deleted.is_some()) {
            self.begin(cluster, node.id);
        }
    }

    /// Whether no node is taken down.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Takes every node one step further.
    pub fn decide(&mut self, cluster: &Cluster, reaches_cloud: bool, effects: &mut Vec<Effect>) {
        let now = cluster.now;
        self.finish_unregistered(reaches_cloud, effects);
        let orphans = std::mem::take(&mut self.orphans);
        effects.extend(orphans.into_iter().map(Effect::ReleaseNode));
        self.nodes.retain(|node, _| cluster.node(*node).exists());
        self.terminations.retain(|claim, _| cluster.claim(*claim).stage != ClaimStage::Gone);
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
            let next = self.step(cluster, cluster.node(id), &mut budgets, reaches_cloud, effects);
            self.wake = [self.wake, next].into_iter().flatten().min();
        }
    }

    /// When to look again without a change.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let paced = self.looked.filter(|_| self.changed && !self.nodes.is_empty());
        [self.wake, paced.map(|at| at.after_ms(REQUEUE_MS))].into_iter().flatten().min()
    }

    fn finish_unregistered(&mut self, reaches_cloud: bool, effects: &mut Vec<Effect>) {
        for claim in std::mem::take(&mut self.unregistered) {
            if self.terminate(claim, reaches_cloud, effects) {
                effects.push(Effect::ReleaseClaim(claim));
            } else {
                self.unregistered.insert(claim);
            }
        }
    }

    /// Has an instance ended, once; true when it is.
    fn terminate(&mut self, claim: ClaimId, reaches_cloud: bool, effects: &mut Vec<Effect>) -> bool {
        if !self.terminations.contains_key(&claim) && reaches_cloud {
            self.terminations.insert(claim, Termination::Asked);
            effects.push(Effect::Terminate(claim));
        }
        self.terminations.get(&claim) == Some(&Termination::Done)
    }

    /// One look at a node; when to look again.
    fn step(
        &mut self,
        cluster: &Cluster,
        node: &Node,
        budgets: &mut PodBudgets<'_>,
        reaches_cloud: bool,
        effects: &mut Vec<Effect>,
    ) -> Option<Timestamp> {
        let now = cluster.now;
        let drain = *self.nodes.get(&node.id)?;
        let claim = node.claim.map(|claim| cluster.claim(claim))?;
        if self.terminations.contains_key(&claim.id) {
            self.end(node, claim.id, reaches_cloud, effects);
            return None;
        }
        if claim.deleted.is_none() {
            effects.push(Effect::DeleteClaim(claim.id, None));
        }
        taint(node, effects);
        let deadline = deadline(claim);
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
        self.end(node, claim.id, reaches_cloud, effects);
        None
    }

    /// Has the instance ended; then nothing holds the node and its claim any more.
    fn end(&mut self, node: &Node, claim: ClaimId, reaches_cloud: bool, effects: &mut Vec<Effect>) {
        if self.terminate(claim, reaches_cloud, effects) {
            effects.push(Effect::ReleaseNode(node.id));
            effects.push(Effect::ReleaseClaim(claim));
        }
    }
}

fn taint(node: &Node, effects: &mut Vec<Effect>) {
    let taint = pods::disrupted_taint();
    if node.taints.contains(&taint) {
        return;
    }
    let others = NodePatch::without(node.taints.iter().filter(|own| own.key == taint.key));
    let labels =
        [("node.kubernetes.io/exclude-from-external-load-balancers".into(), "karpenter".into())].into();
    let patch = NodePatch { taints_on: vec![taint], labels, ..others };
    effects.push(Effect::PatchNode(node.id, Box::new(patch)));
}

/// When `terminationGracePeriod` runs out; an unhealthy node has none.
fn deadline(claim: &NodeClaim) -> Option<Timestamp> {
    let (deleted, why) = claim.deleted?;
    if why == Some(DisruptionReason::Unhealthy) {
        return Some(deleted);
    }
    claim.terminate_by.or_else(|| claim.termination_grace_period_ms.map(|grace| deleted.after_ms(grace)))
}

/// Evicts the first group that is not gone, and deletes pods whose time has come.
fn evict(
    cluster: &Cluster,
    on_node: &[&Pod],
    budgets: &mut PodBudgets<'_>,
    deadline: Option<Timestamp>,
    effects: &mut Vec<Effect>,
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
        if due {
            effects.push(Effect::DeletePod(pod.id));
        } else if in_turn && budgets.evict(pod) {
            effects.push(Effect::Evict(pod.id));
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
