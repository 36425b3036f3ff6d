//! EC2NodeClasses as people write them, and what is refused.

use cluster::node_class::AmiFamily;

use crate::testing::{lowered, shown};

const TERMS: &str = "subnetSelectorTerms: [{tags: {a: b}}]\n  securityGroupSelectorTerms: [{tags: {a: b}}]";

fn class(spec: &str) -> String {
    format!("apiVersion: karpenter.k8s.aws/v1\nkind: EC2NodeClass\nmetadata: {{name: c}}\nspec:\n  {spec}\n")
}

#[test]
fn a_whole_class_is_read() {
    let text = class(&format!(
        "{TERMS}\n  role: nodes\n  amiSelectorTerms: [{{alias: bottlerocket@latest}}]\n  metadataOptions: {{httpTokens: required}}\n  blockDeviceMappings: [{{deviceName: /dev/xvda, ebs: {{volumeSize: 4Gi}}}}, {{deviceName: /dev/xvdb, ebs: {{volumeSize: 100Gi, volumeType: gp3, encrypted: true}}}}]\n  kubelet: {{maxPods: 110, kubeReserved: {{cpu: 100m, memory: 500Mi}}, evictionHard: {{memory.available: 5%}}}}\n  instanceStorePolicy: RAID0"
    ));
    let lowered = lowered(&text);
    assert_eq!(shown(&lowered.problems), "");
    let class = &lowered.declared.node_classes[0];
    assert_eq!((class.ami_family, class.root_volume_bytes), (AmiFamily::Bottlerocket, Some(100 << 30)));
    assert_eq!((class.kubelet.max_pods, class.instance_store_raid0), (Some(110), true));
    assert_eq!(class.reserved().to_string(), "cpu 100m, memory 500Mi");
    assert_eq!(class.kubelet.eviction_hard, [("memory.available".into(), "5%".into())]);
}

#[test]
fn what_the_api_server_refuses_is_an_error_at_its_field() {
    let ami = "amiSelectorTerms: [{alias: al2023@latest}]";
    for (spec, code, path) in [
        (format!("{TERMS}\n  {ami}"), "CONF104", "spec"),
        (format!("{TERMS}\n  {ami}\n  role: a\n  instanceProfile: b"), "CONF111", "spec.instanceProfile"),
        (format!("{TERMS}\n  {ami}\n  role: {}", "r".repeat(65)), "CONF107", "spec.role"),
        (format!("{TERMS}\n  role: a"), "CONF104", "spec.amiSelectorTerms"),
        (format!("{TERMS}\n  role: a\n  amiSelectorTerms: [{{id: ami-1}}]"), "CONF104", "spec.amiFamily"),
        (
            format!("{TERMS}\n  role: a\n  amiSelectorTerms: [{{alias: al2023@latest}}, {{id: ami-1}}]"),
            "CONF111",
            "spec.amiSelectorTerms[0]",
        ),
        (
            format!("{TERMS}\n  role: a\n  amiSelectorTerms: [{{alias: al2024@latest}}]"),
            "CONF102",
            "spec.amiSelectorTerms[0].alias",
        ),
        (format!("{TERMS}\n  role: a\n  {ami}\n  amiFamily: Bottlerocket"), "CONF111", "spec.amiFamily"),
        (
            format!("securityGroupSelectorTerms: [{{id: sg-1}}]\n  role: a\n  {ami}"),
            "CONF104",
            "spec.subnetSelectorTerms",
        ),
        (
            format!("{TERMS}\n  role: a\n  {ami}\n  kubelet: {{maxPods: \"110\"}}"),
            "CONF102",
            "spec.kubelet.maxPods",
        ),
        (
            format!("{TERMS}\n  role: a\n  {ami}\n  kubelet: {{kubeReserved: {{disk: 1Gi}}}}"),
            "CONF102",
            "spec.kubelet.kubeReserved.disk",
        ),
        (
            format!("{TERMS}\n  role: a\n  {ami}\n  subnetSelector: {{a: b}}"),
            "CONF101",
            "spec.subnetSelector",
        ),
        (
            format!("{TERMS}\n  role: a\n  {ami}\n  tags: {{karpenter.sh/nodepool: a}}"),
            "CONF102",
            "spec.tags[\"karpenter.sh/nodepool\"]",
        ),
        (
            format!(
                "{}\n  role: a\n  {ami}",
                TERMS.replacen("tags: {a: b}", "id: subnet-1, tags: {a: b}", 1)
            ),
            "CONF111",
            "spec.subnetSelectorTerms[0]",
        ),
    ] {
        let lowered = lowered(&class(&spec));
        let found: Vec<(&str, String)> =
            lowered.problems.iter().map(|p| (p.code, p.path.to_string())).collect();
        assert_eq!(found, [(code, path.to_owned())], "{spec}");
        assert!(lowered.declared.node_classes.is_empty(), "{spec}");
    }
}

#[test]
fn only_a_difference_that_matters_is_one() {
    let fixed = |more: &str| {
        let ami = "amiSelectorTerms: [{alias: al2023@latest}]";
        let lowered = lowered(&class(&format!("{TERMS}\n  role: a\n  {ami}\n  {more}")));
        assert_eq!(shown(&lowered.problems), "", "{more}");
        lowered.declared.node_classes[0].fixed.clone()
    };
    let plain = fixed("tags: {a: b, c: d}");
    assert_eq!(plain, fixed("detailedMonitoring: false\n  tags: {c: d, a: b}"), "order, and what is not set");
    assert_ne!(plain, fixed("tags: {a: b, c: e}"));
    assert_ne!(plain, fixed("userData: x\n  tags: {a: b, c: d}"));
    let moved = class(&format!("{}\n  role: a\n  tags: {{a: b, c: d}}", TERMS.replace("{a: b}", "{x: y}")));
    let moved = lowered(&format!("{moved}  amiSelectorTerms: [{{alias: al2023@v20250601}}]\n"));
    let class = &moved.declared.node_classes[0];
    assert_eq!(class.fixed, plain, "what selectors find is compared, not what they say");
    assert_eq!(class.images, "[{\"alias\":\"al2023@v20250601\"}]");
}
