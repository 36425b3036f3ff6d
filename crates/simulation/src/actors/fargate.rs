//! Fargate: pods that a profile selects get a micro-VM node of their own.
//!
//! Amazon EKS user guide, "AWS Fargate profile" (selectors; the first profile by name), "Fargate Pod
//! configuration" (sizes; 256 MiB are added for the kubelet and the runtime) and "AWS Fargate considerations" (no
//! DaemonSets, host network or host ports). An admission webhook gives such pods to `fargate-scheduler`.
//!
//! Not modelled: what Fargate cannot mount; the order of the profile's subnets is kept; the address is taken when the
//! node joins, not when its micro-VM starts. A DaemonSet that tolerates every taint does get pods for these nodes, as
//! on EKS, and they find no room there.

use std::collections::{BTreeMap, BTreeSet};

use cluster::network::{NodeNetwork, Shortage, Subnet, SubnetId};
use cluster::pod::Stage;
use cluster::profile::FargateProfile;
use cluster::rejection::Rejection;
use cluster::taint::Effect as TaintEffect;
use cluster::waiting::AddressShortage;
use cluster::{
    Change, Cluster, Labels, Name, Node, NodeId, Pod, PodId, PodTemplate, Resources, Taint, Timestamp,
    Waiting,
};

use super::timers::Timers;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};

/// From a pod to its micro-VM in the API.
const BOOT_MS: i64 = 45_000;
/// What Fargate adds for its own components.
const OWN_MEMORY_BYTES: i64 = 256 << 20;
const GIB: i64 = 1 << 30;
/// The label and taint of Fargate's nodes.
const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";

/// vCPU in thousandths, smallest and largest memory and its steps in GiB (the first sizes are 0.5 GiB).
const SIZES: [(i64, i64, i64, i64); 7] = [
    (250, 1, 2, 1),
    (500, 1, 4, 1),
    (1_000, 2, 8, 1),
    (2_000, 4, 16, 1),
    (4_000, 8, 30, 1),
    (8_000, 16, 60, 4),
    (16_000, 32, 120, 8),
];

/// Whether a node is one pod's Fargate micro-VM; its pod uses the node's own address.
pub fn is_fargate(node: &Node) -> bool {
    node.labels.get(COMPUTE_TYPE).is_some_and(|kind| kind == "fargate")
}

/// The Fargate profile that takes a pod away from kube-scheduler, if any. Pods of DaemonSets stay.
pub fn profile_of<'c>(cluster: &'c Cluster, pod: &Pod) -> Option<&'c FargateProfile> {
    profile_for(cluster, &pod.namespace, &pod.template, pod.for_node)
}

/// The same for a pod that is to be created.
pub fn profile_for<'c>(
    cluster: &'c Cluster,
    namespace: &str,
    template: &PodTemplate,
    for_node: Option<NodeId>,
) -> Option<&'c FargateProfile> {
    let profile = cluster.declared.profile.fargate_for(namespace, &template.labels);
    profile.filter(|_| for_node.is_none())
}

/// `fargate-scheduler` with the micro-VMs behind it.
#[derive(Clone, Debug, Default)]
pub struct Fargate {
    /// Pods to look at.
    due: BTreeSet<PodId>,
    /// Micro-VMs that boot: for which pod, and when they are up.
    booting: BTreeMap<PodId, Option<SubnetId>>,
    up: Timers<PodId>,
    /// Pods whose node is being registered, by the node's name.
    registering: BTreeMap<Name, PodId>,
    /// Pods for which no subnet had an address.
    short: BTreeSet<PodId>,
    nodes: BTreeMap<PodId, NodeId>,
    bind: Vec<(PodId, NodeId)>,
    remove: Vec<NodeId>,
    seen: usize,
}

impl Actor for Fargate {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if cluster.declared.profile.fargate.is_empty() {
            return;
        }
        for pod in cluster.pods.get(self.seen..).unwrap_or(&[]) {
            if pod.stage == Stage::Pending
                && pod.template.node_name.is_none()
                && profile_of(cluster, pod).is_some()
            {
                self.due.insert(pod.id);
            }
        }
        self.seen = cluster.pods.len();
        match change {
            Change::NodeRegistered(node) => {
                if let Some(pod) = self.registering.remove(&cluster.node(*node).name) {
                    self.nodes.insert(pod, *node);
                    self.bind.push((pod, *node));
                }
            }
            Change::PodGone(pod) | Change::PodStage(pod, Stage::Succeeded | Stage::Failed) => {
                self.remove.extend(self.nodes.remove(pod));
                self.due.append(&mut self.short);
            }
            Change::NodeGone(_) | Change::EniCalled { .. } => self.due.append(&mut self.short),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        for pod in self.up.take_due(cluster.now) {
            self.register(cluster.pod(pod), cluster, effects);
        }
        for pod in std::mem::take(&mut self.due) {
            self.boot(cluster.pod(pod), cluster, effects);
        }
        for (pod, node) in std::mem::take(&mut self.bind) {
            if cluster.pod(pod).is_wanted() {
                effects.now(Effect::BindPod(pod, node));
            } else {
                self.nodes.remove(&pod);
                effects.now(Effect::NodeGone(node));
            }
        }
        for node in std::mem::take(&mut self.remove) {
            effects.now(Effect::NodeGone(node));
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.up.next()
    }
}

impl Fargate {
    /// Starts a micro-VM where its pod can have one.
    fn boot(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let Some(profile) = profile_of(cluster, pod) else { return };
        if !pod.is_wanted() || pod.node.is_some() || self.booting.contains_key(&pod.id) {
            return;
        }
        if let Some(why) = unsupported(pod) {
            return effects.now(Effect::PodWaits(pod.id, Box::new(refused(why))));
        }
        let subnets = || profile.subnets.iter().filter_map(|index| cluster.subnets.get(*index as usize));
        let found = subnets().find(|subnet| self.spare(subnet) > 0);
        if let (None, Some(full)) = (found, subnets().next()) {
            return self.run_short(pod.id, full, effects);
        }
        self.booting.insert(pod.id, found.map(|subnet| subnet.id));
        self.up.set(cluster.now.after_ms(BOOT_MS), pod.id);
    }

    /// Addresses that no micro-VM on its way will take.
    fn spare(&self, subnet: &Subnet) -> u32 {
        let coming = self.booting.values().filter(|of| **of == Some(subnet.id)).count();
        subnet.space.free.saturating_sub(u32::try_from(coming).unwrap_or(u32::MAX))
    }

    fn run_short(&mut self, pod: PodId, full: &Subnet, effects: &mut Effects) {
        self.short.insert(pod);
        let why = Waiting::NoAddress(AddressShortage::SubnetFull {
            subnet: full.name.clone(),
            code: Shortage::Addresses,
            free: full.space.free,
            free_prefixes: full.space.free_blocks,
        });
        effects.now(Effect::PodWaits(pod, Box::new(why)));
    }

    /// The micro-VM is up: its node joins, with an address of its subnet.
    fn register(&mut self, pod: &Pod, cluster: &Cluster, effects: &mut Effects) {
        let Some(subnet) = self.booting.remove(&pod.id) else { return };
        let Some(profile) = profile_of(cluster, pod).filter(|_| pod.is_wanted()) else { return };
        let Some(size) = size_for(&pod.template.requests) else { return };
        let subnet = subnet.and_then(|id| cluster.subnets.get(id.0 as usize));
        let coming = self.registering.len();
        if subnet.is_some_and(|subnet| subnet.space.free as usize <= coming) {
            // Others took what was free while it booted.
            self.due.insert(pod.id);
            return;
        }
        let name = Name::from(format!("fargate-{}-{}", profile.name, pod.id.0));
        self.registering.insert(name.clone(), pod.id);
        effects.now(Effect::RegisterNode(Box::new(micro_vm(name, pod, subnet, size))));
    }
}

/// The node of one pod.
fn micro_vm(name: Name, pod: &Pod, subnet: Option<&Subnet>, size: Resources) -> Node {
    let zone = subnet.map(|subnet| subnet.zone.clone()).unwrap_or_default();
    let taint = Taint { key: COMPUTE_TYPE.into(), value: "fargate".into(), effect: TaintEffect::NoSchedule };
    let network =
        NodeNetwork { subnet: subnet.map(|subnet| subnet.id), cni_ready: true, ..NodeNetwork::default() };
    Node {
        labels: labels(&name, &zone),
        taints: vec![taint],
        capacity: size.clone(),
        allocatable: size,
        network,
        name,
        zone,
        ..Node::ready(cluster::Location::object(pod.template.location.object.clone()))
    }
}

fn labels(name: &Name, zone: &Name) -> Labels {
    Labels::from([
        (COMPUTE_TYPE.into(), "fargate".into()),
        ("kubernetes.io/arch".into(), "amd64".into()),
        ("kubernetes.io/hostname".into(), name.clone()),
        ("kubernetes.io/os".into(), "linux".into()),
        ("topology.kubernetes.io/zone".into(), zone.clone()),
    ])
}

/// Why Fargate does not run a pod, in its words.
fn unsupported(pod: &Pod) -> Option<String> {
    let field = if pod.template.host_network {
        Some("HostNetwork")
    } else {
        (!pod.template.host_ports.is_empty()).then_some("HostPort")
    };
    match field {
        Some(field) => Some(format!("Pod not supported on Fargate: fields not supported: {field}")),
        None if size_for(&pod.template.requests).is_none() => {
            Some("Pod not supported on Fargate: it asks for more than 16 vCPU or 120 GB".into())
        }
        None => None,
    }
}

fn refused(message: String) -> Waiting {
    let (reasons, preemption) = (Vec::new(), Vec::new());
    Waiting::Unschedulable(Box::new(Rejection { nodes: 0, reasons, preemption, message }))
}

/// The smallest micro-VM for these requests; `None` when none is large enough.
fn size_for(requests: &Resources) -> Option<Resources> {
    let memory = requests.memory_bytes.saturating_add(OWN_MEMORY_BYTES);
    let (cpu, smallest, _, step) = SIZES
        .into_iter()
        .find(|(cpu, _, largest, _)| requests.cpu_millis <= *cpu && memory <= largest.saturating_mul(GIB))?;
    let wanted = gib_rounded_up(memory.max(0)).max(smallest);
    let steps = (wanted - smallest).div_euclid(step) + i64::from((wanted - smallest).rem_euclid(step) != 0);
    let small = cpu == 250 && memory <= GIB / 2;
    let memory_bytes = if small { GIB / 2 } else { (smallest + steps * step) * GIB };
    Some(Resources { cpu_millis: cpu, memory_bytes, ephemeral_bytes: 20 * GIB, pods: 1, ..Resources::ZERO })
}

/// Whole GiB, rounded up.
fn gib_rounded_up(bytes: i64) -> i64 {
    bytes.div_euclid(GIB) + i64::from(bytes.rem_euclid(GIB) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::deployment::Deployments;
    use crate::actors::kubelet::Kubelets;
    use crate::actors::stage_hand::{StageHand, declared, deployment, node};
    use cluster::WorkloadId;

    const HOUR: Timestamp = Timestamp(3_600_000);

    fn size(cpu_millis: i64, memory_bytes: i64) -> Option<(i64, i64)> {
        let requests = Resources { cpu_millis, memory_bytes, ..Resources::ZERO };
        size_for(&requests).map(|size| (size.cpu_millis, size.memory_bytes * 2 / GIB))
    }

    /// Memory in half GiB.
    #[test]
    fn sizes_are_those_that_aws_sells() {
        assert_eq!(size(0, 0), Some((250, 1)));
        assert_eq!(size(250, GIB), Some((250, 4)));
        assert_eq!(size(300, GIB), Some((500, 4)));
        assert_eq!(size(100, 3 * GIB), Some((500, 8)));
        assert_eq!(size(4_000, 8 * GIB), Some((4_000, 18)));
        assert_eq!(size(8_000, 17 * GIB), Some((8_000, 40)));
        assert_eq!(size(16_000, 121 * GIB), None);
        assert_eq!(size(17_000, GIB), None);
    }

    #[test]
    fn a_selected_pod_gets_a_node_of_its_own_that_goes_with_it() {
        let mut declared = declared(vec![deployment("web", 2)], vec![node("a")]);
        declared.profile.fargate = vec![FargateProfile {
            name: "apps".into(),
            namespaces: vec!["apps".into()],
            labels: Labels::new(),
            subnets: Vec::new(),
        }];
        let actors: Vec<Box<dyn Actor>> = vec![
            Box::new(Deployments::default()),
            Box::new(Kubelets::new(|_, _| None)),
            Box::new(Fargate::default()),
        ];
        let mut hand = StageHand::new(declared, actors);
        hand.schedules = false;
        hand.addresses = false;
        hand.arrive_all();
        assert!(hand.run(HOUR));
        assert_eq!(hand.stages(WorkloadId(0)), [Stage::Ready; 2]);
        let nodes: BTreeSet<_> = hand.cluster.live_pods().map(|pod| pod.node).collect();
        assert_eq!(nodes, BTreeSet::from([Some(NodeId(1)), Some(NodeId(2))]));
        hand.perform(Effect::DeletePod(PodId(0), cluster::change::DeletionCause::Owner));
        assert!(hand.run(HOUR));
        assert!(hand.cluster.nodes[1].gone);
        assert_eq!(hand.cluster.live_nodes().count(), 3);
    }
}
