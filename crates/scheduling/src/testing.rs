//! Nodes, pods and clusters for tests and benchmarks, in as few words as possible. Not part of the product.

pub mod mixes;

use std::sync::Arc;

use cluster::declared::Declared;
use cluster::network::NodeNetwork;
use cluster::pod::Stage;
use cluster::profile::{AwsFacts, Latencies, Order, Profile, Provider};
use cluster::role::Role;
use cluster::template::{Container, DnsPolicy, PodAffinity, RestartPolicy};
use cluster::{
    Cluster, Kind, LabelSelector, Labels, Location, Name, Node, NodeId, ObjectKey, Pod, PodId, PodTemplate,
    Resources, SelectorOperator, SelectorRequirement, Timestamp,
};

fn nowhere() -> Location {
    Location::object(ObjectKey::new(Kind::Pod, "test", "test"))
}

/// A node with 4 CPUs, 8 GiB and 110 pods.
pub fn node(name: &str) -> Node {
    let room = Resources {
        cpu_millis: 4000,
        memory_bytes: 8 << 30,
        ephemeral_bytes: 100 << 30,
        pods: 110,
        extended: vec![],
    };
    Node {
        id: NodeId(0),
        name: name.into(),
        location: nowhere(),
        group: None,
        claim: None,
        instance_type: "m7g.large".into(),
        zone: Name::default(),
        labels: Labels::from([("kubernetes.io/hostname".into(), name.into())]),
        annotations: Labels::new(),
        taints: vec![],
        unschedulable: false,
        capacity: room.clone(),
        allocatable: room,
        network: NodeNetwork::default(),
        volume_drivers: vec![],
        images: vec![],
        created: Timestamp::ZERO,
        ready: true,
        deleted: None,
        gone: false,
    }
}

/// A node in a zone.
pub fn zoned(name: &str, zone: &str) -> Node {
    let mut node = node(name);
    node.labels.insert("topology.kubernetes.io/zone".into(), zone.into());
    node
}

/// A selector of one label's value.
pub fn selector(key: &str, value: &str) -> LabelSelector {
    let (operator, values) = (SelectorOperator::In, vec![value.into()]);
    LabelSelector {
        requirements: vec![SelectorRequirement { key: key.into(), operator, values, min_values: None }],
    }
}

/// A template with the label `app`.
pub fn labelled(app: &str) -> PodTemplate {
    PodTemplate { labels: Labels::from([("app".into(), app.into())]), ..template(100, 128 << 20) }
}

/// A template that asks for so much CPU and memory.
pub fn template(cpu_millis: i64, memory_bytes: i64) -> PodTemplate {
    let requests = Resources { cpu_millis, memory_bytes, ephemeral_bytes: 0, pods: 0, extended: vec![] };
    let container = Container {
        name: "main".into(),
        image: "app".into(),
        requests: requests.clone(),
        zeros: vec![],
        limits: Resources::ZERO,
        sidecar: false,
        always_pull: false,
        location: nowhere(),
    };
    PodTemplate {
        location: nowhere(),
        labels: Labels::new(),
        annotations: Labels::new(),
        role: Role::default(),
        containers: vec![container],
        init_containers: vec![],
        requests: Resources { pods: 1, ..requests },
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
        device_claims: vec![],
        needs_objects: vec![],
        service_account: "default".into(),
        image_pull_secrets: vec![],
        scheduling_gates: vec![],
        scheduler_name: "default-scheduler".into(),
        grace_period_ms: 30_000,
        restart_policy: RestartPolicy::Always,
        ready_delay_ms: 0,
        active_deadline_ms: None,
    }
}

/// An empty cluster.
pub fn empty() -> Cluster {
    Cluster::empty(Arc::new(Declared::empty(profile())))
}

/// Adds a node.
pub fn add_node(cluster: &mut Cluster, node: Node) -> NodeId {
    let id = NodeId(u32::try_from(cluster.nodes.len()).unwrap_or(u32::MAX));
    cluster.nodes.push(Node { id, ..node });
    id
}

/// Adds a pending pod named after its number.
pub fn add_pod(cluster: &mut Cluster, template: &Arc<PodTemplate>) -> PodId {
    let id = PodId(u32::try_from(cluster.pods.len()).unwrap_or(u32::MAX));
    cluster.pods.push(Pod {
        id,
        namespace: "default".into(),
        name: format!("pod-{}", id.0).into(),
        workload: None,
        template: template.clone(),
        revision: 0,
        ordinal: 0,
        for_node: None,
        created: cluster.now,
        stage: Stage::Pending,
        since: cluster.now,
        node: None,
        nominated: None,
        addressed: false,
        restarts: 0,
        deleted: None,
        waiting: None,
    });
    id
}

/// Adds a pod that runs on a node.
pub fn add_bound(cluster: &mut Cluster, template: &Arc<PodTemplate>, node: NodeId) -> PodId {
    let id = add_pod(cluster, template);
    let pod = &mut cluster.pods[id.0 as usize];
    (pod.node, pod.stage) = (Some(node), Stage::Ready);
    id
}

fn profile() -> Profile {
    Profile {
        location: nowhere(),
        given: false,
        name: "test".into(),
        kubernetes: (1, 36),
        provider: Provider::Eks,
        region: "us-west-2".into(),
        now_unix_ms: 0,
        horizon_ms: 0,
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
