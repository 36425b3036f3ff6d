//! What the control plane makes of a node's health: taints, evictions, and pods without a node.
//!
//! `k8s.io/kubernetes` v1.36 `pkg/controller/nodelifecycle` (taints by condition; pods of a node that nobody
//! hears from are marked not Ready), `pkg/controller/tainteviction` (`processPodOnNode`) and
//! `pkg/controller/podgc` (`gcOrphaned`: pods of nodes that are gone are deleted by force after 40 s).
//! How fast nodes get their `NoExecute` taint is in [`zones`].

pub mod zones;

use std::collections::{BTreeMap, BTreeSet};

use cluster::change::{DeletionCause, NodePatch};
use cluster::pod::Stage;
use cluster::taint::Effect as TaintEffect;
use cluster::{Change, Cluster, Name, Node, NodeId, Pod, PodId, Taint, Timestamp, Toleration, Waiting};

use self::zones::Zones;
use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// The taint of a node whose kubelet says that it is not Ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The taint of a node that nobody hears from.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// `podgc` `quarantineTime`.
const QUARANTINE_MS: i64 = 40_000;

/// The node lifecycle controller, the taint eviction controller and the pod garbage collector.
#[derive(Clone, Debug, Default)]
pub struct NodeLifecycle {
    on_node: BTreeMap<NodeId, BTreeSet<PodId>>,
    pods_seen: usize,
    nodes_seen: usize,
    /// Nodes whose taints or pods have to be looked at.
    dirty: BTreeSet<NodeId>,
    zones: Zones,
    rezone: bool,
    /// Nodes that nobody hears from; of these, those that fell silent in this instant.
    silent: BTreeSet<NodeId>,
    silenced: BTreeSet<NodeId>,
    /// Pods that came to a node.
    arrived: BTreeSet<PodId>,
    /// When tainted pods are evicted: since when they are tainted, and until when they may stay.
    evictions: BTreeMap<PodId, (Timestamp, Timestamp)>,
    timers: Timers<Due>,
}

#[derive(Clone, Debug)]
enum Due {
    Taint,
    Evict(PodId),
    Collect(NodeId),
}

impl Actor for NodeLifecycle {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        for pod in cluster.pods.get(self.pods_seen..).unwrap_or(&[]) {
            self.enter(pod);
        }
        self.pods_seen = cluster.pods.len();
        for node in cluster.nodes.get(self.nodes_seen..).unwrap_or(&[]) {
            self.node_health(node);
        }
        self.nodes_seen = cluster.nodes.len();
        match change {
            Change::PodBound(pod, _) => self.enter(cluster.pod(*pod)),
            Change::PodGone(pod) => self.leave(cluster.pod(*pod)),
            Change::NodeUpdated(node) => drop(self.dirty.insert(*node)),
            Change::NodeReady(node, ready) => {
                if !ready && cluster.node(*node).network.cni_ready {
                    self.silent.insert(*node);
                    self.silenced.insert(*node);
                } else {
                    self.silent.remove(node);
                }
                self.node_health(cluster.node(*node));
            }
            Change::NodeGone(node) => {
                self.silent.remove(node);
                self.node_health(cluster.node(*node));
                self.timers.set(cluster.now.after_ms(QUARANTINE_MS), Due::Collect(*node));
            }
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        for due in self.timers.take_due(cluster.now) {
            match due {
                Due::Taint => self.rezone = true,
                Due::Evict(pod) => self.evict_if_due(pod, cluster, effects),
                Due::Collect(node) => self.collect(node, cluster, effects),
            }
        }
        if std::mem::take(&mut self.rezone) {
            let (changed, again) = self.zones.release(cluster.now);
            self.dirty.extend(changed);
            again.into_iter().for_each(|at| self.timers.set(at, Due::Taint));
        }
        for node in std::mem::take(&mut self.silenced) {
            self.mark_not_ready(node, cluster, effects);
        }
        for node in std::mem::take(&mut self.dirty) {
            self.taint(cluster.node(node), effects);
            let pods = self.on_node.get(&node).cloned().unwrap_or_default();
            pods.into_iter().for_each(|pod| self.consider_eviction(cluster.pod(pod), cluster, effects));
        }
        for pod in std::mem::take(&mut self.arrived) {
            self.consider_eviction(cluster.pod(pod), cluster, effects);
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.timers.next()
    }
}

impl NodeLifecycle {
    fn enter(&mut self, pod: &Pod) {
        let Some(node) = pod.node.filter(|_| !pod.is_over()) else { return };
        self.on_node.entry(node).or_default().insert(pod.id);
        self.arrived.insert(pod.id);
    }

    fn leave(&mut self, pod: &Pod) {
        self.evictions.remove(&pod.id);
        if let Some(pods) = pod.node.and_then(|node| self.on_node.get_mut(&node)) {
            pods.remove(&pod.id);
        }
    }

    fn node_health(&mut self, node: &Node) {
        self.zones.set(node.id, &node.zone, (!node.gone).then_some(node.ready));
        self.rezone = true;
        self.dirty.insert(node.id);
    }

    /// The taints of the node's Ready condition are what they should be.
    fn taint(&self, node: &Node, effects: &mut Effects) {
        let wanted = if node.ready || node.gone {
            None
        } else if self.silent.contains(&node.id) {
            Some(UNREACHABLE)
        } else {
            Some(NOT_READY)
        };
        let by_condition = |taint: &&Taint| {
            (taint.key == NOT_READY || taint.key == UNREACHABLE)
                && taint.effect != TaintEffect::PreferNoSchedule
        };
        let evicts = self.zones.is_tainted(node.id).then_some(TaintEffect::NoExecute);
        let effects_wanted = std::iter::once(TaintEffect::NoSchedule).chain(evicts);
        let made = |key| {
            let made = move |effect| Taint { key: Name::new_static(key), value: Name::default(), effect };
            effects_wanted.clone().map(made)
        };
        let wanted: Vec<Taint> = wanted.into_iter().flat_map(made).collect();
        let old = node.taints.iter().filter(by_condition).filter(|taint| !wanted.contains(taint));
        let mut patch = NodePatch::without(old);
        patch.taints_on = wanted.iter().filter(|taint| !node.taints.contains(taint)).cloned().collect();
        if patch != NodePatch::default() && !node.gone {
            effects.now(Effect::PatchNode(node.id, Box::new(patch)));
        }
    }

    /// `MarkPodsNotReady`.
    fn mark_not_ready(&self, node: NodeId, cluster: &Cluster, effects: &mut Effects) {
        for pod in self.on_node.get(&node).into_iter().flatten() {
            if cluster.pod(*pod).stage == Stage::Ready {
                effects.now(Effect::PodStage(*pod, Stage::Running));
                effects.now(Effect::PodWaits(*pod, Box::new(Waiting::NodeNotReady(node))));
            }
        }
    }

    /// `processPodOnNode`: evicts at once, later or not, by the node's `NoExecute` taints.
    fn consider_eviction(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let Some(node) = pod.node.map(|node| cluster.node(node)) else { return };
        if !pod.is_wanted() || node.gone {
            return;
        }
        match stays_ms(&node.taints, &pod.template.tolerations) {
            Stay::ForEver => drop(self.evictions.remove(&pod.id)),
            Stay::No => {
                self.evictions.remove(&pod.id);
                effects.now(Effect::DeletePod(pod.id, DeletionCause::Taint));
            }
            Stay::For(stay_ms) => {
                let since = self.evictions.get(&pod.id).map_or(cluster.now, |(since, _)| *since);
                let until = since.after_ms(stay_ms);
                if self.evictions.insert(pod.id, (since, until)).map(|(_, until)| until) != Some(until) {
                    self.timers.set(until, Due::Evict(pod.id));
                }
            }
        }
    }

    fn evict_if_due(&mut self, pod: PodId, cluster: &Cluster, effects: &mut Effects) {
        if self.evictions.get(&pod).is_some_and(|(_, until)| *until <= cluster.now) {
            self.evictions.remove(&pod);
            effects.now(Effect::DeletePod(pod, DeletionCause::Taint));
        }
    }

    /// Pods of a node that is gone: nobody is left to end them.
    fn collect(&mut self, node: NodeId, cluster: &Cluster, effects: &mut Effects) {
        for pod in self.on_node.remove(&node).unwrap_or_default() {
            if cluster.pod(pod).stage != Stage::Gone {
                effects.now(Effect::DeletePod(pod, DeletionCause::NodeLost));
                effects.now(Effect::PodGone(pod));
            }
        }
    }
}

/// How long a pod may stay under `NoExecute` taints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    No,
    For(i64),
    ForEver,
}

fn stays_ms(taints: &[Taint], tolerations: &[Toleration]) -> Stay {
    let mut shortest: Option<i64> = None;
    for taint in taints.iter().filter(|taint| taint.effect == TaintEffect::NoExecute) {
        let Some(used) = tolerations.iter().find(|toleration| toleration.tolerates(taint)) else {
            return Stay::No;
        };
        if let Some(seconds) = used.seconds {
            shortest = Some(shortest.map_or(seconds, |known| known.min(seconds)));
        }
    }
    match shortest {
        None => Stay::ForEver,
        Some(seconds) if seconds <= 0 => Stay::No,
        Some(seconds) => Stay::For(seconds.saturating_mul(1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::deployment::Deployments;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node};
    use cluster::WorkloadId;

    const WEB: WorkloadId = WorkloadId(0);
    const HOUR: Timestamp = Timestamp(3_600_000);

    /// What admission adds to every pod (`DefaultTolerationSeconds`).
    fn default_tolerations() -> Vec<Toleration> {
        let toleration = |key| Toleration {
            key: Name::new_static(key),
            exists: true,
            value: Name::default(),
            effect: Some(TaintEffect::NoExecute),
            seconds: Some(300),
        };
        vec![toleration(NOT_READY), toleration(UNREACHABLE)]
    }

    fn hand() -> StageHand {
        let mut web = deployment("web", 2);
        std::sync::Arc::make_mut(&mut web.template).tolerations = default_tolerations();
        let actors: Vec<Box<dyn Actor>> = vec![
            Box::new(Deployments::default()),
            Box::new(Kubelets::new(|_, _| None)),
            Box::new(NodeLifecycle::default()),
        ];
        let mut hand = StageHand::new(declared(vec![web], vec![node("a"), node("b")]), actors);
        hand.arrive_all();
        hand.run(Timestamp(60_000));
        hand.cluster.now = Timestamp(60_000);
        hand
    }

    fn keys(hand: &StageHand, node: usize) -> Vec<String> {
        hand.cluster.nodes[node]
            .taints
            .iter()
            .map(|taint| format!("{}:{:?}", taint.key, taint.effect))
            .collect()
    }

    #[test]
    fn a_silent_node_is_tainted_and_its_pods_are_replaced_after_five_minutes() {
        let mut hand = hand();
        hand.perform(Effect::NodeReady(NodeId(0), false));
        assert!(hand.run(HOUR));
        assert_eq!(
            keys(&hand, 0),
            ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]
        );
        let evicted =
            hand.log.iter().find(|(_, change)| matches!(change, Change::PodDeleting { .. })).unwrap();
        assert_eq!(evicted.0, Timestamp(360_000));
        let on_b =
            hand.cluster.pods.iter().filter(|pod| pod.node == Some(NodeId(1)) && pod.stage == Stage::Ready);
        assert_eq!(on_b.count(), 2);
        let stuck = hand.cluster.pods.iter().filter(|pod| pod.node == Some(NodeId(0)));
        assert!(stuck.clone().all(|pod| pod.deleted.is_some() && pod.stage == Stage::Running));
        assert_eq!(stuck.count(), 2, "terminating for ever");
    }

    #[test]
    fn when_the_last_node_falls_silent_no_pod_is_evicted() {
        let mut hand = hand();
        hand.perform(Effect::NodeReady(NodeId(0), false));
        hand.perform(Effect::NodeReady(NodeId(1), false));
        assert!(hand.run(HOUR));
        assert_eq!(keys(&hand, 1), ["node.kubernetes.io/unreachable:NoSchedule"]);
        assert!(hand.cluster.pods.iter().all(|pod| pod.deleted.is_none()));
    }

    #[test]
    fn a_node_that_is_back_in_time_keeps_its_pods() {
        let mut hand = hand();
        hand.perform(Effect::NodeReady(NodeId(0), false));
        hand.run(Timestamp(200_000));
        assert!(hand.cluster.pods.iter().all(|pod| pod.stage == Stage::Running));
        hand.cluster.now = Timestamp(200_000);
        hand.perform(Effect::NodeReady(NodeId(0), true));
        assert!(hand.run(HOUR));
        assert!(keys(&hand, 0).is_empty());
        assert_eq!(hand.stages(WEB), [Stage::Ready; 2]);
        assert_eq!(hand.cluster.pods.len(), 2);
    }

    #[test]
    fn pods_of_a_node_that_is_gone_are_collected() {
        let mut hand = hand();
        hand.perform(Effect::NodeGone(NodeId(0)));
        assert!(hand.run(HOUR));
        let gone = hand.log.iter().find(|(_, change)| matches!(change, Change::PodGone(_))).unwrap();
        assert_eq!(gone.0, Timestamp(100_000));
        assert_eq!(hand.stages(WEB), [Stage::Ready; 2]);
    }

    #[test]
    fn a_no_execute_taint_evicts_at_once_what_does_not_tolerate_it() {
        let mut hand = hand();
        let taint =
            Taint { key: "maintenance".into(), value: Name::default(), effect: TaintEffect::NoExecute };
        let patch = NodePatch::with([taint]);
        hand.perform(Effect::PatchNode(NodeId(0), Box::new(patch)));
        hand.run(Timestamp(60_000));
        assert!(hand.cluster.pods[..2].iter().all(|pod| pod.deleted == Some(Timestamp(60_000))));
    }

    #[test]
    fn the_shortest_toleration_in_use_counts() {
        let taint =
            |key: &str| Taint { key: key.into(), value: Name::default(), effect: TaintEffect::NoExecute };
        let tolerate = |key: &str, seconds| Toleration {
            key: key.into(),
            exists: true,
            value: Name::default(),
            effect: None,
            seconds,
        };
        let both = [taint("a"), taint("b")];
        assert_eq!(stays_ms(&both, &[tolerate("a", Some(30)), tolerate("b", Some(10))]), Stay::For(10_000));
        assert_eq!(stays_ms(&both, &[tolerate("a", Some(30)), tolerate("b", None)]), Stay::For(30_000));
        assert_eq!(stays_ms(&both, &[tolerate("a", None)]), Stay::No);
        assert_eq!(stays_ms(&both[..1], &[tolerate("a", Some(0))]), Stay::No);
        assert_eq!(stays_ms(&both, &[Toleration::everything()]), Stay::ForEver);
        assert_eq!(stays_ms(&[], &[]), Stay::ForEver);
    }
}
