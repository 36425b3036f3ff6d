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
    finding = finding.help(
        "set dnsPolicy: Default, or keep room for cluster DNS on nodes that the provisioner does not manage",
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

#[cfg(test)]
mod tests {
    use crate::testing::{boot, eks};

    /// Nodes whose taint Karpenter tolerates, and cluster DNS perhaps.
    fn with_dns(coredns: &str) -> crate::testing::Ended {
        let tolerates = "tolerations: [{key: dedicated, operator: Exists}]";
        let addons = format!(
            "addons: [{{name: vpc-cni}}, {{name: coredns, {coredns}}}, {{name: karpenter, {tolerates}}}]"
        );
        boot(&[&eks("taints: [{key: dedicated, effect: NoSchedule}]", &addons)])
    }

    #[test]
    fn fires() {
        let ended = with_dns("replicas: 2");
        insta::assert_snapshot!(ended.told("BOOT102"), @r#"
        Error: Karpenter waits for cluster DNS, and cluster DNS cannot start without what only it can add
         at Cluster test spec.addons[2].spec.dnsPolicy: ClusterFirst: sts and ec2 are resolved by cluster DNS
         note: cluster DNS is not there: Deployment kube-system/coredns is not running
         note: kube-system/coredns-8447f7f77c-0, kube-system/coredns-8447f7f77c-1: 0/2 nodes are available: 2 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
         help: set dnsPolicy: Default, or keep room for cluster DNS on nodes that the provisioner does not manage
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_dns("tolerations: [{operator: Exists}]").told("BOOT102"), "");
    }
}
