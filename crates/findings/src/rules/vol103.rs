//! VOL103: a pod names a volume claim that does not exist.

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::volumes::{Kept, Problem, groups};
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL103", name: "claim-missing" }, docs: DOCS, examine };

const DOCS: &str = "\
A pod names a volume claim that the input does not hold.

## What it is
kube-scheduler looks for every claim that a pod names before it looks at any node. A claim that does not exist keeps
its pod off all of them.

## Why it deadlocks
It does not by itself: the pod waits until somebody makes the claim.

## Evidence
The claim's name, its namespace, and the claims that are there.

## Example
`claimName: data` where the chart that makes the claim calls it `app-data`.

## Remedy
Add the claim, or name one that exists.

## Exceptions
A claim of a StatefulSet's template or of an ephemeral volume is made by Kubernetes. A claim is never taken to exist
elsewhere: its zone and its driver decide where its pod can run.

## References
- kubernetes: pkg/scheduler/framework/plugins/volumebinding
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = groups(scene, |problem| *problem == Problem::Missing);
    groups.into_iter().map(|(kept, pods)| finding(scene, &kept, &pods)).collect()
}

fn finding(scene: &Scene<'_>, kept: &Kept, pods: &[cluster::PodId]) -> Finding {
    let namespace = &scene.cluster.pod(pods[0]).namespace;
    let claim = format!("PersistentVolumeClaim {namespace}/{}", kept.claim);
    let title =
        format!("{} for {claim}, which does not exist", stuck::pods_verb(pods.len(), "waits", "wait"));
    let claims = scene.cluster.volume_claims.iter().filter(|claim| claim.namespace == *namespace);
    let there: Vec<&str> = claims.take(5).map(|claim| claim.name.as_str()).collect();
    let there = match there.as_slice() {
        [] => format!("namespace {namespace} has no claims"),
        names => format!("claims of namespace {namespace}: {}", names.join(", ")),
    };
    let mut finding = Finding::new(RULE.code, Severity::Error, title)
        .at(kept.location.clone(), "names it")
        .note(there)
        .note(format!("waiting: {}", words::pods(scene, pods)))
        .help(format!("add {claim} to the input, or name a claim that exists"));
    stuck::affect(scene, &mut finding, pods);
    finding
}

#[cfg(test)]
mod tests {
    use crate::Outcome;
    use crate::testing::{BARE, Ended, app, boot};

    fn naming(claim: &str) -> Ended {
        let volumes = "
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: default}, spec: {volumeName: data, accessModes: [ReadWriteMany], storageClassName: ''}}
---
{apiVersion: v1, kind: PersistentVolume, metadata: {name: data}, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany], nfs: {server: a, path: /}, claimRef: {namespace: default, name: data}}}
";
        let pod = format!("volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]");
        boot(&[BARE, volumes, &app(1, "cpu: 100m", &pod)])
    }

    #[test]
    fn fires() {
        let ended = naming("dota");
        assert_eq!((ended.outcome(), ended.codes()), (Outcome::Misconfiguration, vec!["VOL103"]));
        insta::assert_snapshot!(ended.told("VOL103"), @r#"
        Error: 1 pod waits for PersistentVolumeClaim default/dota, which does not exist
         at Deployment default/app spec.template.spec.volumes: names it
         note: claims of namespace default: data
         note: waiting: default/app-6d88768796-0
         help: add PersistentVolumeClaim default/dota to the input, or name a claim that exists
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(naming("data").outcome(), Outcome::Converges);
    }
}
