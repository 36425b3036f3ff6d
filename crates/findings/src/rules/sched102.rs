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
            .note(format!("waiting: {}", words::pods(scene, &pods)))
            .help(format!(
                "require the domains of NodePool {} in the pods' node affinity, or let it make all of them",
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

    fn spread(when: &str) -> crate::testing::Ended {
        let constraint = format!(
            "topologySpreadConstraints: [{{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: {when}, labelSelector: {{matchLabels: {{app: app}}}}}}]"
        );
        let narrow =
            pool("m6i.large", "- {key: topology.kubernetes.io/zone, operator: In, values: [us-east-1a]}", "")
                .replace("  template:\n", "  template:\n    metadata: {labels: {team: app}}\n");
        let wide = pool("m6i.large", "", "").replace("metadata: {name: default}", "metadata: {name: wide}");
        let pods = format!("nodeSelector: {{team: app}}\n      {constraint}");
        boot(&[&eks("", KARPENTER), CLASS, &narrow, &wide, &app(3, "cpu: 1100m", &pods)])
    }

    #[test]
    fn fires() {
        let ended = spread("DoNotSchedule");
        insta::assert_snapshot!(ended.told("SCHED102"), @r#"
        Error: 2 pods wait for a topology.kubernetes.io/zone domain that NodePool default cannot make
         at Deployment default/app : what must spread
         at NodePool default spec.template.spec.requirements: the domains this pool can make
         note: waiting: default/app-6d88768796-1, default/app-6d88768796-2
         help: require the domains of NodePool default in the pods' node affinity, or let it make all of them
        "#);
    }

    #[test]
    fn is_silent_otherwise() {
        assert_eq!(spread("ScheduleAnyway").told("SCHED102"), "");
    }
}
