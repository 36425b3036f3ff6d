//! ADM101: a quota refuses pods.

use cluster::change::Refusal;
use cluster::resources::format_amount;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;

/// The rule.
pub const RULE: Rule = Rule { code: Code { id: "ADM101", name: "quota-reached" }, docs: DOCS, examine };

const DOCS: &str = "\
A ResourceQuota refuses pods: the namespace may not have more.

## What it is
The API server adds up the requests of a namespace's pods and refuses the pod that would pass `spec.hard`.

## Why it deadlocks
The workload's controller retries for ever; during a roll-out the old pods hold what the new ones need.

## Evidence
The quota, the resource, its limit, what is used and what is asked for.

## Example
Fifteen services rolled at once with a surge pod each, in a namespace whose quota fits fifteen.

## Remedy
Raise the quota, lower requests, or roll with `maxSurge: 0`.

## Exceptions
Finished pods do not count.

## References
- kubernetes: pkg/quota/v1/evaluator/core/pods.go
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let refusals = scene.cluster.creation_refusals.iter();
    refusals
        .filter_map(|(id, (_, refusal))| match refusal {
            Refusal::Quota { quota, resource, hard, used, wanted } => {
                let workload = scene.cluster.declared.workload(*id);
                let amount = |value| format_amount(resource, value);
                let title = format!(
                    "{quota} refuses pods of {}: it allows {resource} {}",
                    workload.key,
                    amount(*hard)
                );
                let place = cluster::Location::object(quota.clone()).at(&format!("/spec/hard/{resource}"));
                let mut finding = Finding::new(RULE.code, Severity::Error, title)
                    .at(place, "the limit")
                    .note(format!("{} used, the next pod asks for {}", amount(*used), amount(*wanted)))
                    .help(format!("raise {resource} of {quota}, or lower what the namespace's pods ask for"));
                finding.affects(workload.key.clone());
                Some(finding)
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::{BARE, app, boot};

    fn with_quota(cpu: u32) -> crate::testing::Ended {
        let quota = format!(
            "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: team, namespace: default}}, spec: {{hard: {{cpu: '{cpu}'}}}}}}"
        );
        boot(&[BARE, &quota, &app(2, "cpu: '1'", "")])
    }

    #[test]
    fn fires() {
        let ended = with_quota(1);
        insta::assert_snapshot!(ended.told("ADM101"), @r#"
        Error: ResourceQuota default/team refuses pods of Deployment default/app: it allows cpu 1
         at ResourceQuota default/team spec.hard.cpu: the limit
         note: 1 used, the next pod asks for 1
         help: raise cpu of ResourceQuota default/team, or lower what the namespace's pods ask for
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(with_quota(2).told("ADM101"), "");
    }
}
