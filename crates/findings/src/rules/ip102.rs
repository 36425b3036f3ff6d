//! IP102: a subnet is drained by addresses that nodes hold and no pod uses.

use cluster::Waiting;
use cluster::waiting::AddressShortage;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, subnets};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "IP102", name: "subnet-held-by-warm-pools" }, docs: DOCS, examine };

const DOCS: &str = "\
A subnet is drained by addresses that nodes hold in reserve while no pod uses them.

## What it is
By default ipamd fills a whole interface, and keeps a whole interface's worth of addresses free beyond what pods use.
On a large instance that is 50 addresses an interface: a node with one pod holds 100.

## Why it deadlocks
A node that has addresses to spare and a node that has none look alike in EC2's count. The victim is where the pods
wait; the hoarder is elsewhere, and nothing makes it give back.

## Evidence
For each node in the subnet: addresses held, assigned to pods, idle; the largest holders first.

## Example
Thirteen m6a.32xlarge with one pod each hold 1,300 addresses of a zone's /20.

## Remedy
WARM_IP_TARGET and MINIMUM_IP_TARGET, WARM_ENI_TARGET 0, maxPods on the large types, or fewer, fuller nodes.

## Exceptions
A subnet whose addresses pods really use is IP103 alone.

## References
- amazon-vpc-cni-k8s: docs/eni-and-ip-target.md
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let short = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::NoAddress(AddressShortage::SubnetFull { subnet, .. }) => Some(subnet.clone()),
        _ => None,
    });
    let mut findings = Vec::new();
    for (name, pods) in short {
        let Some(subnet) = scene.cluster.subnets.iter().find(|subnet| subnet.name == name) else { continue };
        if !subnets::is_hoarded(scene, subnet.id, pods.len()) {
            continue;
        }
        let idle = subnets::idle(scene, subnet.id);
        let title = format!(
            "nodes hold {idle} addresses of subnet {name} that no pod uses, while {} for one",
            stuck::pods_verb(pods.len(), "waits", "wait")
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(subnet.location.clone(), "drained by warm pools")
            .number("idle_addresses", i64::from(idle))
            .number("wanted_addresses", pods.len() as i64);
        for line in subnets::holders(scene, subnet.id) {
            finding = finding.note(line);
        }
        finding = finding.help(
            "keep fewer addresses in reserve: WARM_IP_TARGET and MINIMUM_IP_TARGET, or a lower WARM_ENI_TARGET",
        );
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::testing::two_nodes;

    #[test]
    fn fires() {
        let ended = two_nodes("{interfaces: 1, addresses: 9}", 0);
        insta::assert_snapshot!(ended.told("IP102"), @r#"
        Error: nodes hold 9 addresses of subnet subnet-a that no pod uses, while 4 pods wait for one
         at Cluster test spec.network.subnets[0]: drained by warm pools
         note: 2 nodes hold 13 of its addresses, 2 of them for pods
         note: idle-1 (m6i.large) holds 10 for 0 pods with an address
         note: busy-1 (m6i.large) holds 3 for 2 pods with an address
         help: keep fewer addresses in reserve: WARM_IP_TARGET and MINIMUM_IP_TARGET, or a lower WARM_ENI_TARGET
         idle_addresses: 9
         wanted_addresses: 4
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(two_nodes("{interfaces: 1, addresses: 0}", 0).told("IP102"), "");
    }
}
