//! IP103: a subnet has no addresses (or no whole prefixes) left for pods.

use cluster::network::{AddressSpace, Cni, Shortage};
use cluster::profile::Provider;
use cluster::waiting::AddressShortage;
use cluster::{NodeId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, subnets, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "IP103", name: "subnet-exhausted" }, docs: DOCS, examine };

const DOCS: &str = "\
A subnet refuses addresses or prefixes, and pods on its nodes stay in ContainerCreating.

## What it is
Pods take addresses of the subnet that their node is in. EC2 counts what interfaces hold, not what pods use: warm
pools, primaries and whole prefixes all count. When nothing is left, the CNI cannot connect another pod, while
kube-scheduler and Karpenter go on as if it could.

## Why it deadlocks
EC2 still launches an instance while a single address is free, so the provisioner adds nodes whose pods cannot start,
and each of those nodes takes more addresses for its own warm pool.

## Evidence
The subnet, EC2's error code, single addresses and wholly free /28 blocks left in it, and who holds the others.

## Example
A /20 with 1,300 free addresses, and thirteen m6a.32xlarge with one pod each: every node holds 100. On GKE, a /20 for
pods with 110 pods a node: it holds 16 blocks of /24, and the seventeenth node gets none.

## Remedy
Lower warm targets; prefix delegation with a reserved block; more or larger subnets; custom networking; spreading
nodes over zones.

## Exceptions
`InsufficientCidrBlocks` with many single addresses free is fragmentation: IP106.

## References
- amazon-vpc-cni-k8s: pkg/ipamd/ipamd.go, README.md
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, IP exhaustion in a subnet
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let subnets = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::NoAddress(AddressShortage::SubnetFull { subnet, code, free, .. })
            if *code != Shortage::Prefixes || *free < 16 =>
        {
            Some(subnet.clone())
        }
        _ => None,
    });
    let mut findings = Vec::new();
    for (name, pods) in subnets {
        let Some(subnet) = scene.cluster.subnets.iter().find(|subnet| subnet.name == name) else { continue };
        let mut finding = Finding::new(RULE.code, Severity::Error, title(&subnet.space, &name, pods.len()))
            .at(subnet.location.clone(), format!("{} free at the end", stuck::addresses(subnet.space.free)))
            .number("free_addresses", i64::from(subnet.space.free))
            .number("free_prefixes", i64::from(subnet.space.free_blocks))
            .note(format!("without an address: {}", words::pods(scene, &pods)))
            .help(
                "a larger or further subnet, custom networking, or fewer addresses in reserve on each node",
            );
        // IP102 tells who holds them idle.
        if !subnets::is_hoarded(scene, subnet.id, pods.len()) {
            for line in subnets::holders(scene, subnet.id) {
                finding = finding.note(line);
            }
        }
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings.extend(ranges(scene));
    findings
}

/// A pod range that feeds a fixed number of nodes (GKE, Cilium's cluster-pool): the nodes beyond it have nothing.
fn ranges(scene: &Scene<'_>) -> Option<Finding> {
    let Cni::PerNodeRange { addresses_per_node, max_nodes: Some(blocks) } = scene.cluster.declared.cni else {
        return None;
    };
    let nodes = scene.cluster.live_nodes().count();
    let beyond = nodes.saturating_sub(blocks as usize);
    let without: Vec<NodeId> =
        scene.cluster.live_nodes().filter(|node| !node.network.cni_ready).map(|node| node.id).collect();
    if beyond == 0 || without.is_empty() {
        return None;
    }
    let size = |addresses: u64| 32 - addresses.max(1).ilog2();
    let (block, range) =
        (size(addresses_per_node.into()), size(u64::from(addresses_per_node) * u64::from(blocks)));
    let title = format!(
        "{} no range for pods: the pod range, a /{range}, holds {} of /{block}, one a node",
        if without.len() == 1 { "1 node has".to_owned() } else { format!("{} nodes have", without.len()) },
        stuck::count(blocks as usize, "block"),
    );
    let profile = &scene.cluster.declared.profile;
    let names: Vec<&str> = without.iter().take(3).map(|node| words::node_name(scene, *node)).collect();
    let place = if profile.provider == Provider::Gke {
        profile.location.at("/spec/gke/podRange")
    } else {
        profile.location.clone()
    };
    let finding = Finding::new(RULE.code, Severity::Error, title)
        .at(place, format!("{nodes} nodes share it"))
        .number("blocks", i64::from(blocks))
        .number("nodes", nodes as i64)
        .note(format!("not Ready for want of a range: {}", names.join(", ")))
        .help("a further pod range, a larger one, or a lower pods limit per node, which makes the blocks smaller");
    Some(finding)
}

fn title(space: &AddressSpace, name: &str, pods: usize) -> String {
    let left = match space.free {
        0 => "has none left".to_owned(),
        free => format!("has only {} left, fewer than its nodes ask for at once", stuck::addresses(free)),
    };
    format!("{} no address: subnet {name} {left}", stuck::pods_verb(pods, "has", "have"))
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, two_nodes};

    fn gke(range: u32) -> crate::testing::Ended {
        let groups = "nodeGroups: [{name: pool, instanceType: m6i.large, count: 3, maxPods: 110}]";
        let spec =
            format!("spec: {{provider: gke, gke: {{podRange: /{range}, maxPodsPerNode: 110}}, {groups}}}");
        boot(&[
            &format!(
                "{{apiVersion: plimsoll.dev/v1alpha1, kind: Cluster, metadata: {{name: test}}, {spec}}}"
            ),
            &app(3, "cpu: 1500m", ""),
        ])
    }

    #[test]
    fn a_node_beyond_the_pod_range_has_none() {
        insta::assert_snapshot!(gke(23).told("IP103"), @r#"
        Error: 1 node has no range for pods: the pod range, a /23, holds 2 blocks of /24, one a node
         at Cluster test spec.gke.podRange: 3 nodes share it
         note: not Ready for want of a range: pool-3
         help: a further pod range, a larger one, or a lower pods limit per node, which makes the blocks smaller
         blocks: 2
         nodes: 3
        "#);
        assert_eq!(gke(22).codes(), [""; 0]);
    }

    #[test]
    fn fires() {
        let ended = two_nodes("{interfaces: 1, addresses: 0}", 0);
        insta::assert_snapshot!(ended.told("IP103"), @r#"
        Error: 4 pods have no address: subnet subnet-a has none left
         at Cluster test spec.network.subnets[0]: 0 addresses free at the end
         note: without an address: default/app-6d88768796-2, default/app-6d88768796-3, default/app-6d88768796-4 and 1 more
         note: 2 nodes hold 4 of its addresses, 2 of them for pods
         note: idle-1 (m6i.large) holds 1 for 0 pods with an address
         note: busy-1 (m6i.large) holds 3 for 2 pods with an address
         help: a larger or further subnet, custom networking, or fewer addresses in reserve on each node
         free_addresses: 0
         free_prefixes: 0
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(two_nodes("{interfaces: 1, addresses: 0}", 200).told("IP103"), "");
    }
}
