//! Pods: their state, and how long they wait for a decision, a node and their start.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/metrics/pod/controller.go`, `pkg/controllers/state/metrics.go` and
//! `pkg/controllers/node/termination/terminator/metrics.go`. Durations end at the instant at which a watch told of it; upstream
//! takes the condition's, which is whole seconds.

use std::collections::BTreeMap;

use autoscaler::Effect;
use cluster::node::POOL;
use cluster::pod::Stage;
use cluster::{Change, Cluster, Pod, PodId, Timestamp, Waiting};
use provisioning::market::{CAPACITY_TYPE, ZONE};

use super::claims::of;
use super::family::{DURATIONS_MS, Family};
use super::registry::{Number, Registry};
use crate::Mirror;

pub(super) static STATE: Family = Family::gauge(
    "karpenter_pods_state",
    &[
        "name",
        "namespace",
        "owner",
        "node",
        "scheduled",
        "nodepool",
        "zone",
        "arch",
        "capacity_type",
        "instance_type",
        "phase",
        "ready",
        "managed",
    ],
    "1 for every pod, with what it is and where.",
);
pub(super) static STARTUP: Family = Family::summary(
    "karpenter_pods_startup_duration_seconds",
    &[],
    "From a pod's creation until it is ready.",
);
pub(super) static BOUND: Family = Family::histogram(
    "karpenter_pods_bound_duration_seconds",
    DURATIONS_MS,
    &[],
    "From a pod's creation until it is bound.",
);
pub(super) static PROVISIONING_BOUND: Family = Family::histogram(
    "karpenter_pods_provisioning_bound_duration_seconds",
    DURATIONS_MS,
    &[],
    "From the first plan that has a place for a pod until it is bound.",
);
pub(super) static PROVISIONING_STARTUP: Family = Family::histogram(
    "karpenter_pods_provisioning_startup_duration_seconds",
    DURATIONS_MS,
    &[],
    "From the first plan that has a place for a pod until it is ready.",
);
pub(super) static DECISION: Family = Family::histogram(
    "karpenter_pods_scheduling_decision_duration_seconds",
    DURATIONS_MS,
    &[],
    "From when a pod was first seen to find no node until the first plan for it.",
);
pub(super) static UNSTARTED: Family =
    waits("karpenter_pods_unstarted_time_seconds", "Age of pods that have not started.");
pub(super) static UNBOUND: Family =
    waits("karpenter_pods_unbound_time_seconds", "Age of pods without a node.");
pub(super) static PROVISIONING_UNSTARTED: Family = waits(
    "karpenter_pods_provisioning_unstarted_time_seconds",
    "How long a plan has had a place for pods that have not started.",
);
pub(super) static PROVISIONING_UNBOUND: Family = waits(
    "karpenter_pods_provisioning_unbound_time_seconds",
    "How long a plan has had a place for pods without a node.",
);
pub(super) static UNDECIDED: Family = waits(
    "karpenter_pods_provisioning_scheduling_undecided_time_seconds",
    "How long pods that find no node have waited for the first plan.",
);
pub(super) static DRAINED: Family = Family::counter(
    "karpenter_pods_drained_total",
    &["reason"],
    "Pods evicted from nodes that go, by why the node goes.",
);

const fn waits(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, &["name", "namespace"], help)
}

pub(super) static ALL: &[&Family] = &[
    &STATE,
    &STARTUP,
    &BOUND,
    &PROVISIONING_BOUND,
    &PROVISIONING_STARTUP,
    &DECISION,
    &UNSTARTED,
    &UNBOUND,
    &PROVISIONING_UNSTARTED,
    &PROVISIONING_UNBOUND,
    &UNDECIDED,
    &DRAINED,
];

/// What is remembered of a pod that has not started.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// First seen to find no node.
    seen: Option<Timestamp>,
    /// The first plan that was made for it.
    decided: Option<Timestamp>,
    /// The first plan that had a place for it.
    placed: Option<Timestamp>,
}

/// Pods that have not started.
#[derive(Clone, Debug, Default)]
pub(super) struct Clocks(BTreeMap<PodId, Clock>);

impl Clocks {
    /// What is there at the beginning.
    pub(super) fn begin(&mut self, cluster: &Cluster) {
        for pod in cluster.live_pods().filter(|pod| has_not_started(pod)) {
            self.0.insert(pod.id, Clock { seen: seen(cluster, pod), ..Clock::default() });
        }
    }

    /// Something became true.
    pub(super) fn learn(&mut self, cluster: &Cluster, change: &Change, counted: &mut Registry) {
        let now = cluster.now;
        match change {
            Change::PodCreated(pod) if has_not_started(cluster.pod(*pod)) => {
                self.0.entry(*pod).or_default();
            }
            Change::PodWaits(pod, _) => {
                let seen = seen(cluster, cluster.pod(*pod));
                if let Some(clock) = self.0.get_mut(pod) {
                    clock.seen = clock.seen.or(seen);
                }
            }
            Change::PodBound(pod, _) => {
                if let Some(clock) = self.0.get(pod) {
                    counted.observe(&BOUND, &[], now, now.since_ms(cluster.pod(*pod).created));
                    if let Some(placed) = clock.placed {
                        counted.observe(&PROVISIONING_BOUND, &[], now, now.since_ms(placed));
                    }
                }
            }
            Change::PodStage(pod, Stage::Ready) => {
                if let Some(clock) = self.0.remove(pod) {
                    counted.observe(&STARTUP, &[], now, now.since_ms(cluster.pod(*pod).created));
                    if let Some(placed) = clock.placed {
                        counted.observe(&PROVISIONING_STARTUP, &[], now, now.since_ms(placed));
                    }
                }
            }
            Change::PodStage(pod, Stage::Succeeded | Stage::Failed) | Change::PodGone(pod) => {
                self.0.remove(pod);
            }
            _ => {}
        }
    }

    /// Something was decided.
    pub(super) fn decided(&mut self, cluster: &Cluster, effect: &Effect, counted: &mut Registry) {
        let now = cluster.now;
        let (pod, placed) = match effect {
            Effect::ExpectPod(pod, _) => (pod, true),
            Effect::RefusePod(pod, _) => (pod, false),
            _ => return,
        };
        let Some(clock) = self.0.get_mut(pod) else { return };
        if clock.decided.is_none() {
            clock.decided = Some(now);
            let since = clock.seen.unwrap_or(cluster.pod(*pod).created);
            counted.observe(&DECISION, &[], now, now.since_ms(since));
        }
        if placed {
            clock.placed = clock.placed.or(Some(now));
        }
    }

    /// How long pods wait at the moment, and what every pod is.
    pub(super) fn scrape(&self, mirror: &Mirror, now: &mut Registry) {
        let cluster = mirror.cluster();
        for (id, clock) in &self.0 {
            let pod = cluster.pod(*id);
            let labels = [pod.name.as_str(), pod.namespace.as_str()];
            let mut set = |family, since: Option<Timestamp>| {
                if let Some(since) = since {
                    now.set(family, &labels, Number::thousandths(cluster.now.since_ms(since)));
                }
            };
            set(&UNSTARTED, Some(pod.created));
            set(&PROVISIONING_UNSTARTED, clock.placed);
            if pod.node.is_none() {
                set(&UNBOUND, Some(pod.created));
                set(&PROVISIONING_UNBOUND, clock.placed);
                set(&UNDECIDED, clock.seen.filter(|_| clock.decided.is_none()));
            }
        }
        for pod in cluster.pods.iter().filter(|pod| pod.stage != Stage::Gone) {
            state(mirror, pod, now);
        }
    }
}

fn has_not_started(pod: &Pod) -> bool {
    matches!(pod.stage, Stage::Pending | Stage::Bound | Stage::Starting)
}

fn seen(cluster: &Cluster, pod: &Pod) -> Option<Timestamp> {
    matches!(pod.waiting, Some((_, Waiting::Unschedulable(_)))).then_some(cluster.now)
}

fn state(mirror: &Mirror, pod: &Pod, now: &mut Registry) {
    let node = pod.node.map(|node| mirror.cluster().node(node));
    let label = |key| node.map_or("", |node| of(&node.labels, key));
    let owner = mirror.owner_path(pod).unwrap_or_default();
    let flag = |holds: bool| if holds { "true" } else { "false" };
    let phase = match pod.stage {
        Stage::Pending | Stage::Bound | Stage::Starting => "Pending",
        Stage::Running | Stage::Ready => "Running",
        Stage::Succeeded => "Succeeded",
        Stage::Failed | Stage::Gone => "Failed",
    };
    let pool = label(POOL);
    let labels = [
        pod.name.as_str(),
        pod.namespace.as_str(),
        owner.as_str(),
        node.map_or("", |node| node.name.as_str()),
        flag(node.is_some()),
        pool,
        label(ZONE),
        label("kubernetes.io/arch"),
        label(CAPACITY_TYPE),
        label("node.kubernetes.io/instance-type"),
        phase,
        flag(pod.stage == Stage::Ready),
        flag(!pool.is_empty()),
    ];
    now.set(&STATE, &labels, Number::whole(1));
}
