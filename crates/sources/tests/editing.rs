//! Edits, the diffs that show them, and the patches that ask for them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "editing/patches.rs"]
mod patches;

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
