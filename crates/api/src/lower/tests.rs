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
        .filter(|problem| problem.severity == Severity::Error)
        .map(|p| format!("{} {} | {}", p.code, p.path, p.help.clone().unwrap_or_default()))
        .collect();
    assert_eq!(
        with_help,
        [
            "CONF116 spec.addons[0].name | did you mean `coredns`?",
            "CONF102 spec.kubernetesVersion | put the version in quotes: 1.30 would be read as 1.3",
            "CONF102 spec.network.subnets[0].cidr | write 10.0.0.0/24",
            "CONF101 spec.nodeGroup | did you mean `nodeGroups`?",
            "CONF106 spec.nodeGroups[0].instanceType | did you mean `m7g.large`?",
            "CONF101 spec.nodeGroups[0].maxpods | did you mean `maxPods`?",
            "CONF115 spec.nodeGroups[0].subnets[0] | declare it under spec.network.subnets",
            "CONF102 spec.order | did you mean `waves`?",
        ]
    );
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

/// A Deployment, its ReplicaSet and pods, a CronJob's Job, a static pod and a finished one, as `kubectl get -o yaml`
/// shows them.
const DUMP: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: n1, uid: "1", labels: {kubernetes.io/arch: arm64, node.kubernetes.io/instance-type: m7g.large, topology.kubernetes.io/zone: us-west-2b, eks.amazonaws.com/nodegroup: bootstrap}}
spec: {taints: [{key: a, effect: NoSchedule}]}
status: {capacity: {cpu: "2", memory: 8Gi, pods: "29"}, allocatable: {cpu: 1930m, memory: 7Gi, pods: "29"}, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: n1}
spec: {drivers: [{name: ebs.csi.aws.com, nodeID: i-1, topologyKeys: [], allocatable: {count: 25}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps, uid: "2"}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
status: {observedGeneration: 1, readyReplicas: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: web-7d9c-x, namespace: apps, uid: "4", labels: {app: web, pod-template-hash: 7d9c}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-7d9c, uid: "3", controller: true}]}
spec: {nodeName: n1, containers: [{name: a, image: a}]}
status: {phase: Running, podIP: 10.0.0.9, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-7d9c-y, namespace: apps, uid: "5", labels: {app: web, pod-template-hash: 7d9c}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-7d9c, uid: "3", controller: true}]}
spec: {nodeName: n1, containers: [{name: a, image: a}]}
status: {phase: Pending}
---
apiVersion: v1
kind: Pod
metadata: {name: static, namespace: kube-system, uid: "6", ownerReferences: [{apiVersion: v1, kind: Node, name: n1, uid: "1", controller: true}]}
spec: {nodeName: n1, priority: 2000001000, priorityClassName: gone, containers: [{name: a, image: a}]}
status: {phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: done, uid: "7"}
spec: {nodeName: n1, containers: [{name: a, image: a}]}
status: {phase: Succeeded}
"#;

#[test]
fn a_live_dump_keeps_its_pods_where_they_are() {
    use cluster::pod::Stage;
    let lowered = lowered(DUMP);
    assert_eq!(shown(&lowered.problems), "");
    let declared = &lowered.declared;
    let manifests: Vec<String> = declared
        .workloads
        .iter()
        .filter(|workload| !workload.arrival.addon)
        .map(|workload| workload.key.to_string())
        .collect();
    assert_eq!(manifests, ["Deployment apps/web", "Pod kube-system/static"]);
    let pods: Vec<(&str, Stage, bool)> =
        declared.pods.iter().map(|pod| (pod.name.as_str(), pod.stage, pod.addressed)).collect();
    assert_eq!(pods, [("web-7d9c-x", Stage::Ready, true), ("web-7d9c-y", Stage::Bound, false)]);
    assert_eq!(declared.workload(declared.pods[0].workload).key.name, "web");
    let fixed = declared.workloads.iter().find(|workload| workload.key.name == "static").unwrap();
    assert!(fixed.arrival.existing && fixed.running_at_start);
    assert_eq!((fixed.template.priority, fixed.template.node_name.as_deref()), (2_000_001_000, Some("n1")));
    let node = &declared.nodes[0];
    assert_eq!((node.zone.as_str(), node.ready, node.allocatable.cpu_millis), ("us-west-2b", false, 1930));
    assert_eq!(node.volume_drivers, [("ebs.csi.aws.com".into(), Some(25))]);
    assert_eq!(declared.profile.region, "us-west-2");
}

#[test]
fn real_nodes_win_over_their_group() {
    let lowered = lowered(&format!("{SPOKE}---{DUMP}"));
    let names: Vec<&str> = lowered.declared.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n1"]);
    let node = &lowered.declared.nodes[0];
    assert_eq!((node.group, node.network.subnet), (Some(0), Some(cluster::network::SubnetId(1))));
}

#[test]
fn owners_that_own_each_other_do_not_hang() {
    let pod = |name: &str, owner: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, ownerReferences: [{{kind: Pod, name: {owner}}}]}}\nspec: {{containers: [{{name: a, image: a}}]}}\n---\n"
        )
    };
    lowered(&format!("{}{}", pod("a", "b"), pod("b", "a")));
}

#[test]
fn needs_are_kept_only_for_what_is_known_to_come_later() {
    let text = |order: &str| {
        format!(
            "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {{order: {order}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: late, annotations: {{argocd.argoproj.io/sync-wave: \"5\"}}}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: early}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: a, envFrom: [{{secretRef: {{name: late}}}}, {{secretRef: {{name: early}}}}, {{secretRef: {{name: unknown}}}}, {{secretRef: {{name: applied}}}}, {{configMapRef: {{name: late, optional: true}}}}]}}]}}\n---\napiVersion: plimsoll.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: s}}\nspec: {{steps: [{{at: 1m, objects: [{{apiVersion: v1, kind: Secret, metadata: {{name: applied}}}}]}}]}}\n"
        )
    };
    let needs = |order: &str| {
        let lowered = lowered(&text(order));
        assert_eq!(shown(&lowered.problems), "");
        let workloads = lowered.declared.workloads;
        let pod = workloads.iter().find(|workload| workload.key.kind == Kind::Pod).unwrap();
        pod.template.needs_objects.iter().map(|key| key.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(needs("together"), ["applied"]);
    assert_eq!(needs("waves"), ["applied", "late"]);
}

#[test]
fn the_profile_says_what_exists() {
    let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {existing: [{kind: Deployment, namespace: apps, name: \"w*\", pods: gone}, {kind: \"*\", name: \"*\"}]}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: apps}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n";
    let declared = lowered(text).declared;
    let of = |kind: Kind| declared.workloads.iter().find(|workload| workload.key.kind == kind).unwrap();
    assert!(of(Kind::Deployment).arrival.existing && !of(Kind::Deployment).running_at_start);
    assert!(of(Kind::Pod).arrival.existing && of(Kind::Pod).running_at_start);
}

#[test]
fn kinds_that_are_not_modelled_are_counted_and_those_that_matter_listed() {
    let text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {schedulerName: other, containers: [{name: a, image: a}]}\n";
    let declared = lowered(text).declared;
    assert_eq!(declared.not_modelled.len(), 2);
    let places: Vec<String> = declared
        .would_matter
        .iter()
        .map(|found| format!("{} {}", found.location.object, found.location.path.0))
        .collect();
    assert_eq!(places, ["HorizontalPodAutoscaler default/a ", "Pod default/a /spec/schedulerName"]);
}

#[test]
fn cilium_config_decides_over_aws_node() {
    let text = format!(
        "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cilium-config, namespace: kube-system}}\ndata: {{ipam: eni, aws-enable-prefix-delegation: \"true\", kube-proxy-replacement: \"true\"}}\n---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: cilium, namespace: kube-system}}\nspec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{hostNetwork: true, containers: [{{name: cilium-agent, image: \"quay.io/cilium/cilium:v1.18.2\", command: [cilium-agent]}}]}}}}}}\n",
        SPOKE.replace("  - {name: vpc-cni, values: {env: {ENABLE_PREFIX_DELEGATION: \"true\"}}}\n", "")
    );
    let declared = lowered(&text).declared;
    let Cni::CiliumEni(settings) = &declared.cni else { panic!("not Cilium") };
    assert!(settings.prefix_delegation && settings.replaces_kube_proxy);
    assert_eq!((settings.location.path.0.as_str(), declared.cni_version.as_str()), ("/data", "v1.18.2"));
    let programs: Vec<Program> =
        declared.workloads.iter().map(|workload| workload.template.role.program).collect();
    assert!(!programs.contains(&Program::KubeProxy) && !programs.contains(&Program::VpcCni));
}

#[test]
fn a_scenario_is_read_beside_the_rest() {
    use crate::scenario::{Action, Expected, When};
    let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Scenario\nmetadata: {name: failover}\nspec:\n  steps:\n  - {at: 21m, node: {name: edge-2, ready: false, for: 5m}}\n  - {at: 10m, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 30}}}}\n  - {at: 30m, zone: {name: us-west-2a, capacity: none, for: 1h}}\n  expect:\n  - {by: 45m, verdict: converges}\n  - {at: 25m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 27}}\n";
    let lowered = lowered(text);
    assert_eq!(shown(&lowered.problems), "");
    let scenario = lowered.scenario.unwrap();
    assert_eq!(
        scenario.steps.iter().map(|step| step.at.0).collect::<Vec<_>>(),
        [600_000, 1_260_000, 1_800_000]
    );
    assert!(matches!(&scenario.steps[0].action, Action::Patch { target, .. } if target.name == "web"));
    assert_eq!(scenario.steps[0].location.path.0, "/spec/steps/1");
    assert_eq!(scenario.expect[0].when, When::By(cluster::Timestamp(2_700_000)));
    assert!(matches!(&scenario.expect[1].what, Expected::Running { at_least: 27, .. }));
}

#[test]
fn a_wrong_scenario_is_refused_with_its_fields() {
    let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Scenario\nmetadata: {name: s}\nspec:\n  steps:\n  - {at: 5, delete: {kind: Node, name: a}}\n";
    assert_eq!(
        shown(&lowered(text).problems),
        "Error CONF102 [spec.steps[0].at] spec.steps[0].at: expected a string, found the number 5\n"
    );
    let text = "apiVersion: plimsoll.dev/v1alpha1\nkind: Scenario\nmetadata: {name: s}\nspec:\n  steps:\n  - {at: 5s}\n  - {at: 5s, del: {kind: Node, name: a}}\n  expect: [{verdict: convergs}]\n";
    let codes: Vec<&str> = lowered(text).problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["CONF102", "CONF111", "CONF111", "CONF101"]);
}

#[test]
fn quotas_that_ask_for_requests_are_named() {
    let text = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {requests.cpu: 4, pods: 10, limits.memory: 1Gi}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a}]}\n";
    let lowered = lowered(text);
    let refusals = |lowered: &crate::Lowered| -> Vec<String> {
        lowered.declared.pod_refusals.values().flatten().map(|refusal| refusal.message.to_string()).collect()
    };
    assert_eq!(
        refusals(&lowered),
        ["failed quota: q: must specify limits.memory for: a; requests.cpu for: a"]
    );
    let zero = text.replace("image: a}", "image: a, resources: {requests: {cpu: 0}, limits: {memory: 0}}}");
    assert!(refusals(&crate::testing::lowered(&zero)).is_empty());
    let hard: Vec<(&str, i64)> =
        lowered.declared.quotas[0].hard.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    assert_eq!(hard, [("pods", 10), ("cpu", 4000)]);
    assert_eq!(lowered.declared.would_matter.len(), 1);
}

#[test]
fn the_runtime_of_jobs_is_a_default_until_the_profile_says_it() {
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n";
    let said = "---\napiVersion: plimsoll.dev/v1alpha1\nkind: Cluster\nspec: {runtimes: [{kind: Job, duration: 5s}]}\n";
    let relied =
        |text: &str| lowered(text).declared.defaults.iter().any(|(path, _)| path.0 == "/spec/runtimes");
    assert!(relied(job));
    assert!(!relied(&format!("{job}{said}")));
}

#[test]
fn security_group_policies_select_by_pod_and_by_account() {
    let policy = |spec: &str| {
        format!(
            "apiVersion: vpcresources.k8s.aws/v1beta1\nkind: SecurityGroupPolicy\nmetadata: {{name: p}}\nspec: {spec}\n"
        )
    };
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {serviceAccountName: data, containers: [{name: a, image: a}]}\n";
    let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: data, labels: {team: data}}\n";
    let groups = "securityGroups: {groupIds: [sg-1]}";
    let by_pod =
        lowered(&policy(&format!("{{podSelector: {{matchLabels: {{app: a}}}}, {groups}}}"))).declared;
    assert_eq!(by_pod.security_group_policies.len(), 1);
    let nothing = lowered(&policy(&format!("{{{groups}}}")));
    assert!(nothing.declared.security_group_policies.is_empty());
    assert_eq!(nothing.problems.len(), 1);
    let by_account =
        policy(&format!("{{serviceAccountSelector: {{matchLabels: {{team: data}}}}, {groups}}}"));
    let known = lowered(&format!("{by_account}{pod}{account}")).declared;
    assert!(known.would_matter.is_empty() && known.security_group_policies[0].pods.is_none());
    assert_eq!(lowered(&format!("{by_account}{pod}")).declared.would_matter.len(), 1, "whose labels?");
}
