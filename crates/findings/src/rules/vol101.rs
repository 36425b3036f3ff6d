//! VOL101: a volume is not attached.

use cluster::Waiting;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL101", name: "volume-unattached" }, docs: DOCS, examine };

const DOCS: &str = "\
A pod is bound to a node, and its volume cannot be attached there.

## What it is
An instance takes a limited number of volumes, on many types shared with its network interfaces. The limit is known
to the scheduler only once the driver has registered on the node; pods bound before that can be too many.

## Why it deadlocks
A bound pod is never moved: it waits until another volume leaves the node.

## Evidence
The claim, the node, its limit, or who holds the volume.

## Example
Twenty-six StatefulSet pods on one new node whose EBS CSI node plugin started last.

## Remedy
A startup taint for the driver (`ebs.csi.aws.com/agent-not-ready`), anti-affinity or spread for pods with claims.

## Exceptions
A claim that is not bound at all is VOL102.

## References
- kubernetes: pkg/scheduler/framework/plugins/nodevolumelimits
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Pods using PVCs can hit volume limits
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = stuck::by_wait(scene, |pod, waiting| match waiting {
        Waiting::VolumeUnattached { why, .. } => Some((pod.node, words::attach_problem(scene, *why))),
        _ => None,
    });
    let mut findings = Vec::new();
    for ((node, why), pods) in groups {
        let on = node.map_or("no node", |node| words::node_name(scene, node));
        let title = format!("{} on {on}: the volume {why}", stuck::pods_verb(pods.len(), "waits", "wait"));
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        if let Some(location) = stuck::location(scene, &pods) {
            finding = finding.at(location, "what waits");
        }
        finding = finding.note(format!("waiting: {}", words::pods(scene, &pods)));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}
