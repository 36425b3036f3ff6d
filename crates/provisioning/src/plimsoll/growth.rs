//! What nodes that are there, and claims on their way, have yet to draw from their subnets.
//!
//! A node that has just joined holds one interface; its pool grows as its pods come. A plan that counted only what is
//! free now would give the same addresses away twice.

use cluster::change::ClaimOrNode;
use cluster::network::{Interface, NodeNetwork, SubnetId};
use cluster::node_claim::ClaimStage;
use cluster::{Cluster, Name, Node, NodeClaim, NodeId};

use super::addresses::{Addresses, wants_address};
use super::room::{Draw, Share};
use crate::daemons;

/// A node or a claim that feeds pods, as far as addresses go.
#[derive(Clone, Debug)]
pub struct Feeder {
    /// Which.
    pub id: ClaimOrNode,
    /// Its type.
    pub instance_type: Name,
    /// Its zone.
    pub zone: Name,
    /// The subnet of its primary interface.
    pub subnet: Option<SubnetId>,
    /// Its kubelet's limit.
    pub max_pods: u32,
    /// Pods with an address that it has, or that are created for it.
    pub pods: u32,
    /// Addresses that the CNI takes for itself.
    pub own: u32,
    /// What its interfaces hold already.
    pub held: Draw,
}

/// Every node and launched claim that stays, in the order of their ids, nodes first.
pub fn feeders(cluster: &Cluster, beside_primary: bool) -> Vec<Feeder> {
    let mut pods = vec![0u32; cluster.nodes.len()];
    for pod in cluster.pods.iter().filter(|pod| wants_address(&pod.template)) {
        let bound = pod.node.filter(|_| pod.holds_node());
        let waits_for = pod.for_node.filter(|_| pod.node.is_none() && pod.deleted.is_none());
        if let Some(count) = bound.or(waits_for).and_then(|NodeId(node)| pods.get_mut(node as usize)) {
            *count = count.saturating_add(1);
        }
    }
    let stays = |node: &&Node| node.deleted.is_none();
    let nodes = cluster.live_nodes().filter(stays).map(|node| Feeder {
        id: ClaimOrNode::Node(node.id),
        instance_type: node.instance_type.clone(),
        zone: node.zone.clone(),
        subnet: node.network.subnet,
        max_pods: u32::try_from(node.allocatable.pods).unwrap_or(0),
        pods: pods.get(node.id.0 as usize).copied().unwrap_or(0),
        own: node.network.own_endpoints,
        held: held(&node.network, beside_primary),
    });
    let own_pods = daemons_with_address(cluster);
    let on_their_way = |claim: &&NodeClaim| {
        claim.stage == ClaimStage::Launched && claim.node.is_none() && claim.deleted.is_none()
    };
    let claims = cluster.claims.iter().filter(on_their_way).filter_map(|claim| {
        let launched = claim.launched.as_ref()?;
        Some(Feeder {
            id: ClaimOrNode::Claim(claim.id),
            instance_type: launched.option.instance_type.clone(),
            zone: launched.option.zone.clone(),
            subnet: launched.subnet,
            max_pods: u32::try_from(launched.allocatable.pods).unwrap_or(0),
            pods: own_pods,
            own: 0,
            // EC2 has given it its primary address.
            held: Draw::primary(),
        })
    });
    nodes.chain(claims).collect()
}

/// DaemonSets whose pods take an address: as many as a node that has not joined yet will have at the most.
fn daemons_with_address(cluster: &Cluster) -> u32 {
    let templates = daemons::daemon_sets(cluster).into_iter();
    u32::try_from(templates.filter(|template| wants_address(template)).count()).unwrap_or(u32::MAX)
}

/// What a node's interfaces hold of its own subnet and of that of its pods.
fn held(network: &NodeNetwork, beside_primary: bool) -> Draw {
    let share = |pick: &dyn Fn(&&Interface) -> bool| {
        let interfaces = network.interfaces.iter().filter(|interface| pick(interface));
        interfaces.fold(Share::default(), |share, interface| share.plus(of_interface(interface)))
    };
    match beside_primary {
        true => Draw { node: share(&|interface| interface.is_primary), pods: share(&|own| !own.is_primary) },
        false => Draw { node: share(&|_| true), pods: Share::default() },
    }
}

fn of_interface(interface: &Interface) -> Share {
    let blocks = interface.slots.iter().filter(|slot| slot.prefix).count();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Share { interfaces: 1, addresses: count(interface.slots.len() - blocks), blocks: count(blocks) }
}

impl Addresses {
    /// What a feeder draws beyond what it holds, once `more` further pods have an address there.
    pub(super) fn growth(&self, feeder: &Feeder, more: u32) -> Draw {
        let pods = feeder.pods.saturating_add(more);
        self.draw(&feeder.instance_type, pods, feeder.max_pods).minus(feeder.held)
    }
}
