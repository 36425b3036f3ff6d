//! BOOT102: the provisioner needs cluster DNS, and cluster DNS needs what only the provisioner can add.

use cluster::capability::Capability;
use cluster::role::Program;
use cluster::waiting::CrashCause;
use cluster::{Waiting, WorkloadId};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::wait::Party;
use crate::words;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "BOOT102", name: "provisioner-waits-for-dns" }, docs: DOCS, examine };

const DOCS: &str = "\
The provisioner resolves names by cluster DNS, and cluster DNS is not running.

## What it is
Karpenter with `dnsPolicy: ClusterFirst` (its chart's default) asks cluster DNS for `sts.…` and `ec2.…`. While no
DNS pod is ready, every call fails with an I/O time-out and the controller exits at start.

## Why it deadlocks
When the DNS pods wait for room or for addresses on full nodes, only a new node could relieve them, and only the
provisioner adds nodes.

## Evidence
The provisioner's dnsPolicy, the DNS pods and what each of them waits for.

## Example
A freshly vended cluster whose two bootstrap nodes are full before CoreDNS has an address.

## Remedy
`dnsPolicy: Default` on the provisioner (it then asks the VPC's resolver), or room and addresses that are kept for
cluster DNS on nodes that the provisioner does not manage.

## Exceptions
Host-network pods with `ClusterFirst` already use the node's resolver.

## References
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Failed Resolving STS Credentials with I/O Timeout
- kubernetes: pkg/kubelet/network/dns/dns.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let dns = Party::Capability(Capability::ClusterDns);
    if scene.graph.of(&dns).next().is_none() {
        return Vec::new();
    }
    let waiting = scene.cluster.declared.workload_ids().filter(|(id, workload)| {
        let provisioner =
            matches!(workload.template.role.program, Program::Karpenter | Program::ClusterAutoscaler);
        provisioner && needs_dns(scene, *id)
    });
    waiting.map(|(id, _)| finding(scene, id)).collect()
}

fn needs_dns(scene: &Scene<'_>, id: WorkloadId) -> bool {
    let blocked = matches!(scene.cluster.blocked.get(&id), Some((_, Capability::ClusterDns)));
    let crashing = |pod: &cluster::Pod| {
        pod.workload == Some(id)
            && matches!(
                &pod.waiting,
                Some((_, Waiting::Crashing { why: CrashCause::Needs(Capability::ClusterDns), .. }))
            )
    };
    blocked || scene.cluster.live_pods().any(crashing)
}

fn finding(scene: &Scene<'_>, id: WorkloadId) -> Finding {
    let workload = scene.cluster.declared.workload(id);
    let title = format!(
        "{} waits for cluster DNS, and cluster DNS cannot start without what only it can add",
        workload.template.role.program
    );
    let mut finding = Finding::new(RULE.code, Severity::Error, title).at(
        workload.template.location.at("/spec/dnsPolicy"),
        "ClusterFirst: sts and ec2 are resolved by cluster DNS",
    );
    finding.affects(workload.key.clone());
    for wait in scene.graph.of(&Party::Capability(Capability::ClusterDns)) {
        finding = finding.note(words::wait(scene, wait));
        for behind in scene.graph.of(&wait.on) {
            finding = finding.note(words::wait(scene, behind));
        }
    }
    finding
}
