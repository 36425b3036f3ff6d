//! Whole inputs, lowered.

use cluster::network::Cni;
use cluster::role::Program;
use cluster::workload::Shape;
use cluster::{Kind, Name, ObjectKey};

use crate::problem::Severity;
use crate::testing::{lowered, shown};

const SPOKE: &str = r#"
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: spoke}
spec:
  kubernetesVersion: "1.34"
  network:
    subnets:
    - {id: subnet-a, zone: us-west-2a, cidr: 10.0.0.0/24, freeAddresses: 180, reservations: [{cidr: 10.0.0.128/25, type: prefix}], tags: {a: b}}
    - {id: subnet-b, zone: us-west-2b, cidr: 10.0.1.0/24}
  nodeGroups:
  - {name: bootstrap, instanceType: m7g.large, count: 3, amiFamily: Bottlerocket, labels: {role: system}, taints: [{key: CriticalAddonsOnly, effect: NoSchedule}]}
  addons:
  - {name: coredns, replicas: 3}
  - {name: vpc-cni, values: {env: {ENABLE_PREFIX_DELEGATION: "true"}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: proxy, image: "proxy:1", restartPolicy: Always, resources: {requests: {cpu: 50m}}}]
      containers: [{name: web, image: "web:1", resources: {limits: {cpu: 1, memory: 1Gi}}}]
"#;

#[test]
fn a_profile_and_a_workload_become_a_cluster() {
    let lowered = lowered(SPOKE);
    assert_eq!(shown(&lowered.problems), "");
    let declared = &lowered.declared;
    let keys: Vec<String> = declared.workloads.iter().map(|workload| workload.key.to_string()).collect();
    assert_eq!(
        keys,
        [
            "Deployment kube-system/coredns",
            "DaemonSet kube-system/aws-node",
            "DaemonSet kube-system/kube-proxy",
            "Deployment apps/web"
        ]
    );
    assert_eq!(declared.workloads[0].shape.replicas(), Some(3));
    assert_eq!(declared.workloads[0].location.path.0, "/spec/addons/0");
    assert_eq!(declared.workloads[0].template.role.program, Program::ClusterDns);
    assert!(declared.workloads[0].arrival.addon);
    let web = &declared.workloads[3];
    assert_eq!(
        web.shape,
        Shape::Deployment { replicas: 4, recreate: false, max_surge: 1, max_unavailable: 1 }
    );
    assert_eq!(web.template.requests.to_string(), "cpu 1050m, memory 1Gi, pods 1");
    assert_eq!(web.template.containers[0].location.path.0, "/spec/template/spec/containers/0");
    assert_eq!(web.template.location.path.0, "/spec/template");
    let Cni::VpcCni(settings) = &declared.cni else { panic!("not the VPC CNI") };
    assert!(settings.prefix_delegation);
    assert_eq!((settings.warm_eni_target, settings.warm_prefix_target), (1, 1));
    assert_eq!(declared.cni_version, "v1.20.4");
}

#[test]
fn a_groups_nodes_are_spread_over_its_subnets() {
    let declared = lowered(SPOKE).declared;
    let nodes: Vec<(&str, &str, i64)> = declared
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.zone.as_str(), node.allocatable.pods))
        .collect();
    assert_eq!(
        nodes,
        [
            ("bootstrap-1", "us-west-2a", 29),
            ("bootstrap-2", "us-west-2b", 29),
            ("bootstrap-3", "us-west-2a", 29)
        ]
    );
    assert_eq!(declared.profile.region, "us-west-2");
    let node = &declared.nodes[0];
    assert_eq!((node.arch(), node.labels.get("role").map(Name::as_str)), ("arm64", Some("system")));
    assert_eq!(node.labels.get("eks.amazonaws.com/nodegroup").map(Name::as_str), Some("bootstrap"));
    let subnet = &declared.profile.subnets[0];
    assert_eq!((subnet.declared_free, subnet.declared_free_prefixes), (Some(180), None));
    assert_eq!(subnet.reservations.len(), 1);
    let fields: Vec<String> =
        declared.defaults.iter().map(|(path, value)| format!("{} = {value}", path.0)).collect();
    assert!(fields.contains(&"/spec/nodeGroups/0/maxPods = 29 (Bottlerocket)".to_owned()), "{fields:#?}");
    assert!(fields.contains(&"/spec/region = us-west-2".to_owned()));
    assert!(fields.iter().all(|field| !field.contains("kubernetesVersion")));
}

#[test]
fn what_the_manifests_define_is_not_added_twice() {
    let text = format!(
        "{SPOKE}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: dns, namespace: kube-system}}\nspec:\n  selector: {{matchLabels: {{a: b}}}}\n  template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: a, image: \"mirror/coredns:1.12\"}}]}}}}\n"
    );
    let lowered = lowered(&text);
    let dns: Vec<&str> = lowered
        .declared
        .workloads
        .iter()
        .filter(|workload| workload.template.role.program == Program::ClusterDns)
        .map(|workload| workload.key.name.as_str())
        .collect();
    assert_eq!(dns, ["dns"]);
    assert_eq!(
        shown(&lowered.problems),
        "Note CONF105 [spec.addons[0].name] spec.addons[0].name: the manifests have coredns already; it is not added again\n"
    );
}

#[test]
fn slips_of_the_pen_in_the_profile_are_named() {
    let lowered = lowered(
        "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec:\n  kubernetesVersion: 1.30\n  order: wave\n  nodeGroup: []\n  nodeGroups:\n  - {name: a, instanceType: m7g.larg, count: 2, subnets: [subnet-x], maxpods: 3}\n  addons: [{name: core-dns}]\n  network: {subnets: [{id: subnet-y, zone: a, cidr: 10.0.0.1/24}]}\n",
    );
    let with_help: Vec<String> = lowered
        .problems
        .iter()
        .map(|p| format!("{} {} | {}", p.code, p.path, p.help.clone().unwrap_or_default()))
        .collect();
    assert_eq!(
        with_help,
        [
            "CONF101 spec.nodeGroup | did you mean `nodeGroups`?",
            "CONF101 spec.nodeGroups[0].maxpods | did you mean `maxPods`?",
            "CONF102 spec.kubernetesVersion | put the version in quotes: 1.30 would be read as 1.3",
            "CONF102 spec.network.subnets[0].cidr | write 10.0.0.0/24",
            "CONF102 spec.order | did you mean `waves`?",
            "CONF106 spec.nodeGroups[0].instanceType | did you mean `m7g.large`?",
            "CONF115 spec.nodeGroups[0].subnets[0] | declare it under spec.network.subnets",
            "CONF116 spec.addons[0].name | did you mean `coredns`?",
        ]
    );
    assert!(lowered.problems.iter().all(|problem| problem.severity == Severity::Error));
}

#[test]
fn two_profiles_are_an_error() {
    let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\n---\napiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nmetadata: {name: b}\n";
    let lowered = lowered(text);
    assert_eq!(shown(&lowered.problems), "Error CONF113 [kind] there is more than one cluster profile\n");
}

#[test]
fn without_a_profile_and_nodes_nothing_is_assumed() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n";
    let declared = lowered(text).declared;
    assert_eq!(declared.workloads.len(), 1);
    assert_eq!(declared.workloads[0].key, ObjectKey::new(Kind::Pod, "default", "a"));
    assert_eq!(declared.cni, Cni::Unlimited);
    assert!(!declared.profile.given);
}
