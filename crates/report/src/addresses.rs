//! Who holds the addresses at the end of a run: node by node and subnet by subnet.
//!
//! Only counts what the run left behind; the sentence about it is in [`crate::words`], the tables in
//! [`crate::text`].

use std::collections::BTreeMap;

use catalog::Catalog;
use cluster::network::{Subnet, SubnetId};
use cluster::{Cluster, Node};
use schemars::JsonSchema;
use serde::Serialize;

/// The addresses of a cluster.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    /// The nodes at the end, in the order in which they came.
    pub nodes: Vec<NodeAddresses>,
    /// The subnets of the profile; empty when it names none.
    pub subnets: Vec<SubnetAddresses>,
}

/// The addresses of a node.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAddresses {
    /// The node's name.
    pub node: String,
    /// Its instance type; empty when unknown.
    pub instance_type: String,
    /// Its availability zone.
    pub zone: String,
    /// Pods bound to it, those of the host network among them.
    pub pods: usize,
    /// Most pods that its kubelet takes (maxPods).
    pub pods_limit: i64,
    /// Interfaces attached.
    pub interfaces: usize,
    /// Addresses that it takes from its subnets: those of the interfaces, those for pods, whole prefixes.
    pub held: u32,
    /// Of these, addresses that pods can get or have.
    pub for_pods: u32,
    /// Of these, addresses that pods have.
    pub used: u32,
    /// Of these, addresses that are kept for pods to come, those that cool down among them.
    pub warm: u32,
    /// Most addresses for pods that it can ever have; absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The addresses of a subnet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubnetAddresses {
    /// The subnet's name.
    pub subnet: String,
    /// Its availability zone.
    pub zone: String,
    /// Its range.
    pub cidr: String,
    /// Addresses of the range without the five that AWS keeps.
    pub size: u32,
    /// Addresses that nobody has.
    pub free: u32,
    /// Wholly free /28 blocks.
    pub free_prefixes: u32,
    /// Addresses that the cluster's nodes hold.
    pub held_by_nodes: u32,
    /// Of these, addresses for pods that no pod has.
    pub warm: u32,
    /// Addresses that others hold: load balancers, reservations, what the profile says is taken.
    pub held_by_others: u32,
    /// The nodes that hold most beyond what their pods use, at most five.
    pub top_holders: Vec<Holder>,
}

/// A node's part of a subnet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The node's name.
    pub node: String,
    /// Its instance type; empty when unknown.
    pub instance_type: String,
    /// Addresses of the subnet that it holds.
    pub held: u32,
    /// Of these, addresses that pods have.
    pub used: u32,
    /// Of these, addresses for pods that no pod has.
    pub warm: u32,
}

/// Addresses that AWS keeps in every subnet.
const KEPT_BY_AWS: u32 = 5;

/// Most nodes that are named for a subnet.
const HOLDERS: usize = 5;

/// The addresses of a cluster; nothing when nobody hands any out, or it is not known who does.
pub fn of(cluster: &Cluster, catalog: &Catalog) -> Addresses {
    let mut pods: BTreeMap<cluster::NodeId, usize> = BTreeMap::new();
    for node in cluster.pods.iter().filter(|pod| pod.holds_node()).filter_map(|pod| pod.node) {
        *pods.entry(node).or_default() += 1;
    }
    let nodes = cluster.live_nodes().filter(|node| node.network.held() > 0);
    Addresses {
        nodes: nodes
            .map(|node| of_node(node, pods.get(&node.id).copied().unwrap_or(0), cluster, catalog))
            .collect(),
        subnets: cluster.subnets.iter().map(|subnet| of_subnet(subnet, cluster)).collect(),
    }
}

fn of_node(node: &Node, pods: usize, cluster: &Cluster, catalog: &Catalog) -> NodeAddresses {
    let network = &node.network;
    let for_pods = network.allocated().saturating_sub(network.own_endpoints);
    let used = network.assigned();
    let limit = addressing::capacity(node, catalog.instance_type(&node.instance_type), &cluster.declared.cni);
    NodeAddresses {
        node: node.name.to_string(),
        instance_type: node.instance_type.to_string(),
        zone: node.zone.to_string(),
        pods,
        pods_limit: node.allocatable.pods,
        interfaces: network.interfaces.len(),
        held: network.held(),
        for_pods,
        used,
        warm: for_pods.saturating_sub(used),
        limit: limit.map(|limit| limit.for_pods),
    }
}

fn of_subnet(subnet: &Subnet, cluster: &Cluster) -> SubnetAddresses {
    let mut holders: Vec<Holder> = cluster.live_nodes().filter_map(|node| holder(node, subnet.id)).collect();
    let held = sum(holders.iter().map(|holder| holder.held));
    let warm = sum(holders.iter().map(|holder| holder.warm));
    holders.sort_by_key(|holder| std::cmp::Reverse((holder.warm, holder.held)));
    holders.truncate(HOLDERS);
    let addresses = 1u32.checked_shl(32 - u32::from(subnet.cidr.prefix_len())).unwrap_or(u32::MAX);
    let size = addresses.saturating_sub(KEPT_BY_AWS);
    SubnetAddresses {
        subnet: subnet.name.to_string(),
        zone: subnet.zone.to_string(),
        cidr: subnet.cidr.to_string(),
        size,
        free: subnet.space.free,
        free_prefixes: subnet.space.free_blocks,
        held_by_nodes: held,
        warm,
        held_by_others: size.saturating_sub(subnet.space.free).saturating_sub(held),
        top_holders: holders,
    }
}

/// What a node holds of a subnet; `None` when that is nothing.
fn holder(node: &Node, subnet: SubnetId) -> Option<Holder> {
    let here = || node.network.interfaces.iter().filter(move |interface| interface.subnet == Some(subnet));
    let slots = || here().flat_map(|interface| &interface.slots);
    let interfaces = u32::try_from(here().count()).unwrap_or(u32::MAX);
    let held = interfaces.saturating_add(sum(slots().map(|slot| slot.size())));
    let used = sum(slots().map(|slot| slot.assigned));
    let own = if node.network.subnet == Some(subnet) { node.network.own_endpoints } else { 0 };
    (held > 0).then(|| Holder {
        node: node.name.to_string(),
        instance_type: node.instance_type.to_string(),
        held,
        used,
        warm: held.saturating_sub(interfaces).saturating_sub(used).saturating_sub(own),
    })
}

fn sum(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.fold(0, u32::saturating_add)
}
