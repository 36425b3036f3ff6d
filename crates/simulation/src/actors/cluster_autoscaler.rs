//! The cluster autoscaler: grows node groups for pending pods. Groups take part with `scaling.by:
//! clusterAutoscaler`.
//!
//! Follows kubernetes/autoscaler `cluster-autoscaler` v1.34 `core/scaleup/orchestrator` in outline: every ten seconds
//! the pods that the scheduler could not place are packed, largest first, onto copies of a group's node; the group
//! that is left with the least waste grows. It acts while one of its pods is Ready, and needs name resolution and
//! AWS. Not modelled: scale-down, priorities of groups, balancing between similar groups, back-off of a group whose
//! instances do not come. Topology and affinity between pods are left to the scheduler.

use std::collections::BTreeMap;

use cluster::network::{NodeNetwork, SubnetId};
use cluster::pod::Stage;
use cluster::profile::NodeGroup;
use cluster::requirements::Requirements;
use cluster::role::Program;
use cluster::{Change, Cluster, Name, Node, NodeId, Pod, Resources, Taint, Timestamp, Waiting, WorkloadId};
use provisioning::class::is_provisionable;
use provisioning::daemons;

use crate::actor::{Actor, Context};
use crate::actors::ec2::instance::NOT_READY;
use crate::actors::timers::Timers;
use crate::effect::{Effect, Effects};
use crate::needs;

/// `--scan-interval`.
const SCAN_MS: i64 = 10_000;

/// The actor.
#[derive(Clone, Debug, Default)]
pub struct ClusterAutoscaler {
    changed: bool,
    scanned: Option<Timestamp>,
    wake: Option<Timestamp>,
    /// Nodes that boot: by group.
    booting: Timers<u32>,
    on_the_way: BTreeMap<u32, u32>,
    born: u32,
}

impl Actor for ClusterAutoscaler {
    fn observe(&mut self, change: &Change, _context: Context<'_>) {
        self.changed |= match change {
            Change::PodWaits(_, waiting) => matches!(**waiting, Waiting::Unschedulable(_)),
            Change::PodStage(..)
            | Change::PodGone(_)
            | Change::NodeRegistered(_)
            | Change::NodeReady(..)
            | Change::NodeGone(_)
            | Change::Fault(..) => true,
            _ => false,
        };
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let (cluster, now) = (context.cluster, context.cluster.now);
        self.boot(cluster, effects);
        self.wake = None;
        let autoscaled = cluster.declared.profile.node_groups.iter().any(|group| group.autoscaled);
        if !self.changed || !autoscaled {
            return;
        }
        let next = self.scanned.map_or(now, |at| at.after_ms(SCAN_MS));
        if now < next {
            self.wake = Some(next);
            return;
        }
        let leader = cluster
            .pods
            .iter()
            .find(|pod| pod.template.role.program == Program::ClusterAutoscaler && pod.stage == Stage::Ready);
        let Some(leader) = leader else { return };
        (self.changed, self.scanned) = (false, Some(now));
        let missing = needs::missing_need(cluster, leader.id);
        let noted = |workload: &WorkloadId| missing.is_some() || cluster.blocked.contains_key(workload);
        if let Some(workload) = leader.workload.filter(noted) {
            effects.now(Effect::Block(workload, missing.clone()));
        }
        if missing.is_none() {
            self.scan(cluster);
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        [self.booting.next(), self.wake].into_iter().flatten().min()
    }
}

impl ClusterAutoscaler {
    /// Grows the group that wastes least. Pods that nodes on their way will hold do not count.
    fn scan(&mut self, cluster: &Cluster) {
        let mut pods: Vec<&Pod> = cluster.pods.iter().filter(|pod| is_provisionable(cluster, pod)).collect();
        pods.sort_by_key(|pod| {
            let requests = &pod.template.requests;
            (-requests.cpu_millis, -requests.memory_bytes, pod.id)
        });
        if pods.is_empty() {
            return;
        }
        let groups =
            (0u32..).zip(&cluster.declared.profile.node_groups).filter(|(_, group)| group.autoscaled);
        let plans = groups.filter_map(|(index, group)| self.plan(cluster, index, group, &pods));
        let Some(best) = plans.min_by_key(|plan| (plan.waste_permille, plan.group)) else { return };
        let latencies = cluster.declared.profile.latencies;
        let at = cluster.now.after_ms(latencies.launch_ms).after_ms(latencies.node_ready_ms);
        for _ in 0..best.nodes {
            self.booting.set(at, best.group);
        }
        *self.on_the_way.entry(best.group).or_default() += best.nodes;
    }

    /// How far a group would grow.
    fn plan(&self, cluster: &Cluster, index: u32, group: &NodeGroup, pods: &[&Pod]) -> Option<Plan> {
        let model = model_node(cluster, index)?;
        let coming = self.on_the_way.get(&index).copied().unwrap_or(0);
        let there = cluster.live_nodes().filter(|node| node.group == Some(index)).count();
        let there = u32::try_from(there).unwrap_or(u32::MAX);
        let possible = group.max.saturating_sub(there.saturating_add(coming));
        let daemon_sets = daemons::daemon_sets(cluster);
        let overhead = daemons::overhead_on(&model.labels, &model.taints, &daemon_sets);
        let empty = model.allocatable.minus(&overhead);
        let unready = cluster.live_nodes().filter(|node| node.group == Some(index) && !node.ready).count();
        let mut bins: Vec<Resources> = vec![empty.clone(); coming as usize + unready];
        let known = bins.len();
        for pod in pods.iter().filter(|pod| could_run(pod, model)) {
            let requests = &pod.template.requests;
            if let Some(bin) = bins.iter_mut().find(|bin| requests.exceeds(bin).is_none()) {
                bin.subtract(requests);
            } else if requests.exceeds(&empty).is_none() && bins.len() - known < possible as usize {
                bins.push(empty.minus(requests));
            }
        }
        let new = &bins[known..];
        let left: i64 = new.iter().map(|bin| bin.cpu_millis.max(0)).sum();
        let total = empty.cpu_millis.saturating_mul(i64::try_from(new.len()).unwrap_or(i64::MAX)).max(1);
        let nodes = u32::try_from(new.len()).unwrap_or(u32::MAX);
        (nodes > 0).then(|| Plan { group: index, nodes, waste_permille: left.saturating_mul(1000) / total })
    }

    /// Registers the nodes that have booted.
    fn boot(&mut self, cluster: &Cluster, effects: &mut Effects) {
        for group in self.booting.take_due(cluster.now) {
            if let Some(coming) = self.on_the_way.get_mut(&group) {
                *coming = coming.saturating_sub(1);
            }
            if let Some(model) = model_node(cluster, group) {
                self.born += 1;
                effects.now(Effect::RegisterNode(Box::new(another(cluster, model, group, self.born))));
            }
        }
    }
}

struct Plan {
    group: u32,
    nodes: u32,
    waste_permille: i64,
}

/// A node of the group as it was declared.
fn model_node(cluster: &Cluster, group: u32) -> Option<&Node> {
    let declared = cluster.declared.nodes.iter().find(|node| node.group == Some(group));
    declared.or_else(|| cluster.nodes.iter().find(|node| node.group == Some(group)))
}

/// Whether a fresh node of the group would take the pod, room and other pods apart.
fn could_run(pod: &Pod, model: &Node) -> bool {
    let template = &pod.template;
    let terms = template.required_node_affinity.as_deref().unwrap_or_default();
    let holds = |terms: &[cluster::template::NodeSelectorTerm]| {
        Requirements::of_node_affinity(&template.node_selector, terms, &[]).hold_for(&model.labels)
    };
    let selected = if terms.is_empty() {
        holds(&[])
    } else {
        terms.iter().any(|term| holds(std::slice::from_ref(term)))
    };
    let hard = [cluster::Effect::NoSchedule, cluster::Effect::NoExecute];
    let lasting: Vec<Taint> = model.taints.iter().filter(|taint| taint.key != NOT_READY).cloned().collect();
    selected && cluster::taint::untolerated(&lasting, &template.tolerations, &hard).is_none()
}

/// One more node like the model; zones and subnets of the group take turns.
fn another(cluster: &Cluster, model: &Node, group: u32, number: u32) -> Node {
    let name =
        Name::from(format!("{}-scaled-{number}", cluster.declared.profile.node_groups[group as usize].name));
    let mut node = model.clone();
    let subnets = &cluster.declared.profile.node_groups[group as usize].subnets;
    let turn = subnets.get((number as usize) % subnets.len().max(1)).copied();
    let subnet = turn.and_then(|index| cluster.subnets.get(index as usize));
    if let Some(subnet) = subnet {
        node.zone = subnet.zone.clone();
        node.labels.insert("topology.kubernetes.io/zone".into(), subnet.zone.clone());
    }
    node.labels.insert("kubernetes.io/hostname".into(), name.clone());
    node.network = NodeNetwork {
        subnet: subnet.map(|subnet: &cluster::network::Subnet| subnet.id),
        ..NodeNetwork::default()
    };
    node.network.subnet =
        node.network.subnet.or(model.network.subnet.filter(|_: &SubnetId| subnet.is_none()));
    (node.id, node.name, node.ready, node.gone) = (NodeId(0), name, false, false);
    (node.deleted, node.claim) = (None, None);
    node.taints = cluster.declared.profile.node_groups[group as usize].taints.clone();
    node.taints.extend(cluster.declared.profile.node_groups[group as usize].startup_taints.iter().cloned());
    node
}
