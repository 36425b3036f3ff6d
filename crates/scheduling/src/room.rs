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
}

impl Row {
    pub fn set_allocatable(&mut self, node: &Node) {
        self.allocatable = amounts(&node.allocatable);
        self.pods_allowed = node.allocatable.pods;
    }

    pub fn change(&mut self, request: &Request, up: bool) {
        let sign = if up { 1 } else { -1 };
        for (used, amount) in self.used.iter_mut().zip(request.amounts) {
            *used = used.saturating_add(amount.saturating_mul(sign));
        }
        for (scored, amount) in self.scored.iter_mut().zip(request.held) {
            *scored = scored.saturating_add(amount.saturating_mul(sign));
        }
        self.pods_used += sign;
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
    /// CPU and memory as scores see it while the pod is being placed.
    pub scored: [i64; 2],
    /// CPU and memory as scores see it once the pod is there.
    pub held: [i64; 2],
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
            held: held(template),
        }
    }
}

fn amounts(resources: &Resources) -> Amounts {
    [resources.cpu_millis, resources.memory_bytes, resources.ephemeral_bytes]
}

/// By `framework/types.go` `CalculateResource`: where the pod as a whole requests something, only what nothing names
/// gets the floor.
fn held(template: &PodTemplate) -> [i64; 2] {
    if template.pod_level.is_empty() {
        return scored(template);
    }
    let named = |i: usize| {
        let name = AMOUNT_NAMES[i];
        let by_container = |container: &Container| {
            container.requests.get(name) != 0 || container.zeros.iter().any(|zero| zero == name)
        };
        template.pod_level.iter().any(|(level, _)| level == name)
            || template.overhead.get(name) != 0
            || template.all_containers().any(by_container)
    };
    let mut sum = with_overhead(template, sum_of_containers(template, [!named(0), !named(1)]));
    for (i, amount) in sum.iter_mut().enumerate() {
        if let Some((_, whole)) = template.pod_level.iter().find(|(level, _)| level == AMOUNT_NAMES[i]) {
            *amount = whole.saturating_add(template.overhead.get(AMOUNT_NAMES[i]));
        }
    }
    sum
}

/// By `noderesources/resource_allocation.go` `calculatePodResourceRequest` as `NodeResourcesFit` sets it up: with the
/// floors, and without regard to what the pod as a whole requests.
fn scored(template: &PodTemplate) -> [i64; 2] {
    if template.containers.is_empty() {
        return [template.requests.cpu_millis, template.requests.memory_bytes];
    }
    with_overhead(template, sum_of_containers(template, [true, true]))
}

fn with_overhead(template: &PodTemplate, sum: [i64; 2]) -> [i64; 2] {
    add(sum, [template.overhead.cpu_millis, template.overhead.memory_bytes])
}

/// CPU and memory by `k8s.io/component-helpers/resource` `PodRequests`, with a floor, where it is wanted, for
/// containers that name no request: containers and sidecars together, or the largest init container with the
/// sidecars started before it.
fn sum_of_containers(template: &PodTemplate, floors: [bool; 2]) -> [i64; 2] {
    const FLOORS: [i64; 2] = [UNSPECIFIED_CPU_MILLIS, UNSPECIFIED_MEMORY_BYTES];
    let of = |container: &Container| {
        [0, 1].map(|i| {
            let name = AMOUNT_NAMES[i];
            match container.requests.get(name) {
                0 if floors[i] && !container.zeros.iter().any(|zero| zero == name) => FLOORS[i],
                amount => amount,
            }
        })
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

/// Ports taken on one node, each once.
pub(crate) type Ports = Vec<HostPort>;
