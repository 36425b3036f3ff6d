//! The index, kept in step with random changes, must say what an index built afresh says.

use std::sync::Arc;

use cluster::change::DeletionCause;
use cluster::pod::Stage;
use cluster::template::{HostPort, PodAffinityTerm, TopologySpread};
use cluster::{Change, Cluster, Effect, NodeId, PodId, PodTemplate, Taint, Timestamp};
use proptest::prelude::*;

use crate::testing::{add_node, add_pod, empty, labelled, selector, zoned};
use crate::{Attempt, Placements, Preemption, TieBreak, attempt, explain};

/// Something that happens to a cluster; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    NewNode(u8),
    NewPod(u8),
    Attempt(u8),
    Bind(u8, u8),
    Nominate(u8, u8),
    Delete(u8),
    Finish(u8),
    Gone(u8),
    Taint(u8),
    Move(u8, u8),
    Cordon(u8),
    NodeGone(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => any::<u8>().prop_map(Step::NewNode),
        4 => any::<u8>().prop_map(Step::NewPod),
        4 => any::<u8>().prop_map(Step::Attempt),
        5 => (any::<u8>(), any::<u8>()).prop_map(|(pod, node)| Step::Bind(pod, node)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(pod, node)| Step::Nominate(pod, node)),
        4 => any::<u8>().prop_map(Step::Delete),
        1 => any::<u8>().prop_map(Step::Finish),
        2 => any::<u8>().prop_map(Step::Gone),
        1 => any::<u8>().prop_map(Step::Taint),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(node, zone)| Step::Move(node, zone)),
        1 => any::<u8>().prop_map(Step::Cordon),
        1 => any::<u8>().prop_map(Step::NodeGone),
    ]
}

/// Pods that feel each other in every way there is.
fn templates() -> Vec<Arc<PodTemplate>> {
    let zone = "topology.kubernetes.io/zone";
    let spread = |required, taints| TopologySpread {
        max_skew: 1,
        min_domains: None,
        topology_key: zone.into(),
        required,
        selector: Some(selector("app", "web")),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: taints,
    };
    let term = |app: &str, key: &str| PodAffinityTerm {
        selector: Some(selector("app", app)),
        topology_key: key.into(),
        ..PodAffinityTerm::default()
    };
    let plain = labelled("web");
    let mut spread_hard = labelled("web");
    spread_hard.topology_spread = vec![spread(true, true)];
    let mut spread_soft = labelled("web");
    spread_soft.topology_spread = vec![spread(false, false)];
    let mut lonely = labelled("db");
    lonely.pod_anti_affinity.required = vec![term("db", "kubernetes.io/hostname")];
    let mut follower = labelled("cache");
    follower.pod_affinity.required = vec![term("db", zone)];
    follower.pod_anti_affinity.preferred = vec![(10, term("web", zone))];
    let mut urgent = labelled("urgent");
    urgent.priority = 100;
    urgent.requests.cpu_millis = 3900;
    urgent.containers[0].requests.cpu_millis = 3900;
    let mut port = labelled("port");
    port.host_ports = vec![HostPort { ip: "".into(), port: 80, protocol: "TCP".into() }];
    port.requests.extended = vec![("example.com/gpu".into(), 1)];
    vec![plain, spread_hard, spread_soft, lonely, follower, urgent, port].into_iter().map(Arc::new).collect()
}

struct World {
    cluster: Cluster,
    templates: Vec<Arc<PodTemplate>>,
}

impl World {
    fn node(&self, number: u8) -> Option<NodeId> {
        let count = self.cluster.nodes.len();
        (count > 0).then(|| NodeId(u32::try_from(usize::from(number) % count).unwrap()))
    }

    fn pod(&self, number: u8) -> Option<PodId> {
        let count = self.cluster.pods.len();
        (count > 0).then(|| PodId(u32::try_from(usize::from(number) % count).unwrap()))
    }

    /// Performs a step; the change that the index is told.
    fn perform(&mut self, step: &Step, index: &mut Placements) -> Option<Change> {
        self.cluster.now = Timestamp(self.cluster.now.0 + 1);
        match step {
            Step::NewNode(zone) => {
                let mut node =
                    zoned(&format!("n{}", self.cluster.nodes.len()), ["a", "b", "c"][usize::from(zone % 3)]);
                node.allocatable.pods = 4;
                node.allocatable.set("example.com/gpu", i64::from(zone % 3));
                Some(Change::NodeRegistered(add_node(&mut self.cluster, node)))
            }
            Step::NewPod(kind) => {
                let template = self.templates[usize::from(*kind) % self.templates.len()].clone();
                Some(Change::PodCreated(add_pod(&mut self.cluster, &template)))
            }
            Step::Attempt(pod) => {
                let pod = self.pod(*pod)?;
                self.pending(pod)?;
                let Attempt::Bind(placement) = attempt(index, &self.cluster, pod, TieBreak::Lowest) else {
                    return None;
                };
                index.place(&self.cluster, pod, placement.node);
                self.bind(pod, placement.node)
            }
            Step::Bind(pod, node) => {
                let (pod, node) = (self.pod(*pod)?, self.node(*node)?);
                self.pending(pod)?;
                // Of two pods that share a port, the first that goes frees it: the index remembers that.
                let ports = &self.cluster.pod(pod).template.host_ports;
                let clashes = |other: &cluster::Pod| {
                    other.holds_node() && other.node == Some(node) && other.template.host_ports == *ports
                };
                if !ports.is_empty() && self.cluster.pods.iter().any(clashes) {
                    return None;
                }
                self.bind(pod, node)
            }
            Step::Nominate(pod, node) => {
                let (pod, node) = (self.pod(*pod)?, self.node(*node)?);
                self.pending(pod)?;
                self.cluster.pods[pod.0 as usize].nominated = Some(node);
                Some(Change::PodNominated(pod, node))
            }
            Step::Delete(pod) => {
                let pod = self.pod(*pod)?;
                let state = &mut self.cluster.pods[pod.0 as usize];
                if state.is_over() || state.deleted.is_some() {
                    return None;
                }
                state.deleted = Some(self.cluster.now);
                state.nominated = state.nominated.filter(|_| state.node.is_some());
                Some(Change::PodDeleting { pod, why: DeletionCause::Owner })
            }
            Step::Finish(pod) => self.end(*pod, Stage::Succeeded),
            Step::Gone(pod) => self.end(*pod, Stage::Gone),
            Step::Taint(node) => {
                let node = self.node(*node)?;
                let taints = &mut self.cluster.nodes[node.0 as usize].taints;
                if taints.pop().is_none() {
                    taints.push(Taint { key: "k".into(), value: "".into(), effect: Effect::NoSchedule });
                }
                Some(Change::NodeUpdated(node))
            }
            Step::Move(node, zone) => {
                let node = self.node(*node)?;
                let labels = &mut self.cluster.nodes[node.0 as usize].labels;
                match zone % 3 {
                    0 => drop(labels.remove("topology.kubernetes.io/zone")),
                    zone => {
                        drop(labels.insert("topology.kubernetes.io/zone".into(), format!("z{zone}").into()))
                    }
                }
                Some(Change::NodeUpdated(node))
            }
            Step::Cordon(node) => {
                let node = self.node(*node)?;
                let state = &mut self.cluster.nodes[node.0 as usize];
                state.unschedulable = !state.unschedulable;
                Some(Change::NodeUpdated(node))
            }
            Step::NodeGone(node) => {
                let node = self.node(*node)?;
                self.cluster.nodes[node.0 as usize].gone = true;
                Some(Change::NodeGone(node))
            }
        }
    }

    fn pending(&self, pod: PodId) -> Option<()> {
        let pod = self.cluster.pod(pod);
        (pod.node.is_none() && pod.is_wanted()).then_some(())
    }

    fn bind(&mut self, pod: PodId, node: NodeId) -> Option<Change> {
        let state = &mut self.cluster.pods[pod.0 as usize];
        (state.node, state.stage, state.nominated) = (Some(node), Stage::Bound, None);
        Some(Change::PodBound(pod, node))
    }

    fn end(&mut self, pod: u8, stage: Stage) -> Option<Change> {
        let pod = self.pod(pod)?;
        let state = &mut self.cluster.pods[pod.0 as usize];
        if state.is_over() {
            return None;
        }
        state.stage = stage;
        Some(if stage == Stage::Gone { Change::PodGone(pod) } else { Change::PodStage(pod, stage) })
    }
}

/// What an index says of a cluster: every filter on every node for one pod of each kind, and where it would go.
fn opinions(index: &Placements, cluster: &Cluster, probes: &[PodId]) -> Vec<String> {
    let ask = |probe: &PodId| {
        let mut index = index.clone();
        index.next_start = 0;
        let verdicts = explain(&mut index, cluster, *probe);
        let outcome = match attempt(&mut index, cluster, *probe, TieBreak::Lowest) {
            Attempt::Bind(placement) => format!("{placement:?}"),
            Attempt::Preempt(preemption) => {
                let Preemption { node, victims, violations, displaced, rejection, .. } = preemption;
                format!("{node:?} {victims:?} {violations} {displaced:?} {}", rejection.message)
            }
            Attempt::Reject { rejection, .. } => rejection.message,
        };
        format!("{verdicts:?} {outcome}")
    };
    probes.iter().map(ask).collect()
}

#[test]
fn pods_that_are_asked_to_go_leave_the_counts_of_spreading_at_once() {
    let mut world = World { cluster: empty(), templates: templates() };
    for zone in [0, 1] {
        world.perform(&Step::NewNode(zone), &mut Placements::default());
    }
    let pods: Vec<PodId> = (0..2).map(|_| add_pod(&mut world.cluster, &world.templates[1].clone())).collect();
    world.bind(pods[0], NodeId(0));
    let mut index = Placements::new(&world.cluster);
    let skewed = |index: &mut Placements, world: &World| {
        let verdicts = explain(index, &world.cluster, pods[1]);
        verdicts.iter().map(|verdict| !verdict.fits()).collect::<Vec<bool>>()
    };
    assert_eq!(skewed(&mut index, &world), [true, false]);
    world.cluster.pods[0].deleted = Some(Timestamp(1));
    let events =
        index.observe(&Change::PodDeleting { pod: pods[0], why: DeletionCause::Owner }, &world.cluster);
    assert!(events.is_empty());
    assert_eq!(skewed(&mut index, &world), [false, false]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_index_in_step_agrees_with_one_built_afresh(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World { cluster: empty(), templates: templates() };
        let probes: Vec<PodId> = world.templates.clone().iter().map(|kind| add_pod(&mut world.cluster, kind)).collect();
        let mut index = Placements::new(&world.cluster);
        // Let the index learn all classes early, so that counters, groups and rules are kept rather than built.
        opinions(&index, &world.cluster, &probes);
        for probe in &probes {
            attempt(&mut index, &world.cluster, *probe, TieBreak::Lowest);
        }
        for step in &steps {
            if let Some(change) = world.perform(step, &mut index) {
                index.observe(&change, &world.cluster);
                index.observe(&change, &world.cluster);
            }
            let mut fresh = Placements::new(&world.cluster);
            // The order of nodes depends on when they came and moved.
            fresh.order = index.order.clone();
            // So does when a pod was placed, which the cluster does not say.
            for (tenant, known) in fresh.tenants.iter_mut().zip(&index.tenants) {
                if let (Some(tenant), Some(known)) = (tenant, known) {
                    tenant.since = known.since;
                }
            }
            let probes: Vec<PodId> = probes.iter().copied().filter(|probe| world.pending(*probe).is_some()).collect();
            prop_assert_eq!(
                opinions(&index, &world.cluster, &probes),
                opinions(&fresh, &world.cluster, &probes),
                "after {:?}", step
            );
            // What an attempt remembers must not outlive what it was true of.
            for probe in &probes {
                attempt(&mut index, &world.cluster, *probe, TieBreak::Lowest);
            }
        }
    }
}
