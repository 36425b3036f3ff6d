//! VOL104: a volume claim has no storage class.

use cluster::profile::Provider;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::volumes::{Kept, Problem, groups};
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL104", name: "claim-without-class" }, docs: DOCS, examine };

const DOCS: &str = "\
A volume claim names no StorageClass and none is the default, or it names one that the cluster does not have.

## What it is
Without a class nothing makes a volume for the claim. EKS makes the class `gp2` in every cluster; since Kubernetes 1.30
it is not the default any more, so a claim that names no class stays Pending there.

## Why it deadlocks
It does not by itself: the pod waits for its claim, and the claim for a person.

## Evidence
The claim, where it names its class or could, the classes that are there, and which of them is the default.

## Example
A chart with `persistence: {enabled: true}` and no `storageClass`, on EKS 1.33.

## Remedy
Name a class that exists, or make one the default with the annotation `storageclass.kubernetes.io/is-default-class`.

## Exceptions
A class that is named and not in the input is taken to exist (CONF115), unless the input is a dump of the cluster.
`storageClassName: \"\"` asks for a volume without a class.

## References
- Amazon EKS Kubernetes versions: 1.30
- kubernetes: plugin/pkg/admission/storage/storageclass/setdefault
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = groups(scene, |problem| matches!(problem, Problem::NoClass | Problem::ClassMissing(_)));
    groups.into_iter().map(|(kept, pods)| finding(scene, &kept, &pods)).collect()
}

fn finding(scene: &Scene<'_>, kept: &Kept, pods: &[cluster::PodId]) -> Finding {
    let what = if kept.template { "volume claim template" } else { "volume claim" };
    let why = match &kept.problem {
        Problem::ClassMissing(class) => format!("names StorageClass {class}, which does not exist"),
        _ => "names no StorageClass, and none is the default".to_owned(),
    };
    let declared = &scene.cluster.declared;
    let classes: Vec<&str> = declared.storage_classes.iter().map(|class| class.name.as_str()).collect();
    let there = match classes.as_slice() {
        [] => "the cluster has no StorageClass".to_owned(),
        names => format!("classes of the cluster: {}", names.join(", ")),
    };
    let mut finding = Finding::new(RULE.code, Severity::Error, format!("{what} {} {why}", kept.claim))
        .at(kept.location.at("/storageClassName"), "no class")
        .note(there);
    if kept.problem == Problem::NoClass && declared.profile.provider == Provider::Eks {
        let (major, minor) = declared.profile.kubernetes;
        finding = finding.note(format!("EKS brings no default class since 1.30; this is {major}.{minor}"));
    }
    let help = match classes.first() {
        Some(class) => format!(
            "write storageClassName: {class}, or mark a class as the default: storageclass.kubernetes.io/is-default-class: \"true\""
        ),
        None => "add a StorageClass, and name it or make it the default".to_owned(),
    };
    finding = finding.note(format!("waiting: {}", words::pods(scene, pods))).help(help);
    stuck::affect(scene, &mut finding, pods);
    finding
}

#[cfg(test)]
mod tests {
    use crate::Outcome;
    use crate::testing::{Ended, app, boot, eks};

    fn on_eks(version: &str, class: &str) -> Ended {
        let claim = format!(
            "{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{name: data, namespace: default}}, spec: {{accessModes: [ReadWriteOnce]{class}}}}}"
        );
        let addons = "addons: [{name: vpc-cni}, {name: coredns}, {name: aws-ebs-csi-driver}]";
        let more = format!("kubernetesVersion: '{version}'\n  {addons}");
        let pod = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]";
        boot(&[&eks("", &more), &claim, &app(1, "cpu: 100m", pod)])
    }

    #[test]
    fn fires() {
        let ended = on_eks("1.33", "");
        assert_eq!((ended.outcome(), ended.codes()), (Outcome::Misconfiguration, vec!["VOL104"]));
        insta::assert_snapshot!(ended.told("VOL104"), @r#"
        Error: volume claim data names no StorageClass, and none is the default
         at PersistentVolumeClaim default/data spec.storageClassName: no class
         note: classes of the cluster: gp2
         note: EKS brings no default class since 1.30; this is 1.33
         note: waiting: default/app-6d88768796-0
         help: write storageClassName: gp2, or mark a class as the default: storageclass.kubernetes.io/is-default-class: "true"
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(on_eks("1.29", "").outcome(), Outcome::Converges);
        assert_eq!(on_eks("1.33", ", storageClassName: gp2").outcome(), Outcome::Converges);
        assert_eq!(on_eks("1.33", ", storageClassName: of-terraform").outcome(), Outcome::Converges);
    }
}
