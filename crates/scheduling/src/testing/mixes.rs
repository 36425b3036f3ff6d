//! kube-scheduler's own benchmark mixes: which nodes there are, which pods are there first, which are measured.
//!
//! Follows `k8s.io/kubernetes` v1.36.3 `test/integration/scheduler_perf`, its `performance-config.yaml` of `misc`,
//! `affinity` and `topology_spreading`, and their templates. Upstream counts how fast an API server shows pods bound;
//! here only decisions are made, one after the other, and an evicted pod is gone before the next decision.

use std::ops::Range;
use std::sync::Arc;

use cluster::admission::Service;
use cluster::template::{NodeSelectorTerm, PodAffinityTerm, TopologySpread};
use cluster::{Cluster, Labels, Name, Node, PodId, PodTemplate, Resources};

use crate::testing::{add_node, add_pod, empty, node, nowhere, selector, template};
use crate::{Attempt, Placements, TieBreak, attempt};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOSTNAME: &str = "kubernetes.io/hostname";
/// Namespaces of the mixes with pod affinity: of the pods that are there, and of those that are measured.
const NAMESPACES: [&str; 2] = ["sched-0", "sched-1"];

/// What pods are made from; the argument tells the batch.
type Make = fn(u32) -> PodTemplate;

/// Pods of one kind in one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Pods {
    namespace: &'static str,
    make: Make,
    count: u32,
}

/// A mix.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Its name here.
    pub name: &'static str,
    /// Upstream's test case.
    pub upstream: &'static str,
    zones: &'static [&'static str],
    before: &'static [Pods],
    /// The pods that are measured; `count` as upstream measures them on 5,000 nodes.
    measured: Pods,
    /// After so many measured pods their kind changes, where more would not fit.
    batch: u32,
}

const ZONES: &[&str] = &["moon-1", "moon-2", "moon-3"];

const fn pods(namespace: &'static str, make: Make, count: u32) -> Pods {
    Pods { namespace, make, count }
}

/// Every mix.
pub const MIXES: [Mix; 11] = [
    Mix {
        name: "basic",
        upstream: "SchedulingBasic/5000Nodes_50000Pods",
        zones: &[],
        before: &[pods("default", plain, 5_000)],
        measured: pods("default", plain, 50_000),
        batch: u32::MAX,
    },
    Mix {
        name: "node affinity",
        upstream: "SchedulingNodeAffinity/5000Nodes_10000Pods",
        zones: &["zone1"],
        before: &[pods("default", in_zones, 5_000)],
        measured: pods("default", in_zones, 10_000),
        batch: u32::MAX,
    },
    Mix {
        name: "topology spread",
        upstream: "TopologySpreading/5000Nodes_5000Pods",
        zones: ZONES,
        before: &[pods("default", plain, 5_000)],
        measured: pods("default", |_| spread(true), 5_000),
        batch: u32::MAX,
    },
    Mix {
        name: "pod anti-affinity",
        upstream: "SchedulingPodAntiAffinity/5000Nodes_2000Pods",
        zones: &[],
        before: &[pods(NAMESPACES[0], apart, 1_000)],
        measured: pods(NAMESPACES[1], apart, 2_000),
        batch: 2_000,
    },
    Mix {
        name: "pod affinity",
        upstream: "SchedulingPodAffinity/5000Nodes_5000Pods",
        zones: &["zone1"],
        before: &[pods(NAMESPACES[0], together, 5_000)],
        measured: pods(NAMESPACES[1], together, 5_000),
        batch: u32::MAX,
    },
    Mix {
        name: "preemption",
        upstream: "PreemptionBasic, as large as PreemptionAsync/5000Nodes",
        zones: &[],
        before: &[pods("default", |_| sized(900), 20_000)],
        measured: pods("default", important, 5_000),
        batch: 5_000,
    },
    Mix {
        name: "mixed",
        upstream: "MixedSchedulingBasePod/5000Nodes_5000Pods",
        zones: &["zone1"],
        before: &[
            pods(NAMESPACES[0], plain, 2_000),
            pods(NAMESPACES[0], together, 2_000),
            pods(NAMESPACES[0], apart, 2_000),
            pods(NAMESPACES[0], |_| drawn(1), 2_000),
            pods(NAMESPACES[0], |_| drawn(-1), 2_000),
        ],
        measured: pods("default", plain, 5_000),
        batch: u32::MAX,
    },
    Mix {
        name: "preferred topology spread",
        upstream: "PreferredTopologySpreading/5000Nodes_5000Pods",
        zones: ZONES,
        before: &[pods("default", plain, 5_000)],
        measured: pods("default", |_| spread(false), 5_000),
        batch: u32::MAX,
    },
    Mix {
        name: "default topology spread",
        upstream: "DefaultTopologySpreading/5000Nodes_50000Pods",
        zones: ZONES,
        before: &[pods("default", plain, 5_000)],
        measured: pods("service-ns", served, 50_000),
        batch: u32::MAX,
    },
    Mix {
        name: "preferred pod affinity",
        upstream: "SchedulingPreferredPodAffinity/5000Nodes_5000Pods",
        zones: &[],
        before: &[pods(NAMESPACES[0], |_| drawn(1), 5_000)],
        measured: pods(NAMESPACES[1], |_| drawn(1), 5_000),
        batch: u32::MAX,
    },
    Mix {
        name: "preferred pod anti-affinity",
        upstream: "SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods",
        zones: &[],
        before: &[pods(NAMESPACES[0], |_| drawn(-1), 5_000)],
        measured: pods(NAMESPACES[1], |_| drawn(-1), 5_000),
        batch: u32::MAX,
    },
];

/// A mix that stands: nodes, the pods that are there, and pods to be placed.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Nodes and all pods.
    pub cluster: Cluster,
    /// Where the pods are that are there.
    pub index: Placements,
    /// The pods to be placed.
    pub pods: Range<u32>,
}

/// What came of placing pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Pods that have a node.
    pub placed: u32,
    /// Pods that were evicted for others.
    pub evicted: u32,
    /// Changes with every decision and with their order.
    pub fingerprint: u64,
}

impl Mix {
    /// How many pods upstream measures.
    pub fn size(&self) -> u32 {
        self.measured.count
    }

    /// The mix on so many nodes, with its own number of pods for each of them, and with so many pods to be placed.
    pub fn ground(&self, nodes: u32, count: u32) -> Ground {
        let mut cluster = empty();
        for number in 0..nodes {
            let zone = self.zones.get(number as usize % self.zones.len().max(1));
            add_node(&mut cluster, machine(number, zone.copied()));
        }
        Arc::make_mut(&mut cluster.declared).services = vec![service()];
        for pods in self.before {
            add(&mut cluster, pods, share(pods.count, nodes), u32::MAX);
        }
        let there = u32::try_from(cluster.pods.len()).unwrap_or(u32::MAX);
        add(&mut cluster, &self.measured, count, share(self.batch, nodes));
        let all = u32::try_from(cluster.pods.len()).unwrap_or(u32::MAX);
        let mut index = Placements::new(&cluster);
        play(&mut index, &cluster, 0..there);
        Ground { cluster, index, pods: there..all }
    }
}

impl Ground {
    /// Places the pods of a part of the mix.
    pub fn play(&mut self, pods: Range<u32>) -> Played {
        let first = self.pods.start;
        play(&mut self.index, &self.cluster, first + pods.start..first + pods.end)
    }
}

fn play(index: &mut Placements, cluster: &Cluster, pods: Range<u32>) -> Played {
    let mut played = Played::default();
    for pod in pods.map(PodId) {
        match attempt(index, cluster, pod, TieBreak::Lowest) {
            Attempt::Bind(placement) => played.place(index, cluster, pod, placement.node),
            Attempt::Preempt(preemption) => {
                index.set_nominated(cluster, pod, Some(preemption.node));
                for victim in preemption.victims {
                    index.expect_preemption(victim);
                    index.forget(victim);
                    played.evicted += 1;
                    played.note(victim.0);
                }
                if let Attempt::Bind(placement) = attempt(index, cluster, pod, TieBreak::Lowest) {
                    played.place(index, cluster, pod, placement.node);
                }
            }
            Attempt::Reject { .. } => played.note(u32::MAX),
        }
    }
    played
}

impl Played {
    fn place(&mut self, index: &mut Placements, cluster: &Cluster, pod: PodId, node: cluster::NodeId) {
        index.place(cluster, pod, node);
        index.set_nominated(cluster, pod, None);
        self.placed += 1;
        self.note(node.0);
    }

    fn note(&mut self, number: u32) {
        self.fingerprint =
            (self.fingerprint ^ u64::from(number)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(5);
    }
}

/// What `count` on 5,000 nodes is on `nodes`.
fn share(count: u32, nodes: u32) -> u32 {
    u32::try_from(u64::from(count) * u64::from(nodes) / 5_000).unwrap_or(u32::MAX)
}

/// Adds pods, of a new kind after every `batch`.
fn add(cluster: &mut Cluster, pods: &Pods, count: u32, batch: u32) {
    let mut made = Arc::new((pods.make)(0));
    for number in 0..count {
        if number > 0 && number % batch.max(1) == 0 {
            made = Arc::new((pods.make)(number / batch.max(1)));
        }
        let id = add_pod(cluster, &made);
        cluster.pods[id.0 as usize].namespace = pods.namespace.into();
    }
}

/// `node-default.yaml`.
fn machine(number: u32, zone: Option<&str>) -> Node {
    let mut node = node(&format!("scheduler-perf-{number}"));
    let room = Resources {
        cpu_millis: 4_000,
        memory_bytes: 32 << 30,
        ephemeral_bytes: 0,
        pods: 110,
        extended: vec![],
    };
    (node.capacity, node.allocatable) = (room.clone(), room);
    node.labels.extend(zone.map(|zone| (Name::from(ZONE), Name::from(zone))));
    node
}

/// `service.yaml`: the pods of [`served`].
fn service() -> Service {
    let selector = Some(Labels::from([("app".into(), "scheduler-perf".into())]));
    Service { namespace: "service-ns".into(), name: "service".into(), location: nowhere(), selector }
}

fn sized(cpu_millis: i64) -> PodTemplate {
    template(cpu_millis, 500 << 20)
}

/// `pod-default.yaml`.
fn plain(_: u32) -> PodTemplate {
    sized(100)
}

/// `pod-high-priority.yaml`; every batch outranks those before.
fn important(batch: u32) -> PodTemplate {
    let priority = i32::try_from(batch).unwrap_or(i32::MAX).saturating_add(1).saturating_mul(10);
    PodTemplate { priority, ..sized(3_000) }
}

/// `pod-with-node-affinity.yaml`.
fn in_zones(_: u32) -> PodTemplate {
    let mut zones = selector(ZONE, "zone1").requirements;
    zones.iter_mut().for_each(|requirement| requirement.values.push("zone2".into()));
    let terms = vec![NodeSelectorTerm { match_expressions: zones, match_fields: vec![] }];
    PodTemplate { required_node_affinity: Some(terms), ..sized(100) }
}

fn coloured(color: &str) -> PodTemplate {
    PodTemplate { labels: Labels::from([("color".into(), color.into())]), ..sized(100) }
}

fn near(color: &str, topology_key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: Some(selector("color", color)),
        namespaces: NAMESPACES.map(Name::from).to_vec(),
        namespace_selector: None,
        topology_key: topology_key.into(),
    }
}

/// `pod-with-pod-affinity.yaml`.
fn together(_: u32) -> PodTemplate {
    let mut pod = coloured("blue");
    pod.pod_affinity.required = vec![near("blue", ZONE)];
    pod
}

/// `pod-with-pod-anti-affinity.yaml`; every batch has a colour of its own.
fn apart(batch: u32) -> PodTemplate {
    let color = if batch == 0 { "green".to_owned() } else { format!("green-{batch}") };
    let mut pod = coloured(&color);
    pod.pod_anti_affinity.required = vec![near(&color, HOSTNAME)];
    pod
}

/// `pod-with-preferred-pod-affinity.yaml`, or below zero `pod-with-preferred-pod-anti-affinity.yaml`.
fn drawn(weight: i32) -> PodTemplate {
    let color = if weight > 0 { "red" } else { "yellow" };
    let mut pod = coloured(color);
    let affinity = if weight > 0 { &mut pod.pod_affinity } else { &mut pod.pod_anti_affinity };
    affinity.preferred = vec![(weight.abs(), near(color, HOSTNAME))];
    pod
}

/// `pod-with-topology-spreading.yaml` or `pod-with-preferred-topology-spreading.yaml`.
fn spread(required: bool) -> PodTemplate {
    let constraint = TopologySpread {
        max_skew: 5,
        min_domains: None,
        topology_key: ZONE.into(),
        required,
        selector: Some(selector("color", "blue")),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: false,
    };
    PodTemplate { topology_spread: vec![constraint], ..coloured("blue") }
}

/// `pod-with-label.yaml`, which asks for nothing.
fn served(_: u32) -> PodTemplate {
    PodTemplate { labels: Labels::from([("app".into(), "scheduler-perf".into())]), ..template(0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is done for speed: the decisions stay. A change here must be one that kube-scheduler would make too.
    #[test]
    fn every_mix_is_decided_as_ever() {
        let decided = |mix: &Mix| {
            let Played { placed, evicted, fingerprint } = mix.ground(500, 1_500).play(0..1_500);
            format!("{}: {placed} placed, {evicted} evicted, {fingerprint:016x}\n", mix.name)
        };
        insta::assert_snapshot!(MIXES.iter().map(decided).collect::<String>());
    }
}
