//! IP101: a node has no address left for a pod that is bound to it.

use std::collections::BTreeMap;

use cluster::network::{AddressMode, Cni};
use cluster::waiting::AddressShortage;
use cluster::{Location, NodeId, PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "IP101", name: "node-addresses-exhausted" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods are bound to a node whose network interfaces hold no address for them.

## What it is
An EC2 instance can have a fixed number of network interfaces (ENIs), each with a fixed number of IPv4 addresses.
The first address of each interface is the interface's own. What is left serves pods; Cilium's agents take two of
them (router and health). kube-scheduler counts pods against the kubelet's maxPods and knows nothing of addresses,
so it binds more pods than the node can connect. They stay in ContainerCreating.

## Why it deadlocks
A bound pod is never moved, and a running pod never gives its address back. If cluster DNS or the provisioner is
among the pods without an address, nothing that could relieve the node will start.

## Evidence
The node's interfaces and addresses by its type, how many the CNI keeps, how many pods hold one, how many want one.

## Example
Two m7g.large (3 interfaces of 10 addresses) serve 27 addresses each; Cilium takes 2, so 25 pods have one. A node
with maxPods 110 is given far more.

## Remedy
Prefix delegation (16 addresses for each slot) on nodes that hold no secondary addresses yet; maxPods at or below
the addresses; larger or more nodes in the group; fewer pods that need an address of their own.

## Exceptions
Host-network pods need no address. A node that runs ipamd grows by whole interfaces: see IP102 when the subnet,
not the node, is empty.

## References
- amazon-vpc-cni-k8s: docs/eni-and-ip-target.md
- cilium: Documentation/network/concepts/ipam/eni.rst
- amazon-eks-user-guide: choosing an Amazon EC2 instance type, maximum pods
";

struct Short {
    capacity: u32,
    own: u32,
    assigned: u32,
    pods: Vec<PodId>,
}

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut nodes: BTreeMap<NodeId, Short> = BTreeMap::new();
    for pod in scene.cluster.live_pods() {
        let Some((_, Waiting::NoAddress(AddressShortage::NodeFull { capacity, own, assigned }))) =
            &pod.waiting
        else {
            continue;
        };
        let Some(node) = pod.node else { continue };
        let (capacity, own, assigned) = (*capacity, *own, *assigned);
        nodes.entry(node).or_insert(Short { capacity, own, assigned, pods: Vec::new() }).pods.push(pod.id);
    }
    if nodes.is_empty() { Vec::new() } else { vec![finding(scene, &nodes)] }
}

fn finding(scene: &Scene<'_>, nodes: &BTreeMap<NodeId, Short>) -> Finding {
    let pods: Vec<PodId> = nodes.values().flat_map(|short| short.pods.iter().copied()).collect();
    let wanting = pods.len();
    let has = if wanting == 1 { "pod has" } else { "pods have" };
    let title = format!(
        "{wanting} {has} no address: {} cannot connect what is bound to {}",
        stuck::count(nodes.len(), "node"),
        stuck::them(nodes.len())
    );
    let mut finding =
        Finding::new(RULE.code, Severity::Error, title).number("pods_without_address", wanting as i64);
    if let Some((location, text)) = cause(scene) {
        finding = finding.at(location, text);
    }
    for (node, short) in nodes {
        finding = finding.note(node_numbers(scene, *node, short));
    }
    finding = finding.note(format!("without an address: {}", words::pods(scene, &pods)));
    stuck::affect(scene, &mut finding, &pods);
    finding.help("lower maxPods to what the interfaces connect, turn on prefix delegation on fresh nodes, or add nodes")
}

fn node_numbers(scene: &Scene<'_>, node: NodeId, short: &Short) -> String {
    let subject = scene.cluster.node(node);
    let own = match short.own {
        0 => String::new(),
        own => format!(", {own} taken by {}", own_endpoints(scene)),
    };
    format!(
        "{} ({}): {} addresses{own}, {} held by pods, {} more wanted; maxPods {}",
        subject.name,
        subject.instance_type,
        short.capacity,
        short.assigned,
        short.pods.len(),
        subject.allocatable.pods
    )
}

fn own_endpoints(scene: &Scene<'_>) -> &'static str {
    match scene.cluster.declared.cni {
        Cni::CiliumEni(_) => "Cilium's router and health",
        _ => "the CNI itself",
    }
}

/// The setting that caps the addresses.
fn cause(scene: &Scene<'_>) -> Option<(Location, String)> {
    let secondary = |node: &cluster::Node| node.network.mode == AddressMode::SecondaryAddresses;
    let single = scene.cluster.live_nodes().any(secondary);
    match &scene.cluster.declared.cni {
        Cni::CiliumEni(settings) if !settings.prefix_delegation => Some((
            settings.location.at("/aws-enable-prefix-delegation"),
            "single secondary addresses: no prefix delegation".to_owned(),
        )),
        Cni::VpcCni(settings) if !settings.prefix_delegation => Some((
            settings.location.clone(),
            "single secondary addresses: ENABLE_PREFIX_DELEGATION is off".to_owned(),
        )),
        Cni::CiliumEni(settings) if single => Some((
            settings.location.at("/aws-enable-prefix-delegation"),
            "on, but nodes that already hold secondary addresses keep them".to_owned(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, eks};

    fn dense(group: &str) -> crate::testing::Ended {
        boot(&[&eks(group, "addons: [{name: vpc-cni}]"), &app(60, "cpu: 10m", "")])
    }

    #[test]
    fn fires() {
        let ended = dense("maxPods: 110");
        insta::assert_snapshot!(ended.told("IP101"), @r#"
        Error: 6 pods have no address: 2 nodes cannot connect what is bound to them
         at Cluster test spec.addons[0]: single secondary addresses: ENABLE_PREFIX_DELEGATION is off
         note: system-1 (m6i.large): 27 addresses, 27 held by pods, 3 more wanted; maxPods 110
         note: system-2 (m6i.large): 27 addresses, 27 held by pods, 3 more wanted; maxPods 110
         note: without an address: default/app-6d88768796-54, default/app-6d88768796-56, default/app-6d88768796-58 and 3 more
         help: lower maxPods to what the interfaces connect, turn on prefix delegation on fresh nodes, or add nodes
         pods_without_address: 6
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(dense("").told("IP101"), "");
    }
}
