//! For tests of the CNIs: the real world, kubelets and the CNI, pods bound by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::Catalog;
use cluster::network::{AddressSpace, CiliumEniSettings, Cni, NodeNetwork, Subnet, SubnetId, VpcCniSettings};
use cluster::pod::NewPod;
use cluster::role::Program;
use cluster::*;

use crate::actor::{Actor, Context};
use crate::actors::{cni, kubelet, stage_hand};
use crate::effect::{Effect, Effects};
use crate::world::World;

pub struct Stage {
    pub world: World,
    pub actors: Vec<Box<dyn Actor>>,
    pub log: Vec<(Timestamp, Change)>,
    pub catalog: Catalog,
    queue: BTreeMap<(Timestamp, u64), Effect>,
    sequence: u64,
}

pub fn vpc_cni() -> VpcCniSettings {
    VpcCniSettings {
        location: stage_hand::profile().location,
        warm_eni_target: 1,
        warm_ip_target: None,
        minimum_ip_target: None,
        warm_prefix_target: 1,
        max_eni: None,
        prefix_delegation: false,
        custom_networking: false,
        eni_configs: Vec::new(),
        eni_config_label: Name::default(),
        pod_eni: false,
        subnet_discovery: true,
        cooldown_ms: 30_000,
    }
}

pub fn cilium() -> CiliumEniSettings {
    CiliumEniSettings {
        location: stage_hand::profile().location,
        prefix_delegation: false,
        pre_allocate: None,
        min_allocate: 0,
        max_allocate: 0,
        max_above_watermark: 0,
        first_interface_index: 0,
        use_primary_address: false,
        release_excess: false,
        subnet_tags: Labels::new(),
        subnet_ids: Vec::new(),
        own_endpoints: 2,
        replaces_kube_proxy: true,
    }
}

pub fn subnet(index: u32, cidr: &str) -> Subnet {
    addressing::space::filled(&Subnet {
        id: SubnetId(index),
        name: format!("subnet-{index}").into(),
        location: stage_hand::profile().location,
        zone: "us-west-2a".into(),
        cidr: cidr.parse().unwrap(),
        tags: Labels::new(),
        declared_free: None,
        declared_free_prefixes: None,
        reservations: Vec::new(),
        space: AddressSpace::default(),
    })
}

impl Stage {
    /// A cluster with this CNI and these subnets; `programs` are declared as DaemonSets.
    pub fn new(cni: Cni, subnets: Vec<Subnet>, programs: &[Program]) -> Stage {
        let daemon_set = |program: &Program| {
            let mut template = stage_hand::template("daemon");
            template.role = stage_hand::role(*program);
            template.host_network = true;
            let shape = workload::Shape::DaemonSet;
            stage_hand::workload(Kind::DaemonSet, &program.to_string(), shape, template)
        };
        let mut declared = stage_hand::declared(programs.iter().map(daemon_set).collect(), Vec::new());
        declared.cni = cni;
        declared.profile.latencies.image_pull_ms = 0;
        declared.profile.latencies.pod_start_ms = 0;
        let mut hand = stage_hand::StageHand::new(declared, Vec::new());
        hand.cluster.subnets = subnets;
        let mut actors: Vec<Box<dyn Actor>> =
            vec![Box::new(kubelet::Kubelets::new(crate::needs::missing_need))];
        actors.extend(cni::all(&hand.cluster.declared));
        Stage {
            world: World::new(hand.cluster),
            actors,
            log: Vec::new(),
            catalog: Catalog::embedded().clone(),
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    pub fn vpc(settings: VpcCniSettings, free: u32) -> Stage {
        Stage::new(Cni::VpcCni(settings), vec![with_free(subnet(0, "10.0.0.0/22"), free)], &[])
    }

    /// Takes from a subnet until so many addresses are free, or gives back what is over.
    pub fn set_free(&mut self, free: u32) {
        let subnet = self.world.cluster.subnets[0].clone();
        self.world.cluster.subnets[0] = with_free(subnet, free);
    }

    pub fn now(&self) -> Timestamp {
        self.world.cluster.now
    }

    /// Registers a node of this type in subnet 0.
    pub fn node(&mut self, instance_type: &str, max_pods: i64) -> NodeId {
        let name = format!("node-{}", self.world.cluster.nodes.len());
        let mut node = stage_hand::node(&name);
        node.instance_type = instance_type.into();
        (node.capacity.pods, node.allocatable.pods) = (max_pods, max_pods);
        node.ready = false;
        node.network = NodeNetwork { subnet: Some(SubnetId(0)), ..NodeNetwork::default() };
        let now = self.now();
        assert!(addressing::ec2::launch(&mut node.network, &mut self.world.cluster.subnets, now));
        self.perform(Effect::RegisterNode(Box::new(node)));
        NodeId(u32::try_from(self.world.cluster.nodes.len() - 1).unwrap())
    }

    /// Puts a pod straight onto a node.
    pub fn pod(&mut self, node: NodeId) -> PodId {
        self.pod_of(node, None, false, false)
    }

    pub fn pods(&mut self, node: NodeId, count: u32) -> Vec<PodId> {
        (0..count).map(|_| self.pod(node)).collect()
    }

    /// Pods that want branch interfaces.
    pub fn branch_pods(&mut self, node: NodeId, count: u32) -> Vec<PodId> {
        (0..count).map(|_| self.pod_of(node, None, false, true)).collect()
    }

    /// A host-network pod of a known program.
    pub fn program(&mut self, node: NodeId, program: Program) -> PodId {
        self.pod_of(node, Some(program), true, false)
    }

    fn pod_of(&mut self, node: NodeId, program: Option<Program>, host_network: bool, branch: bool) -> PodId {
        let mut template = stage_hand::template("web");
        template.node_name = Some(self.world.cluster.node(node).name.clone());
        template.host_network = host_network;
        template.requests.set(addressing::pod_eni::POD_ENI, i64::from(branch));
        template.role = program.map(stage_hand::role).unwrap_or_default();
        let declared = self.world.cluster.declared.clone();
        let workload = declared
            .workload_ids()
            .find(|(_, workload)| program.is_some_and(|program| workload.template.role.program == program));
        let id = PodId(u32::try_from(self.world.cluster.pods.len()).unwrap());
        self.perform(Effect::CreatePod(Box::new(NewPod {
            namespace: "apps".into(),
            name: format!("pod-{}", id.0).into(),
            workload: workload.map(|(id, _)| id),
            template: Arc::new(template),
            revision: 0,
            ordinal: 0,
            for_node: None,
        })));
        id
    }

    /// Performs an effect now and tells everybody.
    pub fn perform(&mut self, effect: Effect) {
        let mut changes = Vec::new();
        self.world.perform(effect, &self.catalog, &mut changes);
        for change in changes {
            let context = Context { cluster: &self.world.cluster, catalog: &self.catalog };
            self.actors.iter_mut().for_each(|actor| actor.observe(&change, context));
            self.log.push((self.world.cluster.now, change));
        }
    }

    /// Runs until nothing is left to do, or until an instant; says whether it is quiescent.
    pub fn run(&mut self, until_ms: i64) -> bool {
        for _ in 0..1_000_000 {
            self.play_instant();
            let woken = self.actors.iter().filter_map(|actor| actor.wake_at());
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let Some(next) = woken.chain(queued).min() else { return true };
            assert!(next > self.now(), "woken at {next} in {}", self.now());
            if next.0 > until_ms {
                self.world.cluster.now = Timestamp(until_ms);
                return false;
            }
            self.world.cluster.now = next;
        }
        panic!("does not end");
    }

    fn play_instant(&mut self) {
        for round in 0.. {
            assert!(round < 1_000, "an instant that does not end at {}", self.now());
            let mut performed = false;
            while let Some(entry) =
                self.queue.first_entry().filter(|entry| entry.key().0 <= self.world.cluster.now)
            {
                let effect = entry.remove();
                performed = true;
                self.perform(effect);
            }
            let mut effects = Effects::default();
            let context = Context { cluster: &self.world.cluster, catalog: &self.catalog };
            self.actors.iter_mut().for_each(|actor| actor.decide(context, &mut effects));
            let decided = effects.drain();
            if decided.is_empty() && !performed {
                return;
            }
            for (delay_ms, effect) in decided {
                let at = self.now().after_ms(delay_ms);
                self.queue.insert((at, self.sequence), effect);
                self.sequence += 1;
            }
        }
    }

    /// Runs until nothing is left to do.
    #[track_caller]
    pub fn settle(&mut self) {
        let horizon = self.now().0 + 24 * 60 * 60 * 1000;
        assert!(self.run(horizon), "not quiescent after a day");
    }

    pub fn delete(&mut self, pod: PodId) {
        self.perform(Effect::DeletePod(pod, change::DeletionCause::Owner));
    }

    pub fn network(&self, node: NodeId) -> &NodeNetwork {
        &self.world.cluster.node(node).network
    }

    pub fn addressed(&self, pods: &[PodId]) -> usize {
        pods.iter().filter(|pod| self.world.cluster.pod(**pod).addressed).count()
    }

    /// Why a pod waits.
    pub fn waits(&self, pod: PodId) -> Option<Waiting> {
        self.world.cluster.pod(pod).waiting.clone().map(|(_, why)| why)
    }

    /// When the first change like this happened.
    pub fn when(&self, wanted: &Change) -> Option<i64> {
        self.log.iter().find(|(_, change)| change == wanted).map(|(at, _)| at.0)
    }
}

/// The subnet with exactly so many free addresses, the held ones packed.
fn with_free(mut subnet: Subnet, free: u32) -> Subnet {
    subnet.declared_free = Some(free);
    assert!(addressing::fragmentation::meet_declared(&mut subnet));
    subnet
}
