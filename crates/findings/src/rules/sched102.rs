//! SCHED102: pods must spread over domains that no pool can make.

use cluster::rejection::PoolReason;

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::rules::Rule;
use crate::scene::Scene;
use crate::{stuck, words};

/// The rule.
pub const RULE: Rule =
    Rule { code: Code { id: "SCHED102", name: "topology-domain-unavailable" }, docs: DOCS, examine };

const DOCS: &str = "\
Pods must spread over, or keep together in, topology domains that no compatible NodePool can make.

## What it is
Karpenter counts the domains of every pool when it spreads pods, also of pools that the pods cannot use. A domain
that only such a pool can make stays empty, and with `maxSkew: 1` the others may not get ahead of it.

## Why it deadlocks
The first pods are placed; the rest wait for ever for a zone that their own pool excludes.

## Evidence
The topology key, the pool, and the pods that wait.

## Example
A pool for two zones of three, a second pool for all three, and a Deployment that selects the first and spreads by
zone with DoNotSchedule.

## Remedy
Require the pool's zones in the pods' node affinity, or make the pool span all zones.

## Exceptions
`whenUnsatisfiable: ScheduleAnyway` is relaxed by the provisioner.

## References
- karpenter: pkg/controllers/provisioning/scheduling/topology.go
- karpenter-provider-aws: website/content/en/docs/troubleshooting.md, Karpenter Is Unable to Satisfy Topology Spread Constraint
";

fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let pools = stuck::by_pool(scene, |reason| match reason {
        PoolReason::Topology { key } => Some(key.clone()),
        _ => None,
    });
    let mut findings = Vec::new();
    for ((index, key), pods) in pools {
        let pool = &scene.cluster.declared.node_pools[index];
        let title = format!(
            "{} for a {key} domain that NodePool {} cannot make",
            stuck::pods_verb(pods.len(), "waits", "wait"),
            pool.name
        );
        let mut finding = Finding::new(RULE.code, Severity::Error, title);
        if let Some(location) = stuck::location(scene, &pods) {
            finding = finding.at(location, "what must spread");
        }
        finding = finding
            .also(pool.location.at("/spec/template/spec/requirements"), "the domains this pool can make")
            .note(format!("waiting: {}", words::pods(scene, &pods)));
        stuck::affect(scene, &mut finding, &pods);
        findings.push(finding);
    }
    findings
}
