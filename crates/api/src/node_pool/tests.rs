//! NodePools as people write them, and what is refused.

use cluster::node_pool::{Budget, BudgetNodes, ConsolidationPolicy, DisruptionReason};
use cluster::{Name, SelectorOperator};

use crate::testing::{lowered, shown};

/// A pool with these fields of `spec` and of `spec.template.spec`.
fn pool(spec: &str, template: &str) -> String {
    format!(
        "apiVersion: karpenter.sh/v1\nkind: NodePool\nmetadata: {{name: p}}\nspec:\n  {spec}\n  template:\n    spec:\n      nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}\n      {template}\n"
    )
}

#[test]
fn a_whole_pool_is_read() {
    let text = pool(
        "limits: {cpu: 100, memory: 200Gi, nodes: 10}\n  weight: 10\n  disruption:\n    consolidationPolicy: WhenEmpty\n    consolidateAfter: 3m\n    budgets: [{nodes: 20%}, {nodes: \"0\", reasons: [Drifted], schedule: \"0 9 * * 1-5\", duration: 8h}]",
        "expireAfter: Never\n      terminationGracePeriod: 1h30m\n      startupTaints: [{key: node.cilium.io/agent-not-ready, effect: NoExecute, value: \"true\"}]\n      requirements:\n      - {key: node.kubernetes.io/instance-type, operator: In, values: [t3.small, t3.medium], minValues: 2}\n      - {key: karpenter.k8s.aws/instance-generation, operator: Gte, values: [\"4\"]}",
    );
    let lowered = lowered(&text);
    assert_eq!(shown(&lowered.problems), "");
    let pool = &lowered.declared.node_pools[0];
    assert_eq!(
        (pool.weight, pool.expire_after_ms, pool.termination_grace_period_ms),
        (10, None, Some(5_400_000))
    );
    assert_eq!(
        (pool.consolidation, pool.consolidate_after_ms),
        (ConsolidationPolicy::WhenEmpty, Some(180_000))
    );
    let limits: Vec<(&str, i64)> =
        pool.limits.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    assert_eq!(limits, [("cpu", 100_000), ("memory", 200 << 30), ("nodes", 10)]);
    let drifted = Budget {
        nodes: BudgetNodes::Count(0),
        reasons: vec![DisruptionReason::Drifted],
        schedule: Some((Name::from("0 9 * * 1-5"), 28_800_000)),
    };
    assert_eq!(
        pool.budgets,
        [Budget { nodes: BudgetNodes::Percent(20), reasons: Vec::new(), schedule: None }, drifted]
    );
    assert_eq!(
        (pool.requirements[0].min_values, pool.requirements[1].operator),
        (Some(2), SelectorOperator::Gte)
    );
    assert_eq!(pool.startup_taints.len(), 1);
}

#[test]
fn absent_fields_have_karpenters_defaults() {
    let pool = lowered(&pool("weight: 1", "requirements: []")).declared.node_pools.remove(0);
    assert_eq!((pool.expire_after_ms, pool.consolidate_after_ms), (Some(2_592_000_000), Some(0)));
    assert_eq!(pool.consolidation, ConsolidationPolicy::WhenEmptyOrUnderutilized);
    assert_eq!(
        pool.budgets,
        [Budget { nodes: BudgetNodes::Percent(10), reasons: Vec::new(), schedule: None }]
    );
}

#[test]
fn what_the_api_server_refuses_is_an_error_at_its_field() {
    for (spec, template, code, path) in [
        ("weight: 101", "requirements: []", "CONF102", "spec.weight"),
        (
            "weight: 1",
            "expireAfter: 30d\n      requirements: []",
            "CONF102",
            "spec.template.spec.expireAfter",
        ),
        (
            "weight: 1",
            "expireAfter: 720\n      requirements: []",
            "CONF102",
            "spec.template.spec.expireAfter",
        ),
        (
            "weight: 1",
            "kubelet: {maxPods: 110}\n      requirements: []",
            "CONF101",
            "spec.template.spec.kubelet",
        ),
        ("weight: 1", "taints: []", "CONF104", "spec.template.spec.requirements"),
        (
            "disruption: {consolidationPolicy: WhenEmpty}",
            "requirements: []",
            "CONF104",
            "spec.disruption.consolidateAfter",
        ),
        (
            "disruption: {consolidateAfter: 0s, consolidationPolicy: WhenUnderutilized}",
            "requirements: []",
            "CONF102",
            "spec.disruption.consolidationPolicy",
        ),
        (
            "disruption: {consolidateAfter: 0s, expireAfter: 720h}",
            "requirements: []",
            "CONF101",
            "spec.disruption.expireAfter",
        ),
        (
            "disruption: {consolidateAfter: 0s, budgets: [{nodes: 120%}]}",
            "requirements: []",
            "CONF102",
            "spec.disruption.budgets[0].nodes",
        ),
        (
            "disruption: {consolidateAfter: 0s, budgets: [{nodes: 1}]}",
            "requirements: []",
            "CONF102",
            "spec.disruption.budgets[0].nodes",
        ),
        (
            "disruption: {consolidateAfter: 0s, budgets: [{nodes: \"1\", schedule: \"@daily\"}]}",
            "requirements: []",
            "CONF104",
            "spec.disruption.budgets[0]",
        ),
        (
            "disruption: {consolidateAfter: 0s, budgets: [{nodes: \"1\", schedule: \"@daily\", duration: 30s}]}",
            "requirements: []",
            "CONF102",
            "spec.disruption.budgets[0].duration",
        ),
        ("limits: {cpu: many}", "requirements: []", "CONF102", "spec.limits.cpu"),
        ("replicas: 3\n  limits: {cpu: 1}", "requirements: []", "CONF111", "spec.limits"),
        (
            "weight: 1",
            "requirements: [{key: kubernetes.io/hostname, operator: Exists}]",
            "CONF112",
            "spec.template.spec.requirements[0].key",
        ),
        (
            "weight: 1",
            "requirements: [{key: karpenter.k8s.aws/instance-famly, operator: Exists}]",
            "CONF112",
            "spec.template.spec.requirements[0].key",
        ),
        (
            "weight: 1",
            "requirements: [{key: a, operator: in, values: [b]}]",
            "CONF102",
            "spec.template.spec.requirements[0].operator",
        ),
        (
            "weight: 1",
            "requirements: [{key: a, operator: In}]",
            "CONF102",
            "spec.template.spec.requirements[0].values",
        ),
        (
            "weight: 1",
            "requirements: [{key: a, operator: Gt, values: [\"-1\"]}]",
            "CONF102",
            "spec.template.spec.requirements[0].values",
        ),
        (
            "weight: 1",
            "requirements: [{key: a, operator: In, values: [b], minValues: 2}]",
            "CONF102",
            "spec.template.spec.requirements[0].minValues",
        ),
        (
            "weight: 1",
            "requirements: [{key: a, operator: In, values: [1]}]",
            "CONF102",
            "spec.template.spec.requirements[0].values[0]",
        ),
        (
            "weight: 1",
            "requirements: []\n      taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]",
            "CONF102",
            "spec.template.spec.taints[1]",
        ),
        (
            "weight: 1",
            "requirements: []\n      taints: [{key: a, effect: Noschedule}]",
            "CONF102",
            "spec.template.spec.taints[0].effect",
        ),
    ] {
        let lowered = lowered(&pool(spec, template));
        let found: Vec<(&str, String)> =
            lowered.problems.iter().map(|p| (p.code, p.path.to_string())).collect();
        assert_eq!(found, [(code, path.to_owned())], "{spec} {template}");
        assert!(lowered.declared.node_pools.is_empty(), "{spec} {template}");
    }
}

#[test]
fn unknown_fields_are_worded_as_the_api_server_does() {
    let text = pool("weight: 1", "requirements: []")
        .replace("name: default", "name: default, apiVersion: karpenter.k8s.aws/v1");
    let lowered = lowered(&text);
    assert_eq!(
        shown(&lowered.problems),
        "Error CONF101 [spec.template.spec.nodeClassRef.apiVersion] strict decoding error: unknown field \"spec.template.spec.nodeClassRef.apiVersion\"\n"
    );
}

#[test]
fn older_versions_are_told_which_one_to_write() {
    let text = pool("weight: 1", "requirements: []").replace("karpenter.sh/v1\n", "karpenter.sh/v1beta1\n");
    let problem = &lowered(&text).problems[0];
    assert_eq!(
        (problem.code, problem.help.as_deref()),
        ("CONF103", Some("write `apiVersion: karpenter.sh/v1`"))
    );
}

#[test]
fn a_group_with_a_version_is_refused() {
    let text = pool("weight: 1", "requirements: []");
    assert_eq!(shown(&lowered(&text).problems), "");
    let text = text.replace("group: karpenter.k8s.aws", "group: karpenter.k8s.aws/v1");
    let problem = &lowered(&text).problems[0];
    assert_eq!(
        (problem.code, problem.path.0.as_str()),
        ("CONF102", "/spec/template/spec/nodeClassRef/group")
    );
}
