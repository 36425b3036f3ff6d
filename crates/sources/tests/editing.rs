//! Edits, the diffs that show them, and the patches that ask for them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use cluster::{Kind, Location, ObjectKey};
use serde_json::{Value, json};
use sources::{Edit, Inputs, Limits, Loader};

const TEXT: &str = "\
# the catalog
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      requirements:
      - key: kubernetes.io/arch # ours
        operator: In
        values: [\"amd64\"]
      nodeClassRef: {name: default}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3   # enough
  template:
    spec:
      containers:
      - name: web
        image: web:1
      - name: log
        image: log:1
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: one}
  data: {a: b}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: two}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: three}
";

fn load(text: &str) -> Inputs {
    let mut loader = Loader::new(Limits::default());
    loader.add_text("in.yaml", text.to_owned());
    loader.finish()
}

fn pool() -> ObjectKey {
    ObjectKey::new(Kind::NodePool, "", "default")
}

fn web() -> ObjectKey {
    ObjectKey::new(Kind::Deployment, "shop", "web")
}

fn config(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::ConfigMap, "", name)
}

/// All objects of an input, as they are.
fn objects(inputs: &Inputs) -> Vec<Value> {
    inputs.raw_objects().iter().map(|object| object.value.as_ref().clone()).collect()
}

/// The unified diff, after a check that its text reads as the edited input.
fn diff(inputs: &Inputs, edits: &[Edit]) -> String {
    let edited = inputs.edited(edits);
    assert_eq!(edited.problems.len(), inputs.problems.len(), "{:?}", edited.problems);
    let diffs = inputs.diff(edits);
    let mut loader = Loader::new(Limits::default());
    for diff in &diffs {
        loader.add_text(&diff.name, diff.new.clone());
    }
    let mut read = objects(&loader.finish());
    let mut expected = objects(&edited);
    let by_name = |value: &Value| value["kind"].to_string() + &value["metadata"]["name"].to_string();
    read.sort_by_key(by_name);
    expected.sort_by_key(by_name);
    assert_eq!(read, expected);
    diffs.iter().map(sources::FileDiff::unified).collect()
}

#[test]
fn a_diff_touches_only_what_changes() {
    let inputs = load(TEXT);
    let edits = [
        Edit::set(pool(), "/spec/template/spec/requirements/0/values/0", json!("arm64")),
        Edit::set(web(), "/spec/replicas", json!(1)),
        Edit::set(web(), "/spec/strategy/rollingUpdate/maxSurge", json!(0)),
    ];
    insta::assert_snapshot!(diff(&inputs, &edits), @r#"
    --- a/in.yaml
    +++ b/in.yaml
    @@ -8,7 +8,7 @@
           requirements:
           - key: kubernetes.io/arch # ours
             operator: In
    -        values: ["amd64"]
    +        values: ["arm64"]
           nodeClassRef: {name: default}
     ---
     apiVersion: apps/v1
    @@ -17,7 +17,7 @@
       name: web
       namespace: shop
     spec:
    -  replicas: 3   # enough
    +  replicas: 1   # enough
       template:
         spec:
           containers:
    @@ -25,6 +25,9 @@
             image: web:1
           - name: log
             image: log:1
    +  strategy:
    +    rollingUpdate:
    +      maxSurge: 0
     ---
     apiVersion: v1
     kind: List
    "#);
}

#[test]
fn objects_go_and_come() {
    let inputs = load(TEXT);
    let edits = [
        Edit::set(config("three"), "/data", json!({"x": "y"})),
        Edit::remove(config("one"), ""),
        Edit::remove(config("two"), ""),
        Edit::remove(web(), ""),
        Edit::append(pool(), "/spec/template/spec/requirements", json!({"key": "a", "operator": "Exists"})),
        Edit::remove(pool(), "/spec/template/spec/nodeClassRef"),
        Edit::set(
            ObjectKey::new(Kind::PriorityClass, "", "high"),
            "",
            json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "high"}, "value": 5}),
        ),
    ];
    insta::assert_snapshot!(diff(&inputs, &edits), @r#"
    --- a/in.yaml
    +++ b/in.yaml
    @@ -9,33 +9,14 @@
           - key: kubernetes.io/arch # ours
             operator: In
             values: ["amd64"]
    -      nodeClassRef: {name: default}
    ----
    -apiVersion: apps/v1
    -kind: Deployment
    -metadata:
    -  name: web
    -  namespace: shop
    -spec:
    -  replicas: 3   # enough
    -  template:
    -    spec:
    -      containers:
    -      - name: web
    -        image: web:1
    -      - name: log
    -        image: log:1
    +      - key: a
    +        operator: Exists
     ---
     apiVersion: v1
     kind: List
     items:
     - apiVersion: v1
       kind: ConfigMap
    -  metadata: {name: one}
    -  data: {a: b}
    -- apiVersion: v1
    -  kind: ConfigMap
    -  metadata: {name: two}
    -- apiVersion: v1
    -  kind: ConfigMap
       metadata: {name: three}
    +  data:
    +    x: "y"
    --- /dev/null
    +++ b/plimsoll-added.yaml
    @@ -0,0 +1,5 @@
    +apiVersion: scheduling.k8s.io/v1
    +kind: PriorityClass
    +metadata:
    +  name: high
    +value: 5
    "#);
    let edited = inputs.edited(&edits);
    assert!(edited.find(&web()).is_none());
    assert!(edited.find(&ObjectKey::new(Kind::PriorityClass, "", "high")).is_some());
}

#[test]
fn an_edited_input_still_knows_its_places_and_shares_the_rest() {
    let inputs = load(TEXT);
    let edited = inputs.edited(&[
        Edit::set(web(), "/spec/strategy", json!({"type": "Recreate"})),
        Edit::remove(web(), "/spec/template/spec/containers/0"),
    ]);
    let line = |path: &str| edited.span(&Location::object(web()).at(path)).unwrap().line;
    assert_eq!(line("/spec/replicas"), 20);
    assert_eq!(line("/spec/strategy/type"), 19, "never written: where its parent is");
    assert_eq!(line("/spec/template/spec/containers/0/image"), 27);
    assert_eq!(
        edited.find(&web()).unwrap().value["spec"]["template"]["spec"]["containers"][0]["name"],
        "log"
    );
    let shared =
        inputs.documents.iter().zip(&edited.documents).filter(|(a, b)| std::sync::Arc::ptr_eq(a, b)).count();
    assert_eq!(shared, 2);
    assert_eq!(
        inputs.find(&web()).unwrap().value["spec"]["strategy"],
        Value::Null,
        "the original is as it was"
    );
}

#[test]
fn a_diff_of_an_edited_input_starts_from_its_edits() {
    let inputs = load(TEXT).edited(&[Edit::set(web(), "/spec/replicas", json!(5))]);
    let diffs = inputs.diff(&[Edit::set(web(), "/spec/replicas", json!(7))]);
    assert_eq!(diffs.len(), 1);
    let changed: Vec<&str> = diffs[0].new.lines().filter(|line| line.contains("replicas")).collect();
    assert_eq!(changed, ["  replicas: 7   # enough"]);
    assert!(diffs[0].old.contains("  replicas: 5   # enough"));
    assert!(inputs.diff(&[]).is_empty());
}

#[test]
fn edits_that_cannot_be_are_problems() {
    let inputs = load(TEXT);
    let edited = inputs.edited(&[
        Edit::remove(web(), "/spec/none"),
        Edit::append(web(), "/spec/replicas", json!(1)),
        Edit::set(web(), "/spec/replicas/x", json!(1)),
        Edit::set(web(), "/spec/template/spec/containers/7/name", json!(1)),
        Edit::set(ObjectKey::new(Kind::Pod, "", "nope"), "/spec", json!(1)),
    ]);
    let messages: Vec<&str> = edited.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "Deployment shop/web: spec.none: `none` is not there",
            "Deployment shop/web: spec.replicas: this is no list",
            "Deployment shop/web: spec.replicas.x: `x` cannot be inside a scalar",
            "Deployment shop/web: spec.template.spec.containers[7].name: the list has 2 items, no item 7",
            "Pod nope: spec: there is no such object in the input",
        ]
    );
    assert_eq!(objects(&edited), objects(&inputs));
}

#[test]
fn windows_line_breaks_stay() {
    let inputs = load(&TEXT.replace('\n', "\r\n"));
    let edits = [Edit::set(web(), "/spec/strategy/type", json!("Recreate"))];
    let changed: Vec<String> =
        diff(&inputs, &edits).lines().map(str::to_owned).filter(|line| line.contains("strategy")).collect();
    assert_eq!(changed, ["+  strategy:"], "`lines` takes the whole break away");
    assert!(!inputs.diff(&edits)[0].new.replace("\r\n", "").contains(['\r', '\n']));
}

/// The edits of a patch, as lines; its problems after them.
fn patch(text: &str) -> Vec<String> {
    let inputs = load(TEXT);
    let patch = inputs.patch("patch.yaml", text);
    let edits = patch.edits.iter().map(|edit| format!("{} {}: {:?}", edit.object, edit.path, edit.action));
    let with = inputs.with(&patch);
    let problems = with.problems.iter().map(|problem| {
        let place =
            with.problem_span(problem).map(|span| format!("{}:{}", span.name, span.line)).unwrap_or_default();
        format!("{place} {:?}: {}", problem.severity, problem.message)
    });
    edits.chain(problems).collect()
}

#[test]
fn a_partial_object_is_laid_over_the_one_it_names() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {a: b}}
spec:
  replicas: null
  template:
    spec:
      containers:
      - {name: log, image: 'log:2'}
      - {name: new, image: 'new:1'}
---
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec: {template: {spec: {requirements: [{key: kubernetes.io/arch, values: [arm64]}]}}}
";
    assert_eq!(
        patch(text),
        [
            "NodePool default spec.template.spec.requirements[0].values[0]: Set(String(\"arm64\"))",
            "Deployment shop/web metadata.labels: Set(Object {\"a\": String(\"b\")})",
            "Deployment shop/web spec.replicas: Remove",
            "Deployment shop/web spec.template.spec.containers[1].image: Set(String(\"log:2\"))",
            "Deployment shop/web spec.template.spec.containers: Append(Object {\"name\": String(\"new\"), \"image\": String(\"new:1\")})",
        ]
    );
}

#[test]
fn json_patches_take_a_target() {
    for text in [
        "target: {kind: Deployment, namespace: shop, name: web}\npatch:\n- {op: replace, path: /spec/replicas, value: 9}\n- {op: remove, path: /spec/template/spec/containers/0}\n",
        "- target: {kind: Deployment, name: web}\n  patch: |-\n    - op: replace\n      path: /spec/replicas\n      value: 9\n    - {op: remove, path: /spec/template/spec/containers/0}\n",
        "- {op: replace, path: /spec/replicas, value: 9, target: {kind: Deployment, name: web}}\n- {op: remove, path: /spec/template/spec/containers/0}\n",
        "[{\"target\": {\"kind\": \"Deployment\", \"name\": \"web\"}}, {\"op\": \"replace\", \"path\": \"/spec/replicas\", \"value\": 9}, {\"op\": \"remove\", \"path\": \"/spec/template/spec/containers/0\"}]",
    ] {
        assert_eq!(
            patch(text),
            [
                "Deployment shop/web spec.replicas: Set(Number(9))",
                "Deployment shop/web spec.template.spec.containers: Set(Array [Object {\"name\": String(\"log\"), \"image\": String(\"log:1\")}])",
            ]
        );
    }
    assert_eq!(
        patch("- {op: replace, path: /x, value: 1}\n"),
        ["patch.yaml:1 Error: a JSON patch needs a `target: {kind, namespace, name}`"]
    );
    assert_eq!(
        patch("target: {kind: Pod, name: x}\npatch: []\n"),
        ["patch.yaml:1 Error: Pod x is not in the input"]
    );
}

#[test]
fn what_is_not_there_is_added_when_it_is_complete() {
    let text = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: wbe, namespace: shop}
spec: {replicas: 1}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 10
";
    assert_eq!(
        patch(text),
        [
            "patch.yaml:7 Note: PriorityClass high is not in the input: it is added",
            "patch.yaml:2 Error: Deployment shop/wbe is not in the input, and is not complete in itself",
        ]
    );
    let inputs = load(TEXT);
    let with = inputs.with(&inputs.patch("patch.yaml", text));
    let span =
        with.span(&Location::object(ObjectKey::new(Kind::PriorityClass, "", "high")).at("/value")).unwrap();
    assert_eq!((span.name.as_str(), span.line), ("patch.yaml", 10));
    assert_eq!(with.raw_objects().len(), inputs.raw_objects().len() + 1);
    assert_eq!(patch("a: [1\n").len(), 1);
}

#[test]
fn assignments_of_the_command_line() {
    for (text, expected) in [
        ("Deployment/shop/web:spec.replicas=9", "Deployment shop/web spec.replicas: Set(Number(9))"),
        ("deployments/web:spec.replicas=\"9\"", "Deployment shop/web spec.replicas: Set(String(\"9\"))"),
        ("deployment/web:spec.replicas-", "Deployment shop/web spec.replicas: Remove"),
        ("deployment/web:spec.replicas=null", "Deployment shop/web spec.replicas: Remove"),
        (
            "Deployment/web:spec.template.spec.containers[name=log].image=log:2",
            "Deployment shop/web spec.template.spec.containers[1].image: Set(String(\"log:2\"))",
        ),
        (
            "nodepool/default:spec.template.spec.requirements[0].values+=arm64",
            "NodePool default spec.template.spec.requirements[0].values: Append(String(\"arm64\"))",
        ),
        (
            "nodepool/default:spec.template.metadata.labels[\"a.b/c\"]=x",
            "NodePool default spec.template.metadata: Set(Object {\"labels\": Object {\"a.b/c\": String(\"x\")}})",
        ),
        (
            "nodepool/default:spec.limits={cpu: 100}",
            "NodePool default spec.limits: Set(Object {\"cpu\": Number(100)})",
        ),
        ("deployment/nope:spec.replicas=1", "patch.yaml:1 Error: `deployment/nope` is not in the input"),
        (
            "configmap:data.x=1",
            "patch.yaml:1 Error: `configmap` may be ConfigMap one or ConfigMap three: name the namespace",
        ),
        (
            "deployment/web:spec.template.spec.containers[name=x].image=1",
            "patch.yaml:1 Error: no item has name=x",
        ),
    ] {
        assert_eq!(patch(text), [expected], "{text}");
    }
}
