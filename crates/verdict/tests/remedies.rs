//! Remedies on clusters of a few lines: what is offered, that it is the smallest, and what is not offered.

#[path = "remedies/labels.rs"]
mod labels;

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
";

/// A NodePool and its class.
fn pool(spec: &str) -> String {
    format!(
        "{}---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {{name: default}}
spec:
  template:
    spec:
      nodeClassRef: {{group: karpenter.k8s.aws, kind: EC2NodeClass, name: default}}
{spec}
---
",
        fixtures::EC2_NODE_CLASS
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
    assert_eq!(verified, [["namespace-quota"], ["surge"]]);
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
