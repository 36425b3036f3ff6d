//! IP104: a kubelet accepts more pods than its node's interfaces can connect.

use std::collections::BTreeMap;

use catalog::max_pods::interface_limited;
use cluster::network::{AddressMode, Cni};
use cluster::{Location, Node};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::stuck;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "IP104", name: "max-pods-above-addresses" }, docs: DOCS, examine };

const DOCS: &str = "\
maxPods is written higher than what the node's network interfaces can connect.

## What it is
kube-scheduler and Karpenter fill a node up to the kubelet's maxPods. The CNI can connect as many pods as the
interfaces have addresses: interfaces × (addresses − 1) of the instance type without prefix delegation. What is written
by hand is not checked against that by anybody.

## Why it deadlocks
Pods beyond the addresses are bound and stay in ContainerCreating; a bound pod is never moved, and no new node is added
for it.

## Evidence
maxPods as written, the addresses of the type, and the pods on its nodes that need none (host network).

## Example
`maxPods: 110` on m6i.large, whose three interfaces serve 27 pods, without prefix delegation.

## Remedy
Leave maxPods to the AMI family's own computation, or turn on prefix delegation on fresh nodes.

## Exceptions
Only a maxPods that is written is judged, and only in secondary address mode. Pods of the host's network are counted as
they are on the node. A node whose CPU or memory is full before may never get there: it is a warning.

## References
- amazon-eks-user-guide: choosing an Amazon EC2 instance type, maximum pods
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, maxPods is greater than the node's supported pod density
";

struct Group {
    nodes: usize,
    max_pods: i64,
    addresses: i64,
    host_network: i64,
    instance_type: cluster::Name,
}

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<Location, Group> = BTreeMap::new();
    for node in scene.cluster.live_nodes() {
        let (Some(place), Some(addresses)) = (written(scene, node), addresses(scene, node)) else { continue };
        let host = scene.cluster.pods_on(node.id).filter(|pod| !pod.template.needs_address()).count() as i64;
        if node.allocatable.pods <= addresses + host {
            continue;
        }
        let group = groups.entry(place).or_insert_with(|| Group {
            nodes: 0,
            max_pods: node.allocatable.pods,
            addresses,
            host_network: host,
            instance_type: node.instance_type.clone(),
        });
        group.nodes += 1;
    }
    groups.into_iter().map(|(place, group)| finding(place, &group)).collect()
}

/// Where the node's maxPods is written; `None` when it is the AMI family's own.
fn written(scene: &Scene<'_>, node: &Node) -> Option<Location> {
    let declared = &scene.cluster.declared;
    if let Some(group) = node.group.and_then(|group| declared.profile.node_groups.get(group as usize)) {
        return group.max_pods.map(|_| group.location.at("/maxPods"));
    }
    let claim = scene.cluster.claim(node.claim?);
    let class = declared.node_class(&declared.pool_of(claim)?.node_class)?;
    class.kubelet.max_pods.map(|_| class.location.at("/spec/kubelet/maxPods"))
}

/// Addresses for pods on a node of this type, one a slot.
fn addresses(scene: &Scene<'_>, node: &Node) -> Option<i64> {
    if node.network.mode != AddressMode::SecondaryAddresses {
        return None;
    }
    let own = match &scene.cluster.declared.cni {
        Cni::VpcCni(settings) => {
            // Custom networking takes no pod address from the first interface.
            let it = scene.catalog.instance_type(&node.instance_type)?;
            let reserved = u32::from(settings.custom_networking);
            return Some(i64::from(interface_limited(it, reserved).saturating_sub(HOST_PODS)));
        }
        Cni::CiliumEni(settings) => settings.own_endpoints,
        Cni::PerNodeRange { .. } | Cni::Unlimited => return None,
    };
    let it = scene.catalog.instance_type(&node.instance_type)?;
    Some(i64::from(interface_limited(it, 0).saturating_sub(HOST_PODS).saturating_sub(own)))
}

/// The formula adds two host-network pods to the addresses.
const HOST_PODS: u32 = 2;

fn finding(place: Location, group: &Group) -> Finding {
    let Group { nodes, max_pods, addresses, host_network, instance_type } = group;
    let (nodes_text, verb) = (stuck::count(*nodes, "node"), if *nodes == 1 { "accepts" } else { "accept" });
    let title = format!(
        "{nodes_text} of {instance_type} {verb} {max_pods} pods each, and the interfaces connect {addresses}"
    );
    Finding::new(RULE.code, Severity::Warning, title)
        .at(place, "maxPods as written")
        .note(format!(
            "{} there need no address of their own",
            stuck::count(*host_network as usize, "host-network pod")
        ))
        .number("max_pods", *max_pods)
        .number("addresses", *addresses)
        .help(format!(
            "write {} at most, or turn on prefix delegation before the nodes are made",
            addresses + host_network
        ))
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, eks};

    #[test]
    fn fires() {
        let ended = boot(&[&eks("maxPods: 110", "addons: [{name: vpc-cni}]"), &app(2, "cpu: 10m", "")]);
        insta::assert_snapshot!(ended.told("IP104"), @r#"
        Warning: 2 nodes of m6i.large accept 110 pods each, and the interfaces connect 27
         at Cluster test spec.nodeGroups[0].maxPods: maxPods as written
         note: 2 host-network pods there need no address of their own
         help: write 29 at most, or turn on prefix delegation before the nodes are made
         addresses: 27
         max_pods: 110
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(
            boot(&[&eks("maxPods: 29", "addons: [{name: vpc-cni}]"), &app(2, "cpu: 10m", "")]).told("IP104"),
            ""
        );
    }
}
