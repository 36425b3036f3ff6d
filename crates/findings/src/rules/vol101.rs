//! VOL101: a volume is not attached.

use cluster::Waiting;
use cluster::waiting::AttachProblem;

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
        Waiting::VolumeUnattached { why, .. } => Some((pod.node, *why)),
        _ => None,
    });
    let mut findings = Vec::new();
    for ((node, why), pods) in groups {
        let on = node.map_or("no node", |node| words::node_name(scene, node));
        let problem = words::attach_problem(scene, why);
        let title =
            format!("{} on {on}: the volume {problem}", stuck::pods_verb(pods.len(), "waits", "wait"));
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        if let Some(location) = stuck::location(scene, &pods) {
            finding = finding.at(location, "what waits");
        }
        finding = finding.note(format!("waiting: {}", words::pods(scene, &pods))).help(help(why));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

fn help(why: AttachProblem) -> &'static str {
    match why {
        AttachProblem::LimitReached { .. } => {
            "spread the pods with volumes over more nodes: anti-affinity, or a startup taint until the driver has registered"
        }
        AttachProblem::HeldBy(_) => {
            "delete the pod on the other node, or wait until the volume is detached by force"
        }
        AttachProblem::DriverNotRunning => {
            "install the driver, or help its controller run: other findings say what it waits for"
        }
        AttachProblem::NotRegistered => {
            "run the driver's node plugin on this node: its DaemonSet does not tolerate or select it"
        }
        AttachProblem::WrongZone => {
            "bind the volume where the pod runs: volumeBindingMode WaitForFirstConsumer"
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, eks};

    fn with_claim(addons: &str) -> crate::testing::Ended {
        let volumes = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3}
provisioner: ebs.csi.aws.com
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {storageClassName: gp3, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: data}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: gp3
  claimRef: {namespace: default, name: data}
  csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}
";
        let pod = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]";
        boot(&[
            &eks("", &format!("addons: [{{name: vpc-cni}}, {{name: coredns}}{addons}]")),
            volumes,
            &app(1, "cpu: 100m", pod),
        ])
    }

    #[test]
    fn fires() {
        let ended = with_claim("");
        insta::assert_snapshot!(ended.told("VOL101"), @r#"
        Error: 1 pod waits on system-1: the volume is not attached: the driver's controller is not running
         at Deployment default/app : what waits
         note: waiting: default/app-6d88768796-0
         help: install the driver, or help its controller run: other findings say what it waits for
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_claim(", {name: aws-ebs-csi-driver}").told("VOL101"), "");
    }
}
