//! Nodes as they are at the moment, and what of them is used.
//!
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/metrics/node/controller.go`, `pkg/controllers/state/metrics.go`. The labels are the
//! well-known ones of Karpenter and of its KWOK provider (`kwok/apis/v1alpha1/labels.go`).

use std::collections::BTreeMap;

use cluster::{Node, NodeId, Resources};
use provisioning::existing::View;
use serde_json::Value;

use super::claims::of;
use super::family::Family;
use super::load::Load;
use super::registry::{Number, Registry};
use crate::Mirror;

/// Labels of a node: the metric's, and the node's.
const LABELS: [(&str, &str); 12] = [
    ("nodepool", "karpenter.sh/nodepool"),
    ("zone", "topology.kubernetes.io/zone"),
    ("region", "topology.kubernetes.io/region"),
    ("instance_type", "node.kubernetes.io/instance-type"),
    ("arch", "kubernetes.io/arch"),
    ("os", "kubernetes.io/os"),
    ("capacity_type", "karpenter.sh/capacity-type"),
    ("windows_build", "node.kubernetes.io/windows-build"),
    ("instance_size", "karpenter.kwok.sh/instance-size"),
    ("instance_family", "karpenter.kwok.sh/instance-family"),
    ("instance_cpu", "karpenter.kwok.sh/instance-cpu"),
    ("instance_memory", "karpenter.kwok.sh/instance-memory"),
];
/// The names of all labels of a node's resource.
const ALL_NAMES: [&str; 16] = {
    let mut all = [""; 16];
    (all[0], all[1], all[2], all[3]) = ("resource_type", "node_name", "phase", "managed");
    let mut index = 0;
    while index < LABELS.len() {
        all[4 + index] = LABELS[index].0;
        index += 1;
    }
    all
};
const NAMES_AND_RESOURCE: &[&str] = &ALL_NAMES;
const NAMES: &[&str] = NAMES_AND_RESOURCE.split_at(1).1;

const fn of_resource(name: &'static str, help: &'static str) -> Family {
    Family::gauge(name, NAMES_AND_RESOURCE, help)
}

pub(super) static ALLOCATABLE: Family =
    of_resource("karpenter_nodes_allocatable", "What of a node pods can ask for.");
pub(super) static REQUESTS: Family = of_resource(
    "karpenter_nodes_total_pod_requests",
    "What the pods of a node ask for, those of DaemonSets among them.",
);
pub(super) static LIMITS: Family =
    of_resource("karpenter_nodes_total_pod_limits", "The limits of the pods of a node, summed up.");
pub(super) static DAEMON_REQUESTS: Family =
    of_resource("karpenter_nodes_total_daemon_requests", "What the DaemonSets' pods of a node ask for.");
pub(super) static DAEMON_LIMITS: Family = of_resource(
    "karpenter_nodes_total_daemon_limits",
    "The limits of the DaemonSets' pods of a node, summed up.",
);
pub(super) static OVERHEAD: Family =
    of_resource("karpenter_nodes_system_overhead", "What of a node's capacity pods cannot ask for.");
pub(super) static LIFETIME: Family =
    Family::gauge("karpenter_nodes_current_lifetime_seconds", NAMES, "How long a node has been there.");
pub(super) static UTILIZATION: Family = Family::gauge(
    "karpenter_cluster_utilization_percent",
    &["resource_type"],
    "What pods ask for of what all nodes have, in percent.",
);
pub(super) static COUNT: Family = Family::gauge(
    "karpenter_cluster_state_node_count",
    &[],
    "Nodes, and claims that are launched and have no node yet.",
);
pub(super) static SYNCED: Family = Family::gauge(
    "karpenter_cluster_state_synced",
    &[],
    "1 when everything has been read, so that decisions are made; else 0.",
);
pub(super) static UNSYNCED: Family = Family::gauge(
    "karpenter_cluster_state_unsynced_time_seconds",
    &[],
    "How long not everything has been read.",
);

pub(super) static ALL: &[&Family] = &[
    &ALLOCATABLE,
    &REQUESTS,
    &LIMITS,
    &DAEMON_REQUESTS,
    &DAEMON_LIMITS,
    &OVERHEAD,
    &LIFETIME,
    &UTILIZATION,
    &COUNT,
    &SYNCED,
    &UNSYNCED,
];

/// Everything about nodes at the moment.
pub(super) fn scrape(mirror: &Mirror, loads: &BTreeMap<NodeId, Load>, leads: bool, now: &mut Registry) {
    let cluster = mirror.cluster();
    let none = Load::default();
    let (mut room, mut used) = (Resources::ZERO, Resources::ZERO);
    for node in cluster.live_nodes() {
        let load = loads.get(&node.id).unwrap_or(&none);
        room.add(&node.allocatable);
        used.add(&load.requests);
        of_node(mirror, node, load, now);
    }
    for (resource, amount) in room.iter() {
        if let Some(percent) = Number::percent(used.get(resource), amount) {
            now.set(&UTILIZATION, &[&label(resource)], percent);
        }
    }
    now.set(&COUNT, &[], Number::count(View::all(cluster).count()));
    now.set(&SYNCED, &[], Number::flag(leads));
    let unsynced_ms = if leads { 0 } else { cluster.now.0 };
    now.set(&UNSYNCED, &[], Number::thousandths(unsynced_ms));
}

fn of_node(mirror: &Mirror, node: &Node, load: &Load, now: &mut Registry) {
    let phase = mirror.node_value(&node.name).and_then(|value| value.pointer("/status/phase"));
    let phase = phase.and_then(Value::as_str).unwrap_or_default();
    let managed = if node.claim.is_some() { "true" } else { "false" };
    let mut labels = vec!["", node.name.as_str(), phase, managed];
    labels.extend(LABELS.iter().map(|(_, key)| of(&node.labels, key)));
    let age_ms = mirror.cluster().now.since_ms(node.created);
    now.set(&LIFETIME, &labels[1..], Number::thousandths(age_ms));
    let overhead = node.capacity.minus(&node.allocatable);
    let all = [
        (&ALLOCATABLE, &node.allocatable),
        (&OVERHEAD, &overhead),
        (&REQUESTS, &load.requests),
        (&LIMITS, &load.limits),
        (&DAEMON_REQUESTS, &load.daemon_requests),
        (&DAEMON_LIMITS, &load.daemon_limits),
    ];
    for (family, resources) in all {
        for (resource, amount) in resources.iter() {
            let resource_type = label(resource);
            let mut labels = labels.clone();
            labels[0] = &resource_type;
            now.set(family, &labels, Number::amount(resource, amount));
        }
    }
}

/// A resource's name as a label's value.
pub(super) fn label(resource: &str) -> String {
    resource.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_in_step() {
        let names: Vec<&str> = LABELS.iter().map(|(name, _)| *name).collect();
        assert_eq!(NAMES[3..], names);
        assert_eq!(NAMES_AND_RESOURCE[1..], *NAMES);
    }
}
