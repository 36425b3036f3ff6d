//! NODE104: a pool cannot be used, because it or its node class is not ready.

use cluster::rejection::PoolReason;
use cluster::{Declared, NodeClass};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::selected::{self, Selected};
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "NODE104", name: "pool-not-ready" }, docs: DOCS, examine };

const DOCS: &str = "\
A NodePool is not ready: its node class is missing, or selects no subnet, security group or role.

## What it is
Karpenter uses a pool only while its EC2NodeClass is ready: it exists, its selectors find subnets and security
groups, and it has a role or an instance profile.

## Why it deadlocks
The pool adds nothing; pods that only it could serve wait until someone repairs it.

## Evidence
What is missing, and the selector that finds nothing.

## Example
A subnet selector for the tag `karpenter.sh/discovery: prod` in a VPC whose subnets carry `karpenter.sh/discovery: dev`.

## Remedy
Correct the reference, the selector or the tags.

## Exceptions
A profile without subnets or security groups says nothing about them: they are then assumed to be found.

## References
- karpenter-provider-aws: pkg/controllers/nodeclass
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let pools = stuck::by_pool(scene, |reason| match reason {
        PoolReason::NotReady { why } => Some(why.clone()),
        _ => None,
    });
    let mut findings = Vec::new();
    for ((index, why), pods) in pools {
        let pool = &scene.cluster.declared.node_pools[index];
        let why = words::not_ready(scene, &pool.name, &why);
        let title = format!(
            "{} for NodePool {}, which is not ready: {why}",
            stuck::pods_verb(pods.len(), "waits", "wait"),
            pool.name
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(pool.location.at("/spec/template/spec/nodeClassRef"), "the node class of this pool");
        finding = finding.help(format!("repair EC2NodeClass {}, or name one that is ready", pool.node_class));
        if let Some(class) = scene.cluster.declared.node_class(&pool.node_class) {
            finding = finding.also(class.location.clone(), "the node class");
            finding.notes.extend(unselected(&scene.cluster.declared, class));
        }
        finding = finding.note(format!("waiting: {}", words::pods(scene, &pods)));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

/// What each selector that finds nothing asks for, and what there is.
fn unselected(declared: &Declared, class: &NodeClass) -> Vec<String> {
    let empty = Selected::ALL.into_iter().filter(|what| what.is_empty(declared, class));
    let told = empty.map(|what| {
        let written: Vec<String> = what.written(class).iter().map(selected::said).collect();
        let tags = what.tags(declared);
        let there: Vec<String> = tags.iter().take(3).map(|(key, value)| format!("{key}={value}")).collect();
        let there = if there.is_empty() { "no tags".to_owned() } else { there.join(", ") };
        format!(
            "the {} asked for have {}; those of the profile have {there}",
            what.noun(),
            written.join(", or ")
        )
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn selecting(tag: &str) -> crate::testing::Ended {
        boot(&[
            &eks("", KARPENTER),
            &CLASS.replace(
                "subnetSelectorTerms: [{tags: {discovery: test",
                &format!("subnetSelectorTerms: [{{tags: {{{tag}"),
            ),
            &pool("m6i.large", "", ""),
            &app(4, "cpu: 1100m", ""),
        ])
    }

    #[test]
    fn a_class_that_is_written_wrongly_is_not_called_missing() {
        let class = CLASS.replace("role: nodes", &format!("role: {}", "x".repeat(65)));
        let ended =
            boot(&[&eks("", KARPENTER), &class, &pool("m6i.large", "", ""), &app(4, "cpu: 1100m", "")]);
        assert_eq!(ended.outcome(), crate::Outcome::Misconfiguration);
        insta::assert_snapshot!(ended.told("NODE104").lines().next().unwrap_or_default(), @"Error: 2 pods wait for NodePool default, which is not ready: EC2NodeClass default cannot be used as it is written");
    }

    #[test]
    fn fires() {
        let ended = selecting("discovery: prod");
        insta::assert_snapshot!(ended.told("NODE104"), @r#"
        Error: 2 pods wait for NodePool default, which is not ready: EC2NodeClass default: no subnet matches subnetSelectorTerms
         at NodePool default spec.template.spec.nodeClassRef: the node class of this pool
         at EC2NodeClass default : the node class
         note: the subnets asked for have discovery=prod; those of the profile have discovery=test
         note: waiting: default/app-6d88768796-2, default/app-6d88768796-3
         help: repair EC2NodeClass default, or name one that is ready
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(selecting("discovery: test").told("NODE104"), "");
    }
}
