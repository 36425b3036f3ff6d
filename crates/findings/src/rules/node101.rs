//! NODE101: no pool makes nodes of the architecture that pods need.

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};
use cluster::rejection::PoolReason;

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "NODE101", name: "no-pool-for-architecture" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods ask for an architecture that no NodePool makes.

## What it is
A NodePool's `kubernetes.io/arch` requirement and a pod's node selector or affinity have no value in common.

## Why it deadlocks
The pods stay Pending; the provisioner sees them and has nothing to launch for them.

## Evidence
What the pods ask for, what each pool offers, and where both are written.

## Example
A pool pinned to amd64 in a cluster whose images and bootstrap nodes are arm64.

## Remedy
Add the architecture to the pool, or make the workload run on the one that is there.

## Exceptions
A pod that does not name an architecture lands anywhere: see IMG101 when its image does not run there.

## References
- karpenter: pkg/scheduling/requirements.go
- kubernetes: well-known labels, kubernetes.io/arch
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let pools = stuck::by_pool(scene, |reason| match reason {
        PoolReason::Requirement { key, .. } if key == "kubernetes.io/arch" => {
            Some(words::pool_reason(reason))
        }
        _ => None,
    });
    let mut findings = Vec::new();
    for ((index, why), pods) in pools {
        let pool = &scene.cluster.declared.node_pools[index];
        let title = format!(
            "{} for a node of another architecture than NodePool {} makes",
            stuck::pods_verb(pods.len(), "waits", "wait"),
            pool.name
        );
        let requirement =
            pool.requirements.iter().position(|requirement| requirement.key == "kubernetes.io/arch");
        let place = match requirement {
            Some(at) => pool.location.at(&format!("/spec/template/spec/requirements/{at}")),
            None => pool.location.clone(),
        };
        let mut finding = Finding::new(RULE.code, Severity::Error, title)
            .at(place, "what this pool makes")
            .note(why)
            .note(format!("waiting: {}", words::pods(scene, &pods)))
            .help(format!(
                "add the architecture to NodePool {}, or run the pods on the one that it makes",
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

    fn on_types(types: &str) -> crate::testing::Ended {
        boot(&[
            &eks("", KARPENTER),
            CLASS,
            &pool(types, "", ""),
            &app(1, "cpu: 100m", "nodeSelector: {kubernetes.io/arch: arm64}"),
        ])
    }

    #[test]
    fn fires() {
        let ended = on_types("m6i.xlarge");
        insta::assert_snapshot!(ended.told("NODE101"), @r#"
        Error: 1 pod waits for a node of another architecture than NodePool default makes
         at NodePool default : what this pool makes
         note: the pods need kubernetes.io/arch in [arm64], and the pool has amd64
         note: waiting: default/app-6d88768796-0
         help: add the architecture to NodePool default, or run the pods on the one that it makes
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(on_types("m7g.xlarge").told("NODE101"), "");
    }
}
