//! VOL102: a volume claim is not bound.

use cluster::{Location, PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::volumes::{Problem, groups};
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL102", name: "volume-unbound" }, docs: DOCS, examine };

const DOCS: &str = "\
A pod's volume claim is not bound to a volume.

## What it is
No existing volume fits, and nothing provisions one: the driver's controller is not running, or the class is one of
volumes that are made by hand.

## Why it deadlocks
When the driver's controller itself waits for what the pods hold: a node, an address, DNS.

## Evidence
The claim, its class, and what the driver waits for.

## Example
A claim of class gp3 in a cluster without the EBS CSI driver.

## Remedy
Install the driver, or create the volume where the class is one of volumes made by hand.

## Exceptions
A claim that is missing is VOL103, one without a class VOL104, a volume where no node is VOL105.
`WaitForFirstConsumer` claims are unbound until their pod is scheduled; that alone is no finding.

## References
- kubernetes: pkg/controller/volume/persistentvolume
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let bound = stuck::by_wait(scene, |_, waiting| match waiting {
        Waiting::VolumeUnbound { claim, waits_for } => {
            Some((claim.clone(), waits_for.as_ref().map(ToString::to_string)))
        }
        _ => None,
    });
    let mut findings: Vec<Finding> = bound
        .into_iter()
        .map(|((claim, waits_for), pods)| finding(scene, &claim, waits_for, None, &pods))
        .collect();
    // A class that binds at once keeps its pods off every node until then.
    let kept = groups(scene, |problem| matches!(problem, Problem::Unprovisioned(_)));
    findings.extend(kept.into_iter().map(|(kept, pods)| {
        let waits_for = kept.waits_for().map(|capability| capability.to_string());
        finding(scene, &kept.claim, waits_for, Some(kept.location), &pods)
    }));
    findings
}

fn finding(
    scene: &Scene<'_>,
    claim: &str,
    waits_for: Option<String>,
    written: Option<Location>,
    pods: &[PodId],
) -> Finding {
    let why = match &waits_for {
        Some(capability) => format!("it waits for {capability}"),
        None => "nothing provisions it".to_owned(),
    };
    let title = format!("volume claim {claim} is not bound: {why}");
    let mut finding = Finding::new(RULE.code, Severity::Error, title);
    if let Some(location) = stuck::location(scene, pods) {
        finding = finding.at(location, "what waits");
    }
    if let Some(location) = written {
        finding = finding.also(location, "the claim");
    }
    finding = finding.note(format!("waiting: {}", words::pods(scene, pods)));
    finding = finding.help(match waits_for {
        Some(_) => "install the driver, or help its controller run: other findings say what it waits for",
        None => "name a storage class that provisions, or create the volume",
    });
    stuck::affect(scene, &mut finding, pods);
    finding
}

#[cfg(test)]
mod tests {
    use crate::testing::{app, boot, eks};

    fn with_claim(addons: &str) -> crate::testing::Ended {
        with_mode("WaitForFirstConsumer", addons)
    }

    fn with_mode(mode: &str, addons: &str) -> crate::testing::Ended {
        let volumes = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: gp3}
provisioner: ebs.csi.aws.com
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: default}
spec: {storageClassName: gp3, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
";
        let pod = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]";
        boot(&[
            &eks("", &format!("addons: [{{name: vpc-cni}}, {{name: coredns}}{addons}]")),
            &volumes.replace("WaitForFirstConsumer", mode),
            &app(1, "cpu: 100m", pod),
        ])
    }

    #[test]
    fn fires() {
        let ended = with_claim("");
        insta::assert_snapshot!(ended.told("VOL102"), @r#"
        Error: volume claim data is not bound: it waits for volumes of ebs.csi.aws.com
         at Deployment default/app : what waits
         note: waiting: default/app-6d88768796-0
         help: install the driver, or help its controller run: other findings say what it waits for
        "#);
    }

    /// A class that binds at once: the pod is not even placed.
    #[test]
    fn fires_for_a_class_that_binds_at_once() {
        let ended = with_mode("Immediate", "");
        assert_eq!(ended.codes(), ["VOL102"]);
        insta::assert_snapshot!(ended.told("VOL102"), @r#"
        Error: volume claim data is not bound: it waits for volumes of ebs.csi.aws.com
         at Deployment default/app : what waits
         at PersistentVolumeClaim default/data spec: the claim
         note: waiting: default/app-6d88768796-0
         help: install the driver, or help its controller run: other findings say what it waits for
        "#);
        assert_eq!(with_mode("Immediate", ", {name: aws-ebs-csi-driver}").told("VOL102"), "");
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_claim(", {name: aws-ebs-csi-driver}").told("VOL102"), "");
    }
}
