//! Objects of tests, with nothing in them that the test does not say.

use super::*;

pub fn key(kind: Kind, name: &str) -> ObjectKey {
    ObjectKey::new(kind, "apps", name)
}

pub fn container(image: &str) -> Container {
    Container {
        name: "main".into(),
        image: image.into(),
        requests: Resources::ZERO,
        zeros: vec![],
        limits: Resources::ZERO,
        sidecar: false,
        always_pull: false,
        location: Location::object(key(Kind::Pod, "x")),
    }
}

pub fn template(image: &str) -> PodTemplate {
    PodTemplate {
        location: Location::object(key(Kind::Pod, "x")),
        labels: Labels::from([("app".into(), image.into())]),
        annotations: Labels::new(),
        role: Role::default(),
        containers: vec![container(image)],
        init_containers: Vec::new(),
        requests: Resources { pods: 1, ..Resources::ZERO },
        pod_level: vec![],
        overhead: Resources::ZERO,
        host_network: false,
        host_ports: Vec::new(),
        dns_policy: DnsPolicy::ClusterFirst,
        node_name: None,
        node_selector: Labels::new(),
        required_node_affinity: None,
        preferred_node_affinity: Vec::new(),
        pod_affinity: PodAffinity::default(),
        pod_anti_affinity: PodAffinity::default(),
        topology_spread: Vec::new(),
        tolerations: Vec::new(),
        priority_class: Name::default(),
        priority: 0,
        preempts: true,
        volumes: Vec::new(),
        device_claims: Vec::new(),
        needs_objects: Vec::new(),
        service_account: "default".into(),
        image_pull_secrets: Vec::new(),
        scheduling_gates: Vec::new(),
        scheduler_name: "default-scheduler".into(),
        grace_period_ms: 30_000,
        restart_policy: RestartPolicy::Always,
        ready_delay_ms: 0,
        active_deadline_ms: None,
    }
}

pub fn workload(kind: Kind, name: &str, shape: Shape, template: PodTemplate) -> Workload {
    let key = key(kind, name);
    Workload {
        location: Location::object(key.clone()),
        key,
        shape,
        template: Arc::new(template),
        selector: LabelSelector::default(),
        arrival: Arrival::default(),
        running_at_start: false,
        pace: cluster::workload::Pace::default(),
    }
}

pub fn deployment(name: &str, replicas: u32) -> Workload {
    let shape = Shape::Deployment { replicas, recreate: false, max_surge: 1, max_unavailable: 0 };
    workload(Kind::Deployment, name, shape, template(name))
}

pub fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        instance_type: "m7g.large".into(),
        zone: "us-west-2a".into(),
        labels: Labels::from([
            ("kubernetes.io/arch".into(), "arm64".into()),
            ("kubernetes.io/os".into(), "linux".into()),
            ("kubernetes.io/hostname".into(), name.into()),
            ("topology.kubernetes.io/zone".into(), "us-west-2a".into()),
        ]),
        capacity: Resources { pods: 110, ..Resources::ZERO },
        allocatable: Resources { pods: 110, ..Resources::ZERO },
        network: NodeNetwork { cni_ready: true, ..NodeNetwork::default() },
        ..Node::ready(Location::object(ObjectKey::new(Kind::Node, "", name)))
    }
}

pub fn profile() -> Profile {
    Profile {
        location: Location::object(ObjectKey::new(Kind::Cluster, "", "test")),
        given: true,
        name: "test".into(),
        kubernetes: (1, 36),
        provider: Provider::Eks,
        region: "us-west-2".into(),
        now_unix_ms: 1_767_225_600_000,
        horizon_ms: 7_200_000,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        node_groups: Vec::new(),
        fargate: Vec::new(),
        images: Vec::new(),
        registries: Vec::new(),
        volume_limits: Vec::new(),
        aws: AwsFacts {
            service_linked_roles: None,
            unreachable: Vec::new(),
            allowed_actions: None,
            unavailable: Vec::new(),
            quotas: Vec::new(),
            prices: Vec::new(),
        },
        order: Order::Together,
        until_horizon: false,
        latencies: Latencies::default(),
    }
}

pub fn declared(workloads: Vec<Workload>, nodes: Vec<Node>) -> Declared {
    Declared { workloads, nodes, ..Declared::empty(profile()) }
}

/// A role whose program is this one.
pub fn role(program: Program) -> Role {
    Role { program, version: Name::default() }
}
