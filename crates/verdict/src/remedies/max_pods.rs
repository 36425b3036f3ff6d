//! maxPods: as many pods as a node has addresses for, or as many as prefixes allow.

use std::collections::BTreeSet;

use cluster::network::Cni;
use cluster::waiting::AddressShortage;
use cluster::{Location, Node, NodeId, Waiting};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut remedies = lower(case);
    remedies.extend(raise(case));
    remedies
}

/// maxPods at what the node can connect: its addresses and its host-network pods.
fn lower(case: &Case<'_>) -> Vec<Remedy> {
    let cluster = &case.told.run.cluster;
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for (pod, waiting) in case.waiting_pods() {
        let Waiting::NoAddress(AddressShortage::NodeFull { capacity, own, .. }) = waiting else { continue };
        let Some(node) = pod.node else { continue };
        let connected = i64::from(capacity.saturating_sub(*own)) + host_network_pods(case, node);
        let Some(place) = place(case, cluster.node(node)) else { continue };
        if connected >= cluster.node(node).allocatable.pods || !seen.insert(place.clone()) {
            continue;
        }
        remedies.push(match place {
            Place::Group(group) => remedy(case, group, connected, "what its nodes have addresses for"),
            Place::Class(location) => of_class(&location, connected),
        });
    }
    remedies
}

/// Where a node's maxPods is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Group(u32),
    Class(Location),
}

fn place(case: &Case<'_>, node: &Node) -> Option<Place> {
    if let Some(group) = node.group {
        return Some(Place::Group(group));
    }
    let claim = case.told.run.cluster.claim(node.claim?);
    let pool = case.declared.pool_of(claim)?;
    Some(Place::Class(case.declared.node_class(&pool.node_class)?.location.clone()))
}

fn of_class(class: &Location, max_pods: i64) -> Remedy {
    Remedy {
        id: "max-pods",
        title: format!("set maxPods {max_pods} in {}, what its nodes have addresses for", class.object),
        edits: vec![set(class.at("/spec/kubelet/maxPods"), json!(max_pods))],
        operation: None,
        cost: 1,
    }
}

fn host_network_pods(case: &Case<'_>, node: NodeId) -> i64 {
    let on_host = case.told.run.cluster.pods_on(node).filter(|pod| pod.template.host_network).count();
    i64::try_from(on_host).unwrap_or(i64::MAX)
}

/// maxPods at what EKS recommends with prefixes: it does not follow by itself.
fn raise(case: &Case<'_>) -> Vec<Remedy> {
    let has_prefixes = matches!(case.declared.cni, Cni::CiliumEni(_) | Cni::VpcCni(_));
    let prefixes_possible = has_prefixes && case.lacks_addresses();
    let groups = (0u32..).zip(&case.declared.profile.node_groups);
    let raised = groups.filter_map(|(index, group)| {
        let vcpus = case.catalog.instance_type(&group.instance_type)?.vcpus;
        let usual = if vcpus < 30 { 110 } else { 250 };
        let now = case.declared.nodes.iter().find(|node| node.group == Some(index))?.allocatable.pods;
        (now < usual && prefixes_possible).then(|| remedy(case, index, usual, "which prefixes can feed"))
    });
    raised.collect()
}

fn remedy(case: &Case<'_>, group: u32, max_pods: i64, why: &str) -> Remedy {
    let group = &case.declared.profile.node_groups[group as usize];
    Remedy {
        id: "max-pods",
        title: format!("set maxPods {max_pods} on group {}, {why}", group.name),
        edits: vec![set(group.location.at("/maxPods"), json!(max_pods))],
        operation: None,
        cost: 1,
    }
}
