//! SCHED103: pods ask for a label that no node has and no pool gives.

use cluster::requirements::is_well_known;
use cluster::{PodId, SelectorRequirement, Waiting};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::placeable::{NoSuchLabel, Placeable};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "SCHED103", name: "no-such-label" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods select a label, or require it by node affinity, that no node has and no NodePool gives.

## What it is
A node selector is met by the labels of a node. They come from the node group, from the NodePool (its labels and its
requirements), and from the instance. A value that none of them has is met by nobody, however many nodes are added.

## Why it deadlocks
It does not by itself: it is a misconfiguration. Others may wait for the pods.

## Evidence
The label that is asked for, and what comes nearest: other values of the same key, or the same value under another key.

## Example
`nodeSelector: {workload-type: application}` in a cluster whose NodePool for applications was never applied.

## Remedy
Correct the selector, label the node group, or add a NodePool that gives the label.

## Exceptions
Labels that an agent adds to nodes later (node feature discovery, GPU feature discovery) are not known from manifests.
An architecture that no NodePool makes is NODE101. While a NodePool of the input cannot be used as it is written, nothing
is said about labels.

## References
- kubernetes: pkg/scheduler/framework/plugins/nodeaffinity
- karpenter: pkg/scheduling/requirements.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let placeable = Placeable::new(scene.cluster);
    let mut groups: Vec<(NoSuchLabel, Vec<PodId>)> = Vec::new();
    for pod in scene.cluster.live_pods().filter(|pod| pod.deleted.is_none()) {
        let Some((_, Waiting::Unschedulable(_))) = &pod.waiting else { continue };
        let Some(label) = placeable.impossible(&pod.template) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == label) {
            Some((_, pods)) => pods.push(pod.id),
            None => groups.push((label, vec![pod.id])),
        }
    }
    groups.iter().map(|(label, pods)| finding(scene, label, pods)).collect()
}

fn finding(scene: &Scene<'_>, label: &NoSuchLabel, pods: &[PodId]) -> Finding {
    let wanted = words::selector(&label.wanted);
    let pools = match scene.cluster.declared.node_pools.is_empty() {
        true => "and there is no NodePool",
        false => "and no NodePool gives it",
    };
    let title = format!(
        "{} for a node with {wanted}: no node has it, {pools}",
        stuck::pods_verb(pods.len(), "waits", "wait")
    );
    let mut finding = Finding::new(RULE.code, Severity::Error, title).help(help(&label.wanted));
    if let Some(pod) = pods.first() {
        let place = words::label_location(&scene.cluster.pod(*pod).template, label);
        finding = finding.at(place, "what the pods ask for");
    }
    if !label.nearest.is_empty() {
        let nearest: Vec<&str> = label.nearest.iter().map(|label| label.as_str()).collect();
        finding = finding.note(format!("what comes nearest: {}", nearest.join(", ")));
    }
    finding = finding.note(format!("waiting: {}", words::pods(scene, pods)));
    stuck::affect(scene, &mut finding, pods);
    finding
}

fn help(wanted: &SelectorRequirement) -> String {
    let key = &wanted.key;
    if is_well_known(key) {
        return format!("correct the selector, or let a NodePool's requirements allow this {key}");
    }
    format!(
        "correct the selector, or give nodes the label {key}: in a NodePool's template or on a node group"
    )
}

#[cfg(test)]
mod tests {
    use crate::testing::{BARE, CLASS, KARPENTER, app, boot, eks, pool};

    #[test]
    fn what_nobody_can_give_is_a_misconfiguration() {
        let ended = boot(&[BARE, &app(1, "cpu: 1", "nodeSelector: {node-role: system}")]);
        assert_eq!(ended.outcome(), crate::Outcome::Misconfiguration);
        assert_eq!(ended.codes(), ["SCHED103"]);
        insta::assert_snapshot!(ended.chain().join("\n"), @"default/app-6d88768796-0: no node has node-role=system and no NodePool gives it");
    }

    #[test]
    fn a_label_of_a_pool_is_enough() {
        let labelled = pool("m6i.large", "", "")
            .replace("  template:\n", "  template:\n    metadata: {labels: {role: application}}\n");
        let wants = app(1, "cpu: 1", "nodeSelector: {role: application}");
        assert_eq!(boot(&[&eks("", KARPENTER), CLASS, &labelled, &wants]).codes(), [""; 0]);
    }

    #[test]
    fn one_alternative_of_the_affinity_that_can_be_met_is_enough() {
        let wants = |second: &str| {
            let term = |value: &str| {
                format!("{{matchExpressions: [{{key: role, operator: In, values: [{value}]}}]}}")
            };
            let terms = format!("[{}, {}]", term("application"), term(second));
            let affinity = format!(
                "affinity: {{nodeAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: {{nodeSelectorTerms: {terms}}}}}}}"
            );
            boot(&[BARE, &app(1, "cpu: 1", &affinity)]).codes()
        };
        assert_eq!(wants("system"), [""; 0]);
        assert_eq!(wants("other"), ["SCHED103"]);
    }

    #[test]
    fn nothing_is_said_while_a_pool_cannot_be_used() {
        let broken = pool("m6i.large", "foo: bar", "")
            .replace("      foo", "      unknownField")
            .replace("unknownField: bar", "kubelet2: {}");
        let wants = app(1, "cpu: 1", "nodeSelector: {role: application}");
        let ended = boot(&[&eks("", KARPENTER), CLASS, &broken, &wants]);
        assert_eq!((ended.outcome(), ended.codes()), (crate::Outcome::Misconfiguration, vec!["SCHED101"]));
    }

    #[test]
    fn fires() {
        let ended = boot(&[BARE, &app(2, "cpu: 1", "nodeSelector: {role: application}")]);
        insta::assert_snapshot!(ended.told("SCHED103"), @r#"
        Error: 2 pods wait for a node with role=application: no node has it, and there is no NodePool
         at Deployment default/app spec.template.spec.nodeSelector.role: what the pods ask for
         note: what comes nearest: role=system
         note: waiting: default/app-6d88768796-0, default/app-6d88768796-1
         help: correct the selector, or give nodes the label role: in a NodePool's template or on a node group
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(boot(&[BARE, &app(2, "cpu: 1", "nodeSelector: {role: system}")]).told("SCHED103"), "");
    }
}
