//! Remedies on clusters of a few lines: what is offered, that it is the smallest, and what is not offered.

use catalog::Catalog;
use findings::Outcome;
use fixtures::inputs;
use verdict::{Attempt, Branch, Effectiveness, Options, Play, Trial, Verdict, judge};

fn judged(text: &str) -> Verdict {
    judge(&inputs(text), Catalog::embedded(), Options::default())
}

/// What a set of remedies is made of.
fn ids(verdict: &Verdict, attempt: &Attempt) -> Vec<&'static str> {
    attempt.set.iter().map(|index| verdict.search.proposed[*index].id).collect()
}

/// The first verified set.
#[track_caller]
fn best(verdict: &Verdict) -> &Attempt {
    verdict.search.verified().next().unwrap_or_else(|| {
        let titles: Vec<&str> = verdict.search.proposed.iter().map(|remedy| remedy.title.as_str()).collect();
        panic!("{}: nothing verified among {titles:?}", verdict.outcome)
    })
}

fn proposed(verdict: &Verdict, id: &str) -> Vec<String> {
    let of = verdict.search.proposed.iter().filter(|remedy| remedy.id == id);
    of.map(|remedy| remedy.title.clone()).collect()
}

/// The diffs of a set, as they are printed.
fn diff(verdict: &Verdict, attempt: &Attempt) -> String {
    let diffs = verdict.inputs.diff(&verdict.search.edits(&attempt.set));
    diffs.iter().map(|diff| diff.unified()).collect()
}

/// A node with one taint, and a Deployment that only it could take.
fn tainted(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}, kubernetes.io/arch: amd64, kubernetes.io/os: linux}}}}
spec: {{taints: [{{key: example.com/{name}, effect: NoSchedule}}]}}
status:
  allocatable: {{cpu: '4', memory: 8Gi, pods: '20'}}
  capacity: {{cpu: '4', memory: 8Gi, pods: '20'}}
  conditions: [{{type: Ready, status: 'True'}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: on-{name}, namespace: apps}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      nodeSelector: {{kubernetes.io/hostname: {name}}}
      containers: [{{name: web, image: 'example/web:1'}}]
---
"
    )
}

const NO_PROVIDER: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: test}
spec: {provider: none}
---
";

#[test]
fn a_cluster_that_needs_two_changes_gets_two_and_every_part_is_needed() {
    let text = format!("{NO_PROVIDER}{}{}", tainted("a"), tainted("b"));
    let verdict = judged(&text);
    assert_eq!(verdict.search.smallest, Some(2));
    let best = best(&verdict);
    assert_eq!(ids(&verdict, best), ["toleration", "toleration"]);
    let smaller: Vec<&Attempt> = verdict.search.smaller(best).collect();
    assert_eq!(smaller.len(), verdict.search.proposed.len(), "every single change was run");
    assert!(smaller.iter().all(|attempt| attempt.effect != Effectiveness::Converges));

    // Not only by the search's own word: each part alone, and both, run once more.
    let catalog = Catalog::embedded();
    let play = Play::new(&inputs(&text), catalog);
    let stock = verdict::trial::Stock::of(catalog);
    let outcome = |set: &[usize]| {
        let edited = play.edited(&verdict.search.edits(set), catalog);
        Trial::new(&edited, &stock, Branch::declared(), 0, false).outcome
    };
    assert_eq!(outcome(&best.set), Outcome::Converges);
    for part in &best.set {
        assert_ne!(outcome(&[*part]), Outcome::Converges);
    }
}

#[test]
fn what_does_not_suffice_says_what_still_waits() {
    let verdict = judged(&format!("{NO_PROVIDER}{}{}", tainted("a"), tainted("b")));
    let helps: Vec<&Attempt> = verdict.search.single_attempts(Effectiveness::Helps).collect();
    assert_eq!(helps.len(), 2);
    assert!(helps[0].remains.starts_with("apps/on-b-"), "{}", helps[0].remains);
    assert!(helps[1].remains.starts_with("apps/on-a-"), "{}", helps[1].remains);
    assert!(best(&verdict).remains.is_empty());
}

/// One system node, a Karpenter of two replicas brought by the profile, and a pod that needs another node.
const ADD_ON: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: test}
spec:
  region: us-east-1
  network:
    subnets: [{id: subnet-a, zone: us-east-1a, cidr: 10.0.0.0/22, tags: {discovery: test}}]
    securityGroups: [{id: sg-a, tags: {discovery: test}}]
  nodeGroups:
  - {name: system, instanceType: m6i.large, count: 1, amiFamily: AL2023, subnets: [subnet-a]}
  addons:
  - {name: coredns, replicas: 1}
  - {name: karpenter}
---
apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
metadata: {name: default}
spec:
  amiSelectorTerms: [{alias: al2023@latest}]
  role: nodes
  subnetSelectorTerms: [{tags: {discovery: test}}]
  securityGroupSelectorTerms: [{tags: {discovery: test}}]
---
";

fn pool(spec: &str) -> String {
    format!(
        "
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{name: default}}
spec:
  template:
    spec:
      nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}
{spec}
---
"
    )
}

const ON_DEMAND: &str = "
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
      - {key: node.kubernetes.io/instance-type, operator: In, values: [m6i.large, m6i.xlarge]}";

fn web(pod: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: apps}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
{pod}
      containers: [{{name: web, image: 'example/web:1', resources: {{requests: {{cpu: '1'}}}}}}]
---
"
    )
}

/// The same with pods that find room beside others.
fn small(web: &str) -> String {
    web.replace("cpu: '1'", "cpu: 100m")
}

#[test]
fn one_replica_comes_before_another_placement_rule() {
    let verdict = judged(&format!("{ADD_ON}{}{}", pool(ON_DEMAND), web("")));
    let best = best(&verdict);
    assert_eq!(ids(&verdict, best), ["replicas"]);
    let diff = diff(&verdict, best);
    assert!(diff.contains("replicas: 1"), "the add-on's own entry is edited:\n{diff}");
}

#[test]
fn an_add_on_of_the_profile_is_changed_by_its_values() {
    let verdict = judged(&format!("{ADD_ON}{}{}", pool(ON_DEMAND), web("")));
    let rules = proposed(&verdict, "affinity");
    assert!(rules.iter().any(|title| title.contains("anti-affinity")), "{rules:?}");
    let index = verdict.search.proposed.iter().position(|remedy| remedy.title.contains("anti-affinity"));
    let remedy = &verdict.search.proposed[index.expect("proposed")];
    let edit = &remedy.edits[0];
    assert_eq!(edit.path.0, "/spec/addons/1/values/affinity");
    let sources::Action::Set(value) = &edit.action else { panic!("{edit:?}") };
    assert!(value.get("nodeAffinity").is_some(), "what the chart has besides stays: {value}");
    assert!(value.get("podAntiAffinity").is_none());
    assert!(remedy.operation.as_ref().is_some_and(|operation| operation.contains("Helm values")));
}

#[test]
fn a_startup_taint_that_nobody_removes_is_removed() {
    let one = ADD_ON.replace("{name: karpenter}", "{name: karpenter, replicas: 1}");
    let taint =
        format!("      startupTaints: [{{key: example.com/not-ready, effect: NoSchedule}}]{ON_DEMAND}");
    let verdict = judged(&format!("{one}{}{}", pool(&taint), web("")));
    let best = best(&verdict);
    assert_eq!(ids(&verdict, best), ["startup-taint"]);
    assert!(diff(&verdict, best).contains("-"), "{}", diff(&verdict, best));
}

#[test]
fn a_label_that_no_pool_gives_is_added_to_the_pool() {
    let one = ADD_ON.replace("{name: karpenter}", "{name: karpenter, replicas: 1}");
    let verdict = judged(&format!(
        "{one}{}{}",
        pool(ON_DEMAND),
        web("      nodeSelector: {workload-type: application}")
    ));
    assert_eq!(ids(&verdict, best(&verdict)), ["pool-requirement"]);
    let zone = judged(&format!(
        "{one}{}{}",
        pool(ON_DEMAND),
        web("      nodeSelector: {example.kubernetes.io/zone: a}")
    ));
    assert_eq!(proposed(&zone, "pool-requirement"), [""; 0], "not a pool's label to give");
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
    let wrong = one.replace(
        "subnetSelectorTerms: [{tags: {discovery: test}}]",
        "subnetSelectorTerms: [{tags: {discovery: prod}}]",
    );
    let verdict = judged(&format!("{wrong}{}{}", pool(ON_DEMAND), web("")));
    assert_eq!(ids(&verdict, best(&verdict)), ["class-selector"]);
    let found = diff(&verdict, best(&verdict));
    assert!(found.contains("+  subnetSelectorTerms: [{tags: {discovery: test}}]"), "{found}");

    let both = one.replace("discovery: test}}]\n---", "cluster: mine}}]\n---").replace(
        "subnetSelectorTerms: [{tags: {discovery: test}}]",
        "subnetSelectorTerms: [{tags: {cluster: mine}}]",
    );
    // Too large for the group's nodes, whatever their number.
    let large = web("").replace("cpu: '1'", "cpu: '3'");
    let verdict = judged(&format!("{both}{}{large}", pool(ON_DEMAND)));
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

#[test]
fn the_service_linked_role_of_spot_is_created_or_on_demand_bought() {
    let profile = ADD_ON
        .replace("{name: karpenter}", "{name: karpenter, replicas: 1}")
        .replace("  addons:", "  aws: {serviceLinkedRoles: []}\n  addons:");
    let spot = ON_DEMAND.replace("[on-demand]", "[spot]");
    let verdict = judged(&format!("{profile}{}{}", pool(&spot), web("")));
    let verified: Vec<_> = verdict.search.verified().map(|attempt| ids(&verdict, attempt)).collect();
    assert_eq!(verified[..2], [["service-linked-role"], ["on-demand"]], "before more nodes are bought");
    let operation = verdict.search.proposed[best(&verdict).set[0]].operation.clone().unwrap_or_default();
    assert!(operation.contains("aws iam create-service-linked-role"));
}

/// A volume of a class that binds at once, and its pod, which only the other zone takes.
const STRANDED: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: now}
provisioner: ebs.csi.aws.com
volumeBindingMode: Immediate
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: apps}
spec: {storageClassName: now, accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: apps}
spec:
  nodeSelector: {topology.kubernetes.io/zone: us-east-1b}
  containers: [{name: db, image: 'example/db:1'}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
";

#[test]
fn a_volume_is_bound_where_its_pod_goes() {
    let profile = "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: test}
spec:
  region: us-east-1
  network:
    subnets:
    - {id: subnet-a, zone: us-east-1a, cidr: 10.0.0.0/22}
    - {id: subnet-b, zone: us-east-1b, cidr: 10.0.4.0/22}
  nodeGroups:
  - {name: system, instanceType: m6i.large, count: 2, amiFamily: AL2023, subnets: [subnet-a, subnet-b]}
  addons: [{name: coredns}, {name: aws-ebs-csi-driver}]
---
";
    let verdict = judged(&format!("{profile}{STRANDED}"));
    assert_eq!(ids(&verdict, best(&verdict)), ["volume-binding"]);
    let waits = STRANDED.replace("volumeBindingMode: Immediate", "volumeBindingMode: WaitForFirstConsumer");
    assert_eq!(judged(&format!("{profile}{waits}")).outcome, Outcome::Converges);
}

/// Two Deployments in kube-system behind a webhook that one of them answers.
const WEBHOOK: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: policy}
webhooks:
- name: pods.policy.example
  failurePolicy: Fail
  clientConfig: {service: {namespace: kube-system, name: policy, path: /}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  admissionReviewVersions: [v1]
  sideEffects: None
---
apiVersion: v1
kind: Service
metadata: {name: policy, namespace: kube-system}
spec: {selector: {app: policy}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: policy, namespace: kube-system}
spec:
  replicas: 1
  selector: {matchLabels: {app: policy}}
  template:
    metadata: {labels: {app: policy}}
    spec:
      containers: [{name: policy, image: 'example/policy:1'}]
---
";

#[test]
fn a_webhook_leaves_out_its_own_namespace_rather_than_fail_open() {
    let node = tainted("a").replace("spec: {taints: [{key: example.com/a, effect: NoSchedule}]}", "");
    let verdict = judged(&format!("{NO_PROVIDER}{WEBHOOK}{node}"));
    assert_eq!(verdict.outcome, Outcome::Deadlock);
    let verified: Vec<_> = verdict.search.verified().map(|attempt| ids(&verdict, attempt)).collect();
    assert_eq!(verified, [["webhook-namespaces"], ["webhook-fails-open"]]);
}

#[test]
fn a_roll_out_that_a_quota_refuses_is_rolled_in_place() {
    let node = tainted("a").replace("spec: {taints: [{key: example.com/a, effect: NoSchedule}]}", "");
    let rolled = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: apps}
spec: {hard: {pods: '1'}}
---
apiVersion: plimsoll.dev/v1alpha1
kind: Scenario
metadata: {name: roll}
spec:
  steps:
  - {at: 10m, patch: {kind: Deployment, namespace: apps, name: on-a, merge: {spec: {template: {metadata: {labels: {release: next}}}}}}}
";
    let verdict = judged(&format!("{NO_PROVIDER}{node}{rolled}"));
    assert_eq!(verdict.outcome, Outcome::Starvation, "an old pod that serves is no roll-out");
    let verified: Vec<_> = verdict.search.verified().map(|attempt| ids(&verdict, attempt)).collect();
    assert_eq!(verified, [["surge"], ["namespace-quota"]]);
}

#[test]
fn nothing_is_offered_where_nothing_is_wrong() {
    let one = ADD_ON.replace("{name: karpenter}", "{name: karpenter, replicas: 1}");
    let verdict = judged(&format!("{one}{}{}", pool(ON_DEMAND), web("")));
    assert_eq!(verdict.outcome, Outcome::Converges);
    assert!(verdict.search.proposed.is_empty() && verdict.search.advice.is_empty());
}

#[test]
fn what_the_evidence_does_not_name_is_not_proposed() {
    let verdict = judged(&format!("{NO_PROVIDER}{}", tainted("a")));
    for id in [
        "prefix-delegation",
        "max-pods",
        "warm-targets",
        "startup-taint",
        "pool-limit",
        "surge",
        "volume-binding",
    ] {
        assert_eq!(proposed(&verdict, id), [""; 0], "{id}");
    }
}
