//! What Karpenter tells nowhere: addresses, and whether the cluster could still help itself.
//!
//! Only what is known: an address is held when a pod has one, and short when a bound pod that needs one has none. What
//! of a subnet is free is told where its space is known, and not guessed where it is not.

use std::collections::BTreeMap;

use cluster::node::POOL;
use cluster::node_selector::required_affinity_matches;
use cluster::role::Program;
use cluster::taint::untolerated;
use cluster::{Cluster, Effect, Node, NodeId, Pod};

use super::claims::of;
use super::family::Family;
use super::load::Load;
use super::registry::{Number, Registry};

const NODE: &[&str] = &["node_name", "nodepool"];
const SUBNET: &[&str] = &["subnet", "zone"];
const PROGRAM: &[&str] = &["program"];

pub(super) static PODS_CAPACITY: Family =
    Family::gauge("plimsoll_node_pods_capacity", NODE, "How many pods a node can hold by its allocatable.");
pub(super) static PODS_HELD: Family =
    Family::gauge("plimsoll_node_pods_held", NODE, "How many pods are bound to a node.");
pub(super) static ADDRESSES_HELD: Family = Family::gauge(
    "plimsoll_node_addresses_held",
    NODE,
    "How many pods of a node have an address of their own.",
);
pub(super) static ADDRESSES_SHORT: Family = Family::gauge(
    "plimsoll_node_addresses_short",
    NODE,
    "How many pods are bound to a node and still wait for an address of their own.",
);
pub(super) static SUBNET_HELD: Family = Family::gauge(
    "plimsoll_subnet_addresses_held",
    SUBNET,
    "Addresses of a subnet that are taken. Absent where the subnet's space is not known (KWOK).",
);
pub(super) static SUBNET_FREE: Family = Family::gauge(
    "plimsoll_subnet_addresses_free",
    SUBNET,
    "Addresses of a subnet that are free. Absent where the subnet's space is not known (KWOK).",
);
pub(super) static READY: Family = Family::gauge(
    "plimsoll_vital_pods_ready",
    PROGRAM,
    "Ready pods of what adding nodes depends on: the cluster's DNS, and the controller itself.",
);
pub(super) static WAITING: Family = Family::gauge(
    "plimsoll_vital_pods_waiting",
    PROGRAM,
    "Pods of what adding nodes depends on that have no node.",
);
pub(super) static HOMES: Family = Family::gauge(
    "plimsoll_vital_homes",
    PROGRAM,
    "Ready nodes that could take one more pod of what adding nodes depends on: for the controller itself only nodes \
     that no pool made. 0 means that it may not come back by itself.",
);
pub(super) static WORK: Family =
    Family::gauge("plimsoll_work_in_flight", &[], "Effects whose calls are under way.");
pub(super) static RETRIES: Family = Family::gauge(
    "plimsoll_work_waiting_to_retry",
    &[],
    "Effects that failed for a passing reason and wait.",
);
pub(super) static GIVEN_UP: Family =
    Family::counter("plimsoll_work_given_up_total", &[], "Effects that the API server refused for good.");
pub(super) static REFUSED: Family = Family::gauge(
    "karpenter_scheduler_unschedulable_pods_count",
    &["controller"],
    "Pods that the last plan had no place for.",
);
pub(super) static UNREAD: Family = Family::counter(
    "plimsoll_objects_left_out_total",
    &[],
    "Objects that watches brought and that could not be read; the log says which and why.",
);

pub(super) static ALL: &[&Family] = &[
    &PODS_CAPACITY,
    &PODS_HELD,
    &ADDRESSES_HELD,
    &ADDRESSES_SHORT,
    &SUBNET_HELD,
    &SUBNET_FREE,
    &READY,
    &WAITING,
    &HOMES,
    &WORK,
    &RETRIES,
    &GIVEN_UP,
    &REFUSED,
    &UNREAD,
];

/// What a program is called in a label.
const VITAL: [(Program, &str); 2] =
    [(Program::ClusterDns, "cluster-dns"), (Program::Karpenter, "controller")];

/// Everything of ours at the moment.
pub(super) fn scrape(cluster: &Cluster, loads: &BTreeMap<NodeId, Load>, now: &mut Registry) {
    let none = Load::default();
    for node in cluster.live_nodes() {
        let own = loads.get(&node.id).unwrap_or(&none);
        let labels = [node.name.as_str(), of(&node.labels, POOL)];
        now.set(&PODS_CAPACITY, &labels, Number::whole(node.allocatable.pods));
        now.set(&PODS_HELD, &labels, Number::whole(own.requests.pods));
        now.set(&ADDRESSES_HELD, &labels, Number::count(own.addressed));
        now.set(&ADDRESSES_SHORT, &labels, Number::count(own.short));
    }
    for subnet in cluster.subnets.iter().filter(|subnet| !subnet.space.blocks.is_empty()) {
        let labels = [subnet.name.as_str(), subnet.zone.as_str()];
        let all = Number::count(
            subnet
                .space
                .blocks
                .len()
                .saturating_mul(16)
                .saturating_sub(usize::try_from(subnet.space.free).unwrap_or(usize::MAX)),
        );
        now.set(&SUBNET_HELD, &labels, all);
        now.set(&SUBNET_FREE, &labels, Number::whole(subnet.space.free));
    }
    for (program, name) in VITAL {
        vital(cluster, loads, program, name, now);
    }
}

fn vital(
    cluster: &Cluster,
    loads: &BTreeMap<NodeId, Load>,
    program: Program,
    name: &str,
    now: &mut Registry,
) {
    let pods: Vec<&Pod> = cluster.live_pods().filter(|pod| is_of(pod, program)).collect();
    let Some(one) = pods.first() else { return };
    let ready = pods.iter().filter(|pod| pod.stage == cluster::pod::Stage::Ready).count();
    let waiting = pods.iter().filter(|pod| pod.node.is_none()).count();
    now.set(&READY, &[name], Number::count(ready));
    now.set(&WAITING, &[name], Number::count(waiting));
    let homes = cluster.live_nodes().filter(|node| {
        let made = program == Program::Karpenter && node.node_pool().is_some();
        !made && takes(node, loads.get(&node.id), one)
    });
    now.set(&HOMES, &[name], Number::count(homes.count()));
}

/// Whether a pod is of a program: known by its image, or by the label that our own chart gives.
fn is_of(pod: &Pod, program: Program) -> bool {
    let ours = pod.template.labels.get("app.kubernetes.io/name").is_some_and(|name| name == "plimsoll");
    pod.template.role.program == program || program == Program::Karpenter && ours
}

/// Whether a node could take one more such pod: it is Ready, asked for, tolerated, and has room.
fn takes(node: &Node, load: Option<&Load>, pod: &Pod) -> bool {
    let hard = [Effect::NoSchedule, Effect::NoExecute];
    let mut room = node.allocatable.clone();
    if let Some(load) = load {
        room.subtract(&load.requests);
    }
    node.ready
        && node.deleted.is_none()
        && !node.unschedulable
        && required_affinity_matches(&pod.template, node)
        && untolerated(&node.taints, &pod.template.tolerations, &hard).is_none()
        && pod.template.requests.exceeds(&room).is_none()
}
