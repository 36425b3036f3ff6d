//! Small clusters for tests: pools, nodes and pods by builder, with made-up instance types.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::Catalog;
use cluster::arrival::Arrival;
use cluster::labels::SelectorOperator;
use cluster::network::{AddressSpace, NodeNetwork, Subnet, SubnetId};
use cluster::node_class::{AmiFamily, KubeletSettings, SelectorTerm};
use cluster::node_pool::{Budget, BudgetNodes, ConsolidationPolicy};
use cluster::pod::Stage;
use cluster::profile::{AwsFacts, Latencies, Order, Profile, Provider};
use cluster::rejection::Rejection;
use cluster::requirements::{Requirement, Requirements};
use cluster::role::Role;
use cluster::template::{DnsPolicy, PodAffinity, RestartPolicy, TopologySpread};
use cluster::workload::Shape;
use cluster::{
    Cluster, Declared, Effect, Kind, LabelSelector, Labels, Location, Name, Node, NodeClass, NodeId,
    NodePool, ObjectKey, Pod, PodId, PodTemplate, Resources, SelectorRequirement, Taint, Timestamp,
    Toleration, Waiting, Workload, WorkloadId,
};

use crate::input::{Input, Policy, Purpose, Solution};
use crate::market::{CAPACITY_TYPE, INSTANCE_TYPE, Market, Offering, PoolMarket, TypeOnOffer, ZONE};
use crate::plimsoll::addresses::Addresses;

pub const GIB: i64 = 1 << 30;

pub fn location() -> Location {
    Location::object(ObjectKey::new(Kind::Cluster, "", "test"))
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect()
}

pub fn selector(pairs: &[(&str, &str)]) -> LabelSelector {
    let requirements = pairs.iter().map(|(key, value)| wants(key, SelectorOperator::In, &[value])).collect();
    LabelSelector { requirements }
}

pub fn wants(key: &str, operator: SelectorOperator, values: &[&str]) -> SelectorRequirement {
    let values = values.iter().map(|value| Name::from(*value)).collect();
    SelectorRequirement { key: key.into(), operator, values, min_values: None }
}

pub fn taint(key: &str, effect: Effect) -> Taint {
    Taint { key: key.into(), value: Name::default(), effect }
}

pub fn tolerates(key: &str) -> Toleration {
    Toleration { key: key.into(), exists: true, value: Name::default(), effect: None, seconds: None }
}

pub fn resources(cpu_millis: i64, memory_bytes: i64) -> Resources {
    Resources { cpu_millis, memory_bytes, pods: 1, ..Resources::ZERO }
}

/// A type with 4 GiB and 10 pods a vCPU less 100 m and 10 MiB, offered in three zones on demand and two as spot;
/// on demand at 10,000 µ$ a vCPU, spot at 70 % of it.
pub fn instance_type(name: &str, arch: &str, vcpus: i64) -> TypeOnOffer {
    let capacity = Resources {
        cpu_millis: vcpus * 1000,
        memory_bytes: vcpus * 4 * GIB,
        pods: vcpus * 10,
        ..Resources::ZERO
    };
    let allocatable = Resources {
        cpu_millis: capacity.cpu_millis - 100,
        memory_bytes: capacity.memory_bytes - (10 << 20),
        ..capacity.clone()
    };
    let mut offerings = Vec::new();
    for zone in ["z1", "z2", "z3"] {
        offerings.push(offering(zone, "on-demand", vcpus * 10_000));
        if zone != "z3" {
            offerings.push(offering(zone, "spot", vcpus * 7_000));
        }
    }
    let requirements = [
        Requirement::equal_to(INSTANCE_TYPE, name),
        Requirement::equal_to("kubernetes.io/arch", arch),
        Requirement::equal_to("kubernetes.io/os", "linux"),
        Requirement::new(ZONE, SelectorOperator::In, &["z1", "z2", "z3"]),
        Requirement::new(CAPACITY_TYPE, SelectorOperator::In, &["spot", "on-demand"]),
        Requirement::equal_to("karpenter.k8s.aws/instance-cpu", &vcpus.to_string()),
        Requirement::equal_to("karpenter.k8s.aws/instance-family", name.split('.').next().unwrap_or(name)),
    ];
    TypeOnOffer {
        name: name.into(),
        requirements: std::sync::Arc::new(Requirements::from_iter(requirements)),
        capacity,
        allocatable,
        offerings,
    }
}

pub fn offering(zone: &str, capacity_type: &str, price_micro_usd: i64) -> Offering {
    let (zone, capacity_type) = (zone.into(), capacity_type.into());
    Offering { zone, capacity_type, price_micro_usd, available: true, reservation: None }
}

/// Types of 1, 2, 4, 8 and 16 vCPUs for amd64, and 2 for arm64.
pub fn usual_types() -> Vec<TypeOnOffer> {
    let mut types: Vec<TypeOnOffer> =
        [1, 2, 4, 8, 16].map(|vcpus| instance_type(&format!("m.{vcpus:02}"), "amd64", vcpus)).into();
    types.push(instance_type("g.02", "arm64", 2));
    types.sort_by(|a, b| a.name.cmp(&b.name));
    types
}

pub fn template(cpu_millis: i64, memory_bytes: i64) -> PodTemplate {
    PodTemplate {
        location: location(),
        labels: labels(&[("app", "a")]),
        annotations: Labels::new(),
        role: Role::default(),
        containers: vec![],
        init_containers: vec![],
        requests: resources(cpu_millis, memory_bytes),
        pod_level: vec![],
        overhead: Resources::ZERO,
        host_network: false,
        host_ports: vec![],
        dns_policy: DnsPolicy::ClusterFirst,
        node_name: None,
        node_selector: Labels::new(),
        required_node_affinity: None,
        preferred_node_affinity: vec![],
        pod_affinity: PodAffinity::default(),
        pod_anti_affinity: PodAffinity::default(),
        topology_spread: vec![],
        tolerations: vec![],
        priority_class: Name::default(),
        priority: 0,
        preempts: true,
        volumes: vec![],
        needs_objects: vec![],
        service_account: Name::default(),
        image_pull_secrets: vec![],
        scheduling_gates: vec![],
        scheduler_name: "default-scheduler".into(),
        grace_period_ms: 30_000,
        restart_policy: RestartPolicy::Always,
        ready_delay_ms: 0,
        active_deadline_ms: None,
    }
}

pub fn spread(key: &str, app: &str) -> TopologySpread {
    TopologySpread {
        max_skew: 1,
        min_domains: None,
        topology_key: key.into(),
        required: true,
        selector: Some(selector(&[("app", app)])),
        match_label_keys: vec![],
        honor_node_affinity: true,
        honor_node_taints: false,
    }
}

pub fn pool(name: &str) -> NodePool {
    NodePool {
        template_hash: None,
        name: name.into(),
        location: location(),
        arrival: Arrival::default(),
        weight: 0,
        labels: Labels::new(),
        annotations: Labels::new(),
        requirements: vec![],
        taints: vec![],
        startup_taints: vec![],
        node_class: "default".into(),
        expire_after_ms: None,
        termination_grace_period_ms: None,
        consolidation: ConsolidationPolicy::WhenEmptyOrUnderutilized,
        consolidate_after_ms: Some(0),
        budgets: vec![Budget { nodes: BudgetNodes::Percent(10), reasons: vec![], schedule: None }],
        limits: vec![],
        replicas: None,
    }
}

pub fn node_class(name: &str) -> NodeClass {
    NodeClass {
        name: name.into(),
        location: location(),
        arrival: Arrival::default(),
        ami_family: AmiFamily::Al2023,
        subnets: vec![],
        security_groups: vec![],
        role: Some("node".into()),
        instance_profile: None,
        kubelet: KubeletSettings::default(),
        root_volume_bytes: None,
        instance_store_raid0: false,
        fixed: Name::default(),
        images: Name::default(),
    }
}

fn profile() -> Profile {
    Profile {
        location: location(),
        given: false,
        name: "test".into(),
        kubernetes: (1, 34),
        provider: Provider::Eks,
        region: "us-west-2".into(),
        now_unix_ms: 0,
        horizon_ms: 7_200_000,
        subnets: vec![],
        security_groups: vec![],
        node_groups: vec![],
        fargate: vec![],
        images: vec![],
        registries: vec![],
        volume_limits: vec![],
        aws: AwsFacts {
            service_linked_roles: None,
            unreachable: vec![],
            allowed_actions: None,
            unavailable: vec![],
            quotas: vec![],
            prices: vec![],
        },
        order: Order::Together,
        until_horizon: false,
        latencies: Latencies::default(),
    }
}

/// A cluster in the making.
pub struct Fixture {
    pub declared: Declared,
    pub types: Vec<TypeOnOffer>,
    pub cluster: Cluster,
    pub not_ready: BTreeMap<Name, Name>,
}

impl Fixture {
    pub fn new(pools: Vec<NodePool>) -> Fixture {
        let declared = declared(pools);
        let cluster = Cluster::empty(Arc::new(declared.clone()));
        Fixture { declared, types: usual_types(), cluster, not_ready: BTreeMap::new() }
    }

    pub fn workload(&mut self, name: &str, shape: Shape, template: PodTemplate) -> WorkloadId {
        let kind = if matches!(shape, Shape::DaemonSet) { Kind::DaemonSet } else { Kind::Deployment };
        self.declared.workloads.push(Workload {
            key: ObjectKey::new(kind, "apps", name),
            location: location(),
            shape,
            template: Arc::new(template),
            selector: LabelSelector::default(),
            arrival: Arrival::default(),
            running_at_start: false,
            pace: cluster::workload::Pace::default(),
        });
        self.cluster.arrived.push(true);
        WorkloadId(self.declared.workloads.len() as u32 - 1)
    }

    pub fn daemon_set(&mut self, template: PodTemplate) {
        self.workload("daemon", Shape::DaemonSet, template);
    }

    /// Pods that the scheduler could not place.
    pub fn pending(&mut self, count: usize, template: PodTemplate) -> Vec<PodId> {
        let template = Arc::new(template);
        (0..count).map(|_| self.pod(&template, None)).collect()
    }

    pub fn running(&mut self, node: NodeId, template: PodTemplate) -> PodId {
        self.pod(&Arc::new(template), Some(node))
    }

    fn pod(&mut self, template: &Arc<PodTemplate>, node: Option<NodeId>) -> PodId {
        let id = PodId(self.cluster.pods.len() as u32);
        let rejection = Rejection { nodes: 0, reasons: vec![], preemption: vec![], message: String::new() };
        let waiting = Waiting::Unschedulable(Box::new(rejection));
        self.cluster.pods.push(Pod {
            id,
            namespace: "apps".into(),
            name: format!("pod-{}", id.0).into(),
            workload: None,
            template: Arc::clone(template),
            revision: 1,
            ordinal: 0,
            for_node: None,
            created: Timestamp::ZERO,
            stage: if node.is_some() { Stage::Ready } else { Stage::Pending },
            since: Timestamp::ZERO,
            node,
            nominated: None,
            addressed: node.is_some(),
            restarts: 0,
            deleted: None,
            waiting: node.is_none().then_some((Timestamp::ZERO, waiting)),
        });
        id
    }

    /// A node that Karpenter did not make.
    pub fn node(&mut self, name: &str, zone: &str, vcpus: i64) -> NodeId {
        let id = NodeId(self.cluster.nodes.len() as u32);
        let offered = instance_type("m.x", "amd64", vcpus);
        self.cluster.nodes.push(Node {
            id,
            name: name.into(),
            location: location(),
            group: None,
            claim: None,
            instance_type: "m.x".into(),
            zone: zone.into(),
            labels: labels(&[
                ("kubernetes.io/hostname", name),
                ("kubernetes.io/arch", "amd64"),
                ("kubernetes.io/os", "linux"),
                (ZONE, zone),
            ]),
            annotations: Labels::new(),
            taints: vec![],
            unschedulable: false,
            capacity: offered.capacity,
            allocatable: offered.allocatable,
            network: NodeNetwork::default(),
            volume_drivers: vec![],
            images: vec![],
            created: Timestamp::ZERO,
            ready: true,
            deleted: None,
            gone: false,
        });
        id
    }

    pub fn market(&self) -> Market {
        let types = Arc::new(crate::market::Offers::new(self.types.clone()));
        let pools = self.declared.node_pools.iter();
        let pools = pools.map(|pool| PoolMarket {
            not_ready: self.not_ready.get(&pool.name).cloned(),
            types: Arc::clone(&types),
        });
        Market { pools: pools.collect() }
    }

    /// The cluster with everything declared so far.
    pub fn sealed(&mut self) -> &Cluster {
        self.cluster.declared = Arc::new(self.declared.clone());
        for pool in &self.declared.node_pools {
            self.cluster.arrived_objects.insert(ObjectKey::new(Kind::NodePool, "", pool.name.clone()));
        }
        &self.cluster
    }

    pub fn solve(&mut self) -> Solution {
        self.solve_as(Policy::Karpenter)
    }

    /// As plimsoll would, with the addresses that the cluster has.
    pub fn solve_address_aware(&mut self) -> Solution {
        let addresses = Addresses::of(self.sealed(), Catalog::embedded());
        self.solve_as(Policy::Plimsoll(&addresses))
    }

    /// A subnet of a zone, for every node class.
    pub fn subnet(&mut self, zone: &str, cidr: &str) {
        let id = SubnetId(self.cluster.subnets.len() as u32);
        let subnet = Subnet {
            id,
            name: format!("subnet-{}", id.0).into(),
            location: location(),
            zone: zone.into(),
            cidr: cidr.parse().unwrap(),
            tags: Labels::new(),
            declared_free: None,
            declared_free_prefixes: None,
            reservations: vec![],
            space: AddressSpace::default(),
        };
        for class in &mut self.declared.node_classes {
            class.subnets.push(SelectorTerm { id: Some(subnet.name.clone()), ..SelectorTerm::default() });
        }
        self.declared.profile.subnets.push(subnet.clone());
        self.cluster.subnets.push(addressing::space::filled(&subnet));
    }

    fn solve_as(&mut self, policy: Policy<'_>) -> Solution {
        let market = self.market();
        let cluster = self.sealed();
        let pods: Vec<PodId> = cluster
            .pods
            .iter()
            .filter(|pod| crate::class::is_provisionable(cluster, pod))
            .map(|pod| pod.id)
            .collect();
        let none = BTreeSet::new();
        crate::solve(&Input {
            cluster,
            market: &market,
            pods: &pods,
            leaving: &none,
            settling: &none,
            policy,
            purpose: Purpose::Provisioning,
        })
    }
}

fn declared(node_pools: Vec<NodePool>) -> Declared {
    Declared { node_pools, node_classes: vec![node_class("default")], ..Declared::empty(profile()) }
}
