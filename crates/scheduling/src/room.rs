//! What a node has and what is taken, as plain integers; what a pod asks for.
//!
//! Follows `pkg/scheduler/framework/types.go` `NodeInfo` and `noderesources/resource_allocation.go`: filters look
//! at what is requested, the `LeastAllocated` score at requests with a floor for containers that request nothing.

use cluster::template::{Container, HostPort};
use cluster::{Name, Node, PodTemplate, Resources};

/// CPU that a container without a CPU request counts for in scores, in millis (`pkg/scheduler/util`).
const UNSPECIFIED_CPU_MILLIS: i64 = 100;
/// Memory that a container without a memory request counts for in scores.
const UNSPECIFIED_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// CPU in millis, memory in bytes, ephemeral storage in bytes.
pub(crate) type Amounts = [i64; 3];
/// Names of [`Amounts`], in their order.
pub(crate) const AMOUNT_NAMES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// One node's room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// In the API.
    pub live: bool,
    pub allocatable: Amounts,
    pub used: Amounts,
    pub pods_allowed: i64,
    pub pods_used: i64,
    /// CPU and memory in use as scores see it.
    pub scored: [i64; 2],
    /// Goes up whenever anything here changes.
    pub version: u32,
}

impl Row {
    pub fn set_allocatable(&mut self, node: &Node) {
        self.allocatable = amounts(&node.allocatable);
        self.pods_allowed = node.allocatable.pods;
        self.touch();
    }

    pub fn touch(&mut self) {
        self.version = self.version.wrapping_add(1).max(1);
    }

    pub fn change(&mut self, request: &Request, up: bool) {
        let sign = if up { 1 } else { -1 };
        for (used, amount) in self.used.iter_mut().zip(request.amounts) {
            *used = used.saturating_add(amount.saturating_mul(sign));
        }
        for (scored, amount) in self.scored.iter_mut().zip(request.scored) {
            *scored = scored.saturating_add(amount.saturating_mul(sign));
        }
        self.pods_used += sign;
        self.touch();
    }
}

/// An extended resource over all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub name: Name,
    pub allocatable: Vec<i64>,
    pub used: Vec<i64>,
}

impl Column {
    pub fn new(name: Name) -> Column {
        Column { name, allocatable: Vec::new(), used: Vec::new() }
    }

    pub fn grow(&mut self, nodes: usize) {
        self.allocatable.resize(nodes.max(self.allocatable.len()), 0);
        self.used.resize(nodes.max(self.used.len()), 0);
    }
}

/// What a pod asks a node for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub amounts: Amounts,
    /// Extended resources: column and amount.
    pub extended: Vec<(u32, i64)>,
    /// CPU and memory as scores see it.
    pub scored: [i64; 2],
}

impl Request {
    /// A template's request; `column` finds or makes the column of an extended resource.
    pub fn of(template: &PodTemplate, mut column: impl FnMut(&Name) -> u32) -> Request {
        let requests = &template.requests;
        let asked = requests.extended.iter().filter(|(_, amount)| *amount != 0);
        Request {
            amounts: amounts(requests),
            extended: asked.map(|(name, amount)| (column(name), *amount)).collect(),
            scored: scored(template),
        }
    }
}

fn amounts(resources: &Resources) -> Amounts {
    [resources.cpu_millis, resources.memory_bytes, resources.ephemeral_bytes]
}

/// CPU and memory with the floor for containers that request none. What the template asks for beyond its
/// containers (overhead) is added; an explicit request of 0 cannot be told from none and gets the floor.
fn scored(template: &PodTemplate) -> [i64; 2] {
    let exact = sum_of_containers(template, |_| [0, 0]);
    let floored = sum_of_containers(template, |requested| {
        [
            if requested[0] == 0 { UNSPECIFIED_CPU_MILLIS } else { 0 },
            if requested[1] == 0 { UNSPECIFIED_MEMORY_BYTES } else { 0 },
        ]
    });
    let effective = amounts(&template.requests);
    [0, 1].map(|i| floored[i].saturating_add(effective[i].saturating_sub(exact[i]).max(0)))
}

/// By `k8s.io/component-helpers/resource` `PodRequests`: containers and sidecars together, or the largest init
/// container with the sidecars started before it.
fn sum_of_containers(template: &PodTemplate, floor: impl Fn([i64; 2]) -> [i64; 2]) -> [i64; 2] {
    let of = |container: &Container| {
        let requested = [container.requests.cpu_millis, container.requests.memory_bytes];
        add(requested, floor(requested))
    };
    let running = template.containers.iter().map(of).fold([0, 0], add);
    let (mut sidecars, mut peak) = ([0, 0], [0, 0]);
    for container in &template.init_containers {
        let needs = add(sidecars, of(container));
        if container.sidecar {
            sidecars = needs;
        }
        peak = [peak[0].max(needs[0]), peak[1].max(needs[1])];
    }
    let together = add(running, sidecars);
    [together[0].max(peak[0]), together[1].max(peak[1])]
}

fn add(a: [i64; 2], b: [i64; 2]) -> [i64; 2] {
    [a[0].saturating_add(b[0]), a[1].saturating_add(b[1])]
}

/// Ports taken on one node; a port is listed once for each pod that takes it.
pub(crate) type Ports = Vec<HostPort>;
