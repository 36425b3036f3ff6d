//! VOL105: a volume is where no node is.

use std::collections::BTreeSet;

use cluster::Name;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::launches::Launches;
use crate::rules::Rule;
use crate::scene::Scene;
use crate::volumes::{Kept, Problem, groups, zones_of};
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "VOL105", name: "volume-elsewhere" }, docs: DOCS, examine };

const DOCS: &str = "\
A pod's volume can be used only where the cluster has no node.

## What it is
An EBS volume stays in its zone for ever. Its `nodeAffinity` names the zone, and kube-scheduler keeps the pod off every
node outside of it.

## Why it deadlocks
It does not by itself: no number of nodes in the other zones helps.

## Evidence
The claim, its volume, the volume's zones, and the zones that have nodes.

## Example
A volume in us-west-2c that was restored from a snapshot, and node groups in us-west-2a and us-west-2b.

## Remedy
Run a node in the volume's zone, or make the volume anew from a snapshot where the nodes are.

## Exceptions
Where the zone has nodes and these are full or refuse the pod otherwise, SCHED101 has the reasons.

## References
- kubernetes: pkg/scheduler/framework/plugins/{volumebinding,volumezone}
- karpenter: pkg/controllers/provisioning/scheduling/volumetopology.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let groups = groups(scene, |problem| matches!(problem, Problem::Elsewhere(_)));
    // A node on its way there that EC2 refuses is NODE105's.
    let launches = Launches::of(scene);
    let told =
        groups.into_iter().filter(|(_, pods)| !pods.iter().any(|pod| launches.is_planned(scene, *pod)));
    told.filter_map(|(kept, pods)| finding(scene, &kept, &pods)).collect()
}

fn finding(scene: &Scene<'_>, kept: &Kept, pods: &[cluster::PodId]) -> Option<Finding> {
    let Problem::Elsewhere(name) = &kept.problem else { return None };
    let volume = scene.cluster.volumes.iter().find(|volume| volume.name == *name);
    let what = match volume {
        Some(_) => format!("volume {name} of claim {}", kept.claim),
        None => format!("every volume of StorageClass {name}, which claim {} asks for,", kept.claim),
    };
    let zones = zones_of(scene.cluster, name);
    let only = match zones.len() {
        0 => "can be used only on nodes that are not there".to_owned(),
        _ => format!("is in {}, where no node is", listed(&zones)),
    };
    let of_nodes: BTreeSet<Name> =
        scene.cluster.live_nodes().map(|node| node.zone.clone()).filter(|zone| !zone.is_empty()).collect();
    let written = volume.and_then(|volume| volume.location.clone()).map(|at| at.at("/spec/nodeAffinity"));
    let mut finding = Finding::new(RULE.code, Severity::Error, format!("{what} {only}"));
    finding = match written {
        Some(at) => finding.at(at, "where it can be used").also(kept.location.clone(), "the claim"),
        None => finding.at(kept.location.clone(), "the claim"),
    };
    if !of_nodes.is_empty() {
        finding = finding.note(format!("nodes are in {}", listed(&of_nodes)));
    }
    let where_to =
        if zones.is_empty() { "where the volume is".to_owned() } else { format!("in {}", listed(&zones)) };
    let mut finding = finding
        .note(format!("waiting: {}", words::pods(scene, pods)))
        .help(format!("run a node {where_to}, or make the volume anew from a snapshot where the nodes are"));
    stuck::affect(scene, &mut finding, pods);
    Some(finding)
}

fn listed(zones: &BTreeSet<Name>) -> String {
    zones.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::Outcome;
    use crate::testing::{Ended, app, boot, eks};

    fn in_zone(zone: &str) -> Ended {
        in_zone_by("topology.kubernetes.io/zone", zone)
    }

    fn in_zone_by(key: &str, zone: &str) -> Ended {
        let volumes = format!(
            "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: default}}
spec: {{storageClassName: '', volumeName: data, accessModes: [ReadWriteOnce]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: data}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  claimRef: {{namespace: default, name: data}}
  csi: {{driver: ebs.csi.aws.com, volumeHandle: vol-1}}
  nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: {key}, operator: In, values: [{zone}]}}]}}]}}}}
"
        );
        let addons = "addons: [{name: vpc-cni}, {name: coredns}, {name: aws-ebs-csi-driver}]";
        let pod = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]";
        boot(&[&eks("", addons), &volumes, &app(1, "cpu: 100m", pod)])
    }

    #[test]
    fn fires() {
        let ended = in_zone("us-east-1c");
        assert_eq!((ended.outcome(), ended.codes()), (Outcome::Misconfiguration, vec!["VOL105"]));
        insta::assert_snapshot!(ended.told("VOL105"), @r#"
        Error: volume data of claim data is in us-east-1c, where no node is
         at PersistentVolume data spec.nodeAffinity: where it can be used
         at PersistentVolumeClaim default/data spec: the claim
         note: nodes are in us-east-1a, us-east-1b
         note: waiting: default/app-6d88768796-0
         help: run a node in us-east-1c, or make the volume anew from a snapshot where the nodes are
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(in_zone("us-east-1b").outcome(), Outcome::Converges);
        // The driver's own key is on the nodes once its plugin runs there.
        let own_key = in_zone_by("topology.ebs.csi.aws.com/zone", "us-east-1b");
        assert_eq!(own_key.outcome(), Outcome::Converges, "{:?}", own_key.codes());
    }
}
