//! Scenarios from text to verdict: steps, expectations, and what is refused.

use catalog::Catalog;
use cluster::pod::Stage;
use fixtures::inputs;
use verdict::{Options, Play, Verdict, judge};

/// Two nodes and a Deployment, without a CNI that could run short.
const BASE: &str = "
apiVersion: plimsoll.dev/v1alpha1
kind: Cluster
metadata: {name: test}
spec: {provider: none, horizon: 2h}
---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a, kubernetes.io/arch: amd64, kubernetes.io/os: linux}}
status:
  allocatable: {cpu: '4', memory: 8Gi, pods: '20'}
  capacity: {cpu: '4', memory: 8Gi, pods: '20'}
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: v1
kind: Node
metadata: {name: b, labels: {kubernetes.io/hostname: b, kubernetes.io/arch: amd64, kubernetes.io/os: linux}}
status:
  allocatable: {cpu: '4', memory: 8Gi, pods: '20'}
  capacity: {cpu: '4', memory: 8Gi, pods: '20'}
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'example/web:1', resources: {requests: {cpu: '1'}}}]
";

fn judged(spec: &str) -> Verdict {
    let text = format!(
        "{BASE}---\napiVersion: plimsoll.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: test}}\nspec:\n{spec}"
    );
    judge(&inputs(&text), Catalog::embedded(), Options::default())
}

/// What was not as expected, and what is wrong with the input.
fn said(verdict: &Verdict) -> Vec<String> {
    let missed = verdict.findings.iter().filter(|finding| finding.code.id == "EXPECT101");
    let missed = missed.map(|finding| finding.title.clone());
    missed.chain(verdict.problems.iter().map(|problem| problem.message.clone())).collect()
}

/// Every pod that the run made for Deployment `web`: not those of kube-proxy, which runs on every node.
fn web(verdict: &Verdict) -> Vec<&cluster::Pod> {
    verdict.told.run.cluster.pods.iter().filter(|pod| pod.namespace == "apps").collect()
}

#[track_caller]
fn holds(spec: &str) {
    assert_eq!(said(&judged(spec)), [""; 0]);
}

#[test]
fn a_patch_changes_what_runs_from_its_instant_on() {
    holds(
        "
  steps:
  - {at: 10m, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 6}}}}
  - {at: 20m, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 1}}}}
  expect:
  - {at: 9m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 2, atMost: 2}}
  - {by: 15m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 6, atMost: 6}}
  - {by: 30m, running: {kind: Deployment, namespace: apps, name: web, atMost: 1}}
  - {at: 15m, verdict: converges}
  - {verdict: converges}
",
    );
}

#[test]
fn a_step_at_0s_is_there_before_anything_starts() {
    let verdict = judged(
        "
  steps:
  - {at: 0s, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 5}}}}
  expect:
  - {at: 5m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 5}}
",
    );
    assert_eq!(said(&verdict), [""; 0]);
    assert_eq!(web(&verdict).len(), 5, "never with two");
}

#[test]
fn what_is_expected_and_not_so_is_an_error_with_numbers() {
    let verdict = judged(
        "
  steps:
  - {at: 10m, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 9}}}}
  expect:
  - {by: 15m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 9}}
  - {at: 5m, verdict: starvation}
  - {verdict: converges}
  - {at: 5m, nodes: {nodePool: none, atLeast: 1}}
  - {at: 5m, running: {kind: Deployment, namespace: apps, name: api}}
",
    );
    assert_eq!(
        said(&verdict),
        [
            "expected at least 9 running pods of Deployment apps/web at t+15m00s: there are 6",
            "expected the verdict starvation at t+5m00s: it converges",
            "expected the verdict converges at the end: it is a starvation",
            "expected at least 1 node of NodePool none at t+5m00s: there are 0",
            "expected at least 1 running pod of Deployment apps/api at t+5m00s: there is no such object",
        ]
    );
}

#[test]
fn objects_written_in_a_step_arrive_with_it_and_deleted_ones_go() {
    holds(
        "
  steps:
  - at: 10m
    objects:
    - apiVersion: v1
      kind: Pod
      metadata: {name: one, namespace: apps}
      spec: {containers: [{name: one, image: 'example/one:1'}]}
  - {at: 20m, delete: {kind: Pod, namespace: apps, name: one}}
  - {at: 20m, delete: {kind: Deployment, namespace: apps, name: web}}
  expect:
  - {at: 9m, running: {kind: Pod, namespace: apps, name: one, atMost: 0}}
  - {at: 15m, running: {kind: Pod, namespace: apps, name: one}}
  - {at: 25m, running: {kind: Pod, namespace: apps, name: one, atMost: 0}}
  - {at: 25m, running: {kind: Deployment, namespace: apps, name: web, atMost: 0}}
  - {verdict: converges}
",
    );
}

#[test]
fn a_namespace_goes_with_everything_in_it() {
    let verdict = judged(
        "
  steps:
  - {at: 5m, objects: [{apiVersion: v1, kind: Namespace, metadata: {name: apps}}]}
  - {at: 10m, delete: {kind: Namespace, name: apps}}
",
    );
    assert_eq!(said(&verdict), [""; 0]);
    let pods = web(&verdict);
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|pod| pod.stage == Stage::Gone));
}

#[test]
fn a_restart_replaces_the_pods_without_a_gap() {
    let verdict = judged(
        "
  steps:
  - {at: 10m, restart: {kind: Deployment, namespace: apps, name: web}}
  - {at: 20m, patch: {kind: Deployment, namespace: apps, name: web, merge: {spec: {replicas: 3}}}}
  expect:
  - {verdict: converges}
",
    );
    assert_eq!(said(&verdict), [""; 0]);
    let pods = web(&verdict);
    assert_eq!(pods.len(), 5, "two, then two others, then one more");
    assert_eq!(pods.iter().filter(|pod| pod.stage == Stage::Ready).count(), 3);
}

#[test]
fn a_lost_node_s_pods_come_up_elsewhere() {
    holds(
        "
  steps:
  - {at: 10m, node: {name: a, ready: false, for: 30m}}
  expect:
  - {at: 9m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 2}}
  - {at: 12m, running: {kind: Deployment, namespace: apps, name: web, atMost: 1}}
  - {by: 20m, running: {kind: Deployment, namespace: apps, name: web, atLeast: 2}}
  - {by: 1h, verdict: converges}
",
    );
}

#[test]
fn faults_of_the_profile_are_steps_too() {
    let text =
        BASE.replace("horizon: 2h}", "horizon: 2h, faults: [{at: 10m, node: {name: a, ready: false}}]}");
    let play = Play::new(&inputs(&text), Catalog::embedded());
    assert_eq!((play.script.steps.len(), play.problems.len()), (1, 0));
}

#[test]
fn steps_that_cannot_be_carried_out_are_named() {
    let verdict = judged(
        "
  steps:
  - {at: 1m, patch: {kind: Deployment, namespace: apps, name: api, merge: {spec: {replicas: 9}}}}
  - {at: 2m, delete: {kind: Deployment, namespace: apps, name: api}}
  - {at: 3m, restart: {kind: Deployment, namespace: apps, name: api}}
  - {at: 4m, apply: [nowhere.yaml]}
  - {at: 5m, patch: {kind: Cluster, name: test, merge: {spec: {region: eu-west-1}}}}
  - {at: 3h, node: {name: a, ready: false}}
",
    );
    let said = said(&verdict);
    let expected = [
        "Deployment apps/api is not in the input",
        "Deployment apps/api is not in the input",
        "there is no Deployment apps/api to restart",
        "nowhere.yaml was not found, or holds nothing to apply",
        "subnets, node groups and settings of the profile do not change in a run",
        "t+3h00m is after the horizon, t+2h00m",
    ];
    assert_eq!(said, expected);
    assert!(verdict.problems.iter().all(|problem| verdict.inputs.problem_span(problem).is_some()));
}

#[test]
fn remedies_are_run_with_the_scenario() {
    let text = format!(
        "{BASE}---
apiVersion: plimsoll.dev/v1alpha1
kind: Scenario
metadata: {{name: test}}
spec:
  steps:
  - {{at: 10m, patch: {{kind: Deployment, namespace: apps, name: web, merge: {{spec: {{replicas: 9}}}}}}}}
"
    );
    let catalog = Catalog::embedded();
    let play = Play::new(&inputs(&text), catalog);
    let key = cluster::ObjectKey::new(cluster::Kind::Node, "", "b");
    let more = ["cpu", "pods"].map(|name| {
        sources::Edit::set(key.clone(), &format!("/status/allocatable/{name}"), serde_json::json!("40"))
    });
    let edited = play.edited(&more, catalog);
    assert_eq!(edited.script.steps.len(), 1);
    let stock = verdict::trial::Stock::of(catalog);
    let run =
        |play: &Play| verdict::Trial::new(play, &stock, verdict::Branch::declared(), 0, false).missing();
    // Nine times one CPU on two nodes of four CPUs, of which kube-proxy takes a tenth of one.
    assert_eq!((run(&play), run(&edited)), (3, 0));
}
