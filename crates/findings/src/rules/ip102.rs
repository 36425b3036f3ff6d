//! IP102: a subnet is drained by addresses that nodes hold and no pod uses.

use cluster::Waiting;
use cluster::network::SubnetId;
use cluster::waiting::AddressShortage;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

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

/// A subnet counts as held by warm pools when the idle addresses of its nodes are at least this many times what
/// is wanted in vain.
const IDLE_PER_WANTED: u32 = 1;

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let short = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::NoAddress(AddressShortage::SubnetFull { subnet, .. }) => Some(subnet.clone()),
        _ => None,
    });
    let mut findings = Vec::new();
    for (name, pods) in short {
        let Some(subnet) = scene.cluster.subnets.iter().find(|subnet| subnet.name == name) else { continue };
        let idle = idle(scene, subnet.id);
        let wanted = u32::try_from(pods.len()).unwrap_or(u32::MAX);
        if idle < wanted.saturating_mul(IDLE_PER_WANTED) {
            continue;
        }
        let title = format!(
            "nodes hold {idle} addresses of subnet {name} that no pod uses, while {} for one",
            stuck::pods_verb(pods.len(), "waits", "wait")
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(subnet.location.clone(), "drained by warm pools")
            .number("idle_addresses", i64::from(idle))
            .number("wanted_addresses", i64::from(wanted));
        for line in words::holders(scene, subnet.id) {
            finding = finding.note(line);
        }
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

/// Addresses that nodes hold in a subnet and no pod uses; primaries are in use.
fn idle(scene: &Scene<'_>, subnet: SubnetId) -> u32 {
    let nodes = scene.cluster.live_nodes();
    let interfaces = nodes.flat_map(|node| &node.network.interfaces);
    let slots = interfaces.filter(|interface| interface.subnet == Some(subnet)).flat_map(|i| &i.slots);
    slots.map(|slot| slot.size().saturating_sub(slot.assigned)).sum()
}
