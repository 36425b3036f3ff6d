//! Remedies of labels and tags: selectors, affinities, node groups, node classes, what a pool may make.

use crate::{ADD_ON, ON_DEMAND, best, diff, ids, judged, pool, proposed, web};

/// The same with pods that find room beside others.
fn small(web: &str) -> String {
    web.replace("cpu: '1'", "cpu: 100m")
}

#[test]
fn a_wrong_selector_is_corrected_to_what_comes_nearest() {
    let one = ADD_ON
        .replace("{name: karpenter}", "{name: karpenter, replicas: 1}")
        .replace("subnets: [subnet-a]}", "subnets: [subnet-a], labels: {role: applications, tier: db}}");
    let pool = pool(ON_DEMAND);
    let misspelt = judged(&format!("{one}{pool}{}", small(&web("      nodeSelector: {role: aplications}"))));
    let verified: Vec<_> = misspelt.search.verified().map(|attempt| ids(&misspelt, attempt)).collect();
    assert_eq!(verified.first(), Some(&vec!["selector"]), "{verified:?}");
    assert!(diff(&misspelt, best(&misspelt)).contains("+      nodeSelector: {role: applications}"));

    let other_key =
        judged(&format!("{one}{pool}{}", small(&web("      nodeSelector: {app-role: applications}"))));
    let found = proposed(&other_key, "selector");
    assert_eq!(found, ["correct the nodeSelector of Deployment apps/web to role=applications"]);
    let diff = diff(&other_key, best(&other_key));
    assert!(
        diff.contains("role: applications") && !diff.contains("+      nodeSelector: {app-role"),
        "{diff}"
    );
}

#[test]
fn a_wrong_affinity_is_corrected_where_it_is_written() {
    let one = ADD_ON
        .replace("{name: karpenter}", "{name: karpenter, replicas: 1}")
        .replace("subnets: [subnet-a]}", "subnets: [subnet-a], labels: {role: applications}}");
    let affinity = "      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}, {key: role, operator: In, values: [application]}]}]}}}";
    let verdict = judged(&format!("{one}{}{}", pool(ON_DEMAND), small(&web(affinity))));
    assert_eq!(ids(&verdict, best(&verdict)), ["selector"]);
    assert!(diff(&verdict, best(&verdict)).contains("values: [applications]"));
}

#[test]
fn a_group_is_labelled_where_no_pool_could_give_the_label() {
    let profile = ADD_ON.replace("  - {name: karpenter}\n", "");
    let verdict =
        judged(&format!("{profile}{}", small(&web("      nodeSelector: {workload-type: application}"))));
    assert_eq!(ids(&verdict, best(&verdict)), ["group-label"]);
    assert!(diff(&verdict, best(&verdict)).contains("workload-type: application"));
    let reserved =
        judged(&format!("{profile}{}", web("      nodeSelector: {topology.kubernetes.io/zone: us-east-1f}")));
    assert_eq!(proposed(&reserved, "group-label"), [""; 0], "a zone is not given by hand");
}

#[test]
fn a_node_class_selects_by_the_tags_that_there_are() {
    let one = ADD_ON.replace("{name: karpenter}", "{name: karpenter, replicas: 1}");
    let wrong = pool(ON_DEMAND).replace(
        "subnetSelectorTerms: [{tags: {discovery: test}}]",
        "subnetSelectorTerms: [{tags: {discovery: prod}}]",
    );
    let verdict = judged(&format!("{one}{wrong}{}", web("")));
    assert_eq!(ids(&verdict, best(&verdict)), ["class-selector"]);
    let found = diff(&verdict, best(&verdict));
    assert!(found.contains("+  subnetSelectorTerms: [{tags: {discovery: test}}]"), "{found}");

    let both = pool(ON_DEMAND).replace("discovery: test}}]\n---", "cluster: mine}}]\n---").replace(
        "subnetSelectorTerms: [{tags: {discovery: test}}]",
        "subnetSelectorTerms: [{tags: {cluster: mine}}]",
    );
    // Too large for the group's nodes, whatever their number.
    let large = web("").replace("cpu: '1'", "cpu: '3'");
    let verdict = judged(&format!("{one}{both}{large}"));
    assert_eq!(
        ids(&verdict, best(&verdict)),
        ["class-selector", "class-selector"],
        "subnets and security groups"
    );
}

#[test]
fn a_pool_is_given_the_architecture_and_the_capacity_type_that_are_asked_for() {
    let one = ADD_ON.replace("{name: karpenter}", "{name: karpenter, replicas: 1}");
    let requirements = "
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
      - {key: karpenter.k8s.aws/instance-size, operator: In, values: [large, xlarge]}
      - {key: karpenter.k8s.aws/instance-family, operator: In, values: [m6i, m7g]}";
    for (selector, values) in [
        ("kubernetes.io/arch: arm64", "[amd64, arm64]"),
        ("karpenter.sh/capacity-type: spot", "[on-demand, spot]"),
    ] {
        let verdict = judged(&format!(
            "{one}{}{}",
            pool(requirements),
            web(&format!("      nodeSelector: {{{selector}}}"))
        ));
        assert_eq!(ids(&verdict, best(&verdict)), ["pool-requirement"], "{selector}");
        assert!(diff(&verdict, best(&verdict)).contains(values), "{selector}");
    }
}
