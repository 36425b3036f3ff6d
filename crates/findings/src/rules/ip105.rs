//! IP105: prefix delegation is on, and nodes from before it do not use it.

use cluster::network::{AddressMode, Cni};
use cluster::{Location, Node, NodeId, PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::stuck;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "IP105", name: "prefixes-need-fresh-nodes" }, docs: DOCS, examine };

const DOCS: &str = "\
Prefix delegation is turned on, and nodes that already hold single addresses go on without it.

## What it is
A node's interfaces hold single secondary addresses or prefixes. The setting decides for fresh nodes. An interface whose
slots are full of single addresses has no slot for a prefix; Cilium never changes a node's mode, and ipamd only as slots
become free. The kubelet's maxPods does not follow by itself either.

## Why it deadlocks
The setting that should relieve the nodes changes nothing on them, and pods bound there go on waiting for addresses.

## Evidence
The setting, the nodes that hold single addresses, and the pods without an address on them.

## Example
`aws-enable-prefix-delegation: true` applied to a cluster whose bootstrap nodes are full.

## Remedy
Replace the nodes one after the other, with a maxPods that the prefixes feed.

## Exceptions
Types that are not of the Nitro system cannot hold prefixes and are not meant. Without pods that lack an address it is a
warning under Cilium and nothing under ipamd, which uses the slots that are free.

## References
- amazon-vpc-cni-k8s: docs/prefix-and-ip-target.md
- cilium: Documentation/network/concepts/ipam/eni.rst
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let Some((place, setting)) = setting(&scene.cluster.declared.cni) else { return Vec::new() };
    let stays = |node: &&Node| {
        let it = scene.catalog.instance_type(&node.instance_type);
        node.network.mode == AddressMode::SecondaryAddresses
            && !node.network.interfaces.is_empty()
            && it.is_some_and(catalog::InstanceType::is_nitro)
    };
    let nodes: Vec<&Node> = scene.cluster.live_nodes().filter(stays).collect();
    let Some(first) = nodes.first() else { return Vec::new() };
    let short = without_address(scene, &nodes.iter().map(|node| node.id).collect::<Vec<_>>());
    // ipamd puts prefixes into slots that are free: it matters where none is.
    if short.is_empty() && matches!(scene.cluster.declared.cni, Cni::VpcCni(_)) {
        return Vec::new();
    }
    let verb = if nodes.len() == 1 { "holds" } else { "hold" };
    let title = format!(
        "prefix delegation is on, and {} still {verb} single addresses where prefixes would go",
        stuck::count(nodes.len(), "node")
    );
    let severity = if short.is_empty() { Severity::Warning } else { Severity::Error };
    let mut finding = Finding::new(RULE.code, severity, title)
        .at(place, format!("{setting} is on"))
        .also(first.location.clone(), "the first of the nodes")
        .number("nodes", nodes.len() as i64)
        .number("pods_without_address", short.len() as i64)
        .help("replace these nodes, with a maxPods that the prefixes feed");
    if !short.is_empty() {
        finding = finding.note(format!("{} on them have no address", stuck::count(short.len(), "pod")));
    }
    stuck::affect(scene, &mut finding, &short);
    vec![finding]
}

fn setting(cni: &Cni) -> Option<(Location, &'static str)> {
    match cni {
        Cni::VpcCni(settings) if settings.prefix_delegation => {
            Some((settings.location.clone(), "ENABLE_PREFIX_DELEGATION"))
        }
        Cni::CiliumEni(settings) if settings.prefix_delegation => {
            Some((settings.location.at("/aws-enable-prefix-delegation"), "aws-enable-prefix-delegation"))
        }
        _ => None,
    }
}

fn without_address(scene: &Scene<'_>, nodes: &[NodeId]) -> Vec<PodId> {
    let pods = scene.cluster.live_pods().filter(|pod| pod.deleted.is_none());
    let short = pods.filter(|pod| matches!(pod.waiting, Some((_, Waiting::NoAddress(_)))));
    short.filter(|pod| pod.node.is_some_and(|node| nodes.contains(&node))).map(|pod| pod.id).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::prefixes;

    #[test]
    fn fires() {
        let ended =
            prefixes("maxPods: 110, addressMode: secondaryIPs, held: {interfaces: 3, addresses: 27}", "");
        insta::assert_snapshot!(ended.told("IP105"), @r#"
        Error: prefix delegation is on, and 2 nodes still hold single addresses where prefixes would go
         at DaemonSet kube-system/aws-node spec.template.spec.containers[0].env: ENABLE_PREFIX_DELEGATION is on
         at Cluster test spec.nodeGroups[0]: the first of the nodes
         note: 6 pods on them have no address
         help: replace these nodes, with a maxPods that the prefixes feed
         nodes: 2
         pods_without_address: 6
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(prefixes("maxPods: 110", "").told("IP105"), "");
    }
}
