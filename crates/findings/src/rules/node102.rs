//! NODE102: a pool's limits are reached.

use cluster::Name;
use cluster::rejection::PoolReason;
use cluster::resources::format_amount;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "NODE102", name: "pool-limit-reached" }, docs: DOCS, examine };

const DOCS: &str = "\
A NodePool may not grow: the next node would pass its limits.

## What it is
`spec.limits` caps what all nodes of a pool have together. Karpenter subtracts the largest instance type that a new
node could become, so it stops before the limit is used up.

## Why it deadlocks
Pods wait for nodes that the pool is not allowed to add, for as long as its nodes stay.

## Evidence
The limited resource, the limit, what the pool's nodes have, and what the next node would add.

## Example
A pool with `cpu: 4` and three t3.medium, and a roll-out that needs a fourth.

## Remedy
Raise the limit, or let the pool use smaller instance types.

## Exceptions
Limits are checked again when nodes leave; a pool at its limit that consolidates later recovers by itself.

## References
- karpenter: pkg/controllers/provisioning/scheduling/scheduler.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let pools = stuck::by_pool(scene, |reason| match reason {
        PoolReason::Limit { resource, limit, used, wanted } => {
            Some((resource.clone(), *limit, *used, *wanted))
        }
        _ => None,
    });
    let mut findings: Vec<Finding> = Vec::new();
    let mut seen: Vec<(usize, Name)> = Vec::new();
    for ((index, (resource, limit, used, wanted)), pods) in pools {
        if seen.contains(&(index, resource.clone())) {
            continue;
        }
        seen.push((index, resource.clone()));
        let pool = &scene.cluster.declared.node_pools[index];
        let amount = |value| format_amount(&resource, value);
        let title = format!(
            "{} for nodes that NodePool {} may not add: its {resource} limit of {} is reached",
            stuck::pods_verb(pods.len(), "waits", "wait"),
            pool.name,
            amount(limit)
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(pool.location.at(&format!("/spec/limits/{resource}")), "the limit")
            .note(format!(
                "{resource}: limit {}, its nodes have {}, the next one adds {}",
                amount(limit),
                amount(used),
                amount(wanted)
            ))
            .note(format!("waiting: {}", words::pods(scene, &pods)))
            .help(format!(
                "raise the {resource} limit of NodePool {}, or let it use smaller types",
                pool.name
            ));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::testing::{CLASS, KARPENTER, app, boot, eks, pool};

    fn with_limit(cpu: &str) -> crate::testing::Ended {
        boot(&[
            &eks("", KARPENTER),
            CLASS,
            &pool("m6i.large", "", &format!("limits: {{cpu: {cpu}}}")),
            &app(9, "cpu: 1100m", ""),
        ])
    }

    #[test]
    fn fires() {
        let ended = with_limit("8");
        insta::assert_snapshot!(ended.told("NODE102"), @r#"
        Error: 3 pods wait for nodes that NodePool default may not add: its cpu limit of 8 is reached
         at NodePool default spec.limits.cpu: the limit
         note: cpu: limit 8, its nodes have 8, the next one adds 2
         note: waiting: default/app-6d88768796-6, default/app-6d88768796-7, default/app-6d88768796-8
         help: raise the cpu limit of NodePool default, or let it use smaller types
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_limit("80").told("NODE102"), "");
    }
}
