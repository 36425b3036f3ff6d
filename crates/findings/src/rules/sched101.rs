//! SCHED101: kube-scheduler finds no node, and nobody adds one.

use std::collections::{BTreeMap, BTreeSet};

use cluster::role::Program;
use cluster::{Kind, PodId, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::launches::Launches;
use crate::placeable::{self, Placeable};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "SCHED101", name: "unschedulable" }, docs: DOCS, examine };

const DOCS: &str = "\
kube-scheduler finds no node for pods, and no provisioner has answered for them.

## What it is
Every node is refused by a filter: too few resources, too many pods, a taint, a selector, a port, a volume's zone.

## Why it deadlocks
When the pods are what others wait for, or when the provisioner that could add a node cannot act: see BOOT101 and
BOOT102.

## Evidence
The scheduler's own message: how many nodes were refused for which reason, and what preemption would find.

## Example
`0/2 nodes are available: 2 Too many pods.`

## Remedy
As the reasons say; or a provisioner, or another node.

## Exceptions
Pods that a NodePool refused have their reason there: NODE101 to NODE106, SCHED102; a label that no node has
is SCHED103.

## References
- kubernetes: pkg/scheduler/framework/plugins
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<PodId>> = BTreeMap::new();
    let placeable = Placeable::new(scene.cluster);
    let launches = Launches::of(scene);
    let refused: BTreeSet<PodId> = launches.refused(scene).into_values().flatten().collect();
    for pod in scene.cluster.live_pods().filter(|pod| pod.deleted.is_none()) {
        let Some((_, Waiting::Unschedulable(rejection))) = &pod.waiting else { continue };
        let answered = scene.cluster.refusals.get(&pod.id).is_some_and(|refusal| !refusal.pools.is_empty());
        let provisioner =
            matches!(pod.template.role.program, Program::Karpenter | Program::ClusterAutoscaler);
        if !answered
            && !provisioner
            && placeable.impossible(&pod.template).is_none()
            && !refused.contains(&pod.id)
            && !launches.is_planned(scene, pod.id)
        {
            groups.entry(rejection.message.clone()).or_default().push(pod.id);
        }
    }
    groups.into_iter().map(|(message, pods)| finding(scene, message, &pods)).collect()
}

fn finding(scene: &Scene<'_>, message: String, pods: &[PodId]) -> Finding {
    let title = format!(
        "{} for a node that takes {}",
        stuck::pods_verb(pods.len(), "waits", "wait"),
        stuck::them(pods.len())
    );
    let mut finding = Finding::new(RULE.code, Severity::Error, title);
    if let Some(location) = stuck::location(scene, pods) {
        finding = finding.at(location, "what waits");
    }
    finding = finding.note(message).note(format!("waiting: {}", words::pods(scene, pods)));
    let unusable = placeable::unusable(scene.cluster, &Kind::NodePool);
    for key in &unusable {
        finding = finding.note(format!("{key} cannot be used as it is written, so it adds no node"));
    }
    finding = finding.help(match unusable.first() {
        Some(key) => format!("correct {key}"),
        None => "make room on a node, or add one: the message says what each node lacks".to_owned(),
    });
    stuck::affect(scene, &mut finding, pods);
    finding
}

#[cfg(test)]
mod tests {
    use crate::testing::{BARE, app, boot};

    #[test]
    fn fires() {
        let ended = boot(&[BARE, &app(1, "cpu: 8", "")]);
        insta::assert_snapshot!(ended.told("SCHED101"), @r#"
        Error: 1 pod waits for a node that takes it
         at Deployment default/app : what waits
         note: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.
         note: waiting: default/app-6d88768796-0
         help: make room on a node, or add one: the message says what each node lacks
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(boot(&[BARE, &app(1, "cpu: 1", "")]).told("SCHED101"), "");
    }
}
