//! IP106: a subnet has free addresses, but no wholly free /28.

use cluster::Waiting;
use cluster::network::Shortage;
use cluster::waiting::AddressShortage;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "IP106", name: "subnet-fragmented" }, docs: DOCS, examine };

const DOCS: &str = "\
A subnet has free addresses but no wholly free /28 block, so prefix delegation gets nothing.

## What it is
A prefix is a block of 16 addresses that starts at a multiple of 16. One address in use anywhere in the block makes
it unusable. Single addresses scattered over a subnet use up its blocks long before its addresses.

## Why it deadlocks
The CNI asks for a prefix, EC2 answers InsufficientCidrBlocks, and pods wait although the free count looks large.

## Evidence
Free addresses against wholly free blocks of the subnet.

## Example
A /24 with 20 scattered addresses in use has about four free blocks left of fourteen.

## Remedy
A subnet CIDR reservation of type prefix, a subnet of its own for pods, or replacing the nodes that hold scattered
addresses.

## Exceptions
Cilium falls back to single addresses and never uses prefixes on that node again.

## References
- amazon-vpc-cni-k8s: docs/prefix-and-ip-target.md; issues 2749 and 3105
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let subnets = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::NoAddress(AddressShortage::SubnetFull {
            subnet, code: Shortage::Prefixes, free, ..
        }) if *free >= 16 => Some(subnet.clone()),
        _ => None,
    });
    let mut findings = Vec::new();
    for (name, pods) in subnets {
        let Some(subnet) = scene.cluster.subnets.iter().find(|subnet| subnet.name == name) else { continue };
        let title = format!(
            "subnet {name} has {} free but {}: {} without one",
            stuck::addresses(subnet.space.free),
            match subnet.space.free_blocks {
                0 => "no wholly free /28 block".to_owned(),
                blocks => format!("only {}", stuck::count(blocks as usize, "wholly free /28 block")),
            },
            stuck::pods_verb(pods.len(), "is", "are")
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(subnet.location.clone(), "fragmented")
            .number("free_addresses", i64::from(subnet.space.free))
            .number("free_prefixes", i64::from(subnet.space.free_blocks))
            .note(format!("without an address: {}", words::pods(scene, &pods)))
            .help("reserve a CIDR of type prefix in the subnet, give pods a subnet of their own, or replace the nodes that hold scattered addresses");
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::testing::prefixes;

    #[test]
    fn fires() {
        let ended = prefixes(
            "addressMode: prefixes, held: {interfaces: 1, addresses: 0, prefixes: 1}, maxPods: 110",
            "freeAddresses: 100, freePrefixes: 0,",
        );
        insta::assert_snapshot!(ended.told("IP106"), @r#"
        Error: subnet subnet-a has 100 addresses free but no wholly free /28 block: 14 pods are without one
         at Cluster test spec.network.subnets[0]: fragmented
         note: without an address: default/app-6d88768796-32, default/app-6d88768796-34, default/app-6d88768796-36 and 11 more
         help: reserve a CIDR of type prefix in the subnet, give pods a subnet of their own, or replace the nodes that hold scattered addresses
         free_addresses: 100
         free_prefixes: 0
        Error: subnet subnet-b has 100 addresses free but no wholly free /28 block: 14 pods are without one
         at Cluster test spec.network.subnets[1]: fragmented
         note: without an address: default/app-6d88768796-33, default/app-6d88768796-35, default/app-6d88768796-37 and 11 more
         help: reserve a CIDR of type prefix in the subnet, give pods a subnet of their own, or replace the nodes that hold scattered addresses
         free_addresses: 100
         free_prefixes: 0
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(
            prefixes(
                "addressMode: prefixes, held: {interfaces: 1, addresses: 0, prefixes: 1}, maxPods: 110",
                "freeAddresses: 100, freePrefixes: 4,"
            )
            .told("IP106"),
            ""
        );
    }
}
