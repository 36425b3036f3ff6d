//! IP103: a subnet has no addresses (or no whole prefixes) left for pods.

use cluster::Waiting;
use cluster::network::Shortage;
use cluster::waiting::AddressShortage;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

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
A /20 with 1,300 free addresses, and thirteen m6a.32xlarge with one pod each: every node holds 100.

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
        let title = format!(
            "{} no address: subnet {name} has none left",
            stuck::pods_verb(pods.len(), "has", "have")
        );
        let holders = words::holders(scene, subnet.id);
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(subnet.location.clone(), format!("{} free addresses at the end", subnet.space.free))
            .number("free_addresses", i64::from(subnet.space.free))
            .number("free_prefixes", i64::from(subnet.space.free_blocks))
            .note(format!("without an address: {}", words::pods(scene, &pods)));
        for line in holders {
            finding = finding.note(line);
        }
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}
