//! What is read from a text, and where it says it was.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use cluster::{FieldPath, Kind, Location, ObjectKey};
use serde_json::{Value, json};
use sources::{Inputs, Limits, Loader};

fn load(text: &str) -> Inputs {
    load_with(Limits::default(), text)
}

fn load_with(limits: Limits, text: &str) -> Inputs {
    let mut loader = Loader::new(limits);
    loader.add_text("in.yaml", text.to_owned());
    loader.finish()
}

/// The `data` of a ConfigMap written with `text` below it.
fn data(text: &str) -> Value {
    let body: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let inputs = load(&format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{body}"));
    assert_eq!(messages(&inputs), Vec::<String>::new());
    inputs.raw_objects()[0].value["data"].clone()
}

fn messages(inputs: &Inputs) -> Vec<String> {
    let show = |problem: &api::Problem| {
        let span = inputs.problem_span(problem).unwrap();
        let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        let severity = format!("{:?}", problem.severity).to_lowercase();
        format!(
            "{}:{}:{}: {severity}[{}]: {}{help}",
            span.name, span.line, span.column, problem.code, problem.message
        )
    };
    inputs.problems.iter().map(show).collect()
}

fn key(kind: &str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::from(kind), namespace, name)
}

fn names(inputs: &Inputs) -> Vec<String> {
    let name = |object: &api::RawObject| {
        format!(
            "{} {}",
            object.value["kind"].as_str().unwrap(),
            object.value["metadata"]["name"].as_str().unwrap_or("-")
        )
    };
    inputs.raw_objects().iter().map(name).collect()
}

// The output of `kubectl label --local -o json` (v1.32) for the same text.
#[test]
fn yaml_is_what_kubectl_reads() {
    let read = data(
        "base: &b {p: 1, q: 2}\nmap:\n  q: 9\n  <<: *b\n  r: *b\nlater:\n  <<: *b\n  q: 7\nboth:\n  <<: [{p: 3}, *b]\n\
         o: 0755\n'on': off\n7: x\n1.5: w\ntrue: z\ntilde: ~\nnone:\ndate: 2026-01-01\ntag: !foo 12\ns: !!str 12\n\
         b: !!binary aGk=\nanchored: &x hi\nagain: *x\nfolded: >-\n  a\n  b\nliteral: |\n  a\n   b\nempty: \"\"\n",
    );
    assert_eq!(
        read,
        json!({
            "base": {"p": 1, "q": 2},
            "map": {"q": 2, "p": 1, "r": {"p": 1, "q": 2}},
            "later": {"p": 1, "q": 7},
            "both": {"p": 3, "q": 2},
            "o": 493, "on": false, "7": "x", "1.5": "w", "true": "z", "tilde": null, "none": null,
            "date": "2026-01-01", "tag": "12", "s": "12", "b": "hi", "anchored": "hi", "again": "hi",
            "folded": "a b", "literal": "a\n b\n", "empty": "",
        })
    );
}

#[test]
fn a_dash_may_be_a_word_in_brackets() {
    assert_eq!(
        data(
            "é: [/velero install | kubectl apply -f -]\ntar: [x, -, -]\nmap: {a: -, b: b-}\nlist:\n- [-]\n- \"-]\"\n"
        ),
        json!({
            "é": ["/velero install | kubectl apply -f -"], "tar": ["x", "-", "-"], "map": {"a": "-", "b": "b-"},
            "list": [["-"], "-]"],
        })
    );
}

#[test]
fn json_is_read_with_surrogates_and_several_values_in_a_row() {
    let inputs = load(
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"\\ud83d\\ude00\"}, \"r\": 2.0}\n\
         {\"apiVersion\": \"v1\",\t\"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"b\"}}\n---\n[1, 2]\n---\n{apiVersion: v1, kind: Pod}\n",
    );
    assert_eq!(names(&inputs), ["ConfigMap 😀", "ConfigMap b", "Pod -"]);
    assert_eq!(inputs.raw_objects()[0].value["r"], json!(2));
    assert_eq!(
        messages(&inputs),
        [
            "in.yaml:4:1: note[INPUT106]: this is no Kubernetes object (no apiVersion, no kind): it is left out"
        ]
    );
}

const POD: &str = "\
# Ünïcode before it
---
# Source: web/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata:
  name: web   # its name
  namespace: shop
spec:
  nodeSelector:
    kubernetes.io/arch: arm64
  containers:
  - name: \"wéb\"
    args: [\"ä\", 'b', c]
    resources: {requests: {cpu: 100m}}
    command:
    - |
      echo 1

      echo 2
  -
  tolerations:
";

#[test]
fn every_field_knows_where_it_was_written() {
    let inputs = load(POD);
    let at = |path: &str| {
        let location = Location { object: key("Pod", "shop", "web"), path: FieldPath::of(path) };
        let span = inputs.span(&location).unwrap();
        format!("{}:{}-{}:{} {}", span.line, span.column, span.end_line, span.end_column, &POD[span.bytes])
    };
    assert_eq!(at("/metadata/name"), "7:3-7:12 name: web");
    assert_eq!(at("/spec/nodeSelector/kubernetes.io~1arch"), "11:5-11:30 kubernetes.io/arch: arm64");
    assert_eq!(at("/spec/containers/0/name"), "13:5-13:16 name: \"wéb\"");
    assert_eq!(at("/spec/containers/0/args/0"), "14:12-14:15 \"ä\"");
    assert_eq!(at("/spec/containers/0/args/1"), "14:17-14:20 'b'");
    assert_eq!(at("/spec/containers/0/args"), "14:5-14:24 args: [\"ä\", 'b', c]");
    assert_eq!(at("/spec/containers/0/resources/requests/cpu"), "15:28-15:37 cpu: 100m");
    assert_eq!(at("/spec/containers/0/resources"), "15:5-15:39 resources: {requests: {cpu: 100m}}");
    assert_eq!(at("/spec/containers/0/command/0"), "17:7-20:13 |\n      echo 1\n\n      echo 2");
    assert_eq!(
        at("/spec/containers/0/command"),
        "16:5-20:13 command:\n    - |\n      echo 1\n\n      echo 2"
    );
    assert_eq!(&at("/spec/containers/0")[..10], "13:5-20:13");
    assert_eq!(at("/spec/containers/1"), "21:4-21:4 ");
    assert_eq!(at("/spec/tolerations"), "22:3-22:15 tolerations:");
    assert_eq!(
        at("/spec/tolerations/0/key"),
        "22:3-22:15 tolerations:",
        "the nearest ancestor that was written"
    );
    assert_eq!(at("/spec/nodeSelector"), "10:3-11:30 nodeSelector:\n    kubernetes.io/arch: arm64");
    let whole = inputs.span(&Location::object(key("Pod", "shop", "web"))).unwrap();
    assert_eq!((whole.line, whole.column, whole.end_line), (4, 1, 22));
    assert_eq!(&POD[whole.head], "kind: Pod");
    let spec = inputs.span(&Location::object(key("Pod", "shop", "web")).at("/spec")).unwrap();
    assert_eq!(&POD[spec.head], "spec");
    assert_eq!(inputs.source(&key("Pod", "shop", "web")), Some("web/templates/pod.yaml"));
    assert!(inputs.span(&Location::object(key("Pod", "shop", "other"))).is_none());
}

#[test]
fn brackets_are_part_of_what_they_hold() {
    let text = "apiVersion: v1\nkind: X\nmetadata: { name: a }\na: [ # c\n   1, &x [ 2 ] , &y # d\n  { b: {c: 3} } ]\n";
    let inputs = load(text);
    let at = |path: &str| {
        let span = inputs.span(&Location::object(key("X", "", "a")).at(path)).unwrap();
        &text[span.bytes]
    };
    assert_eq!(at("/metadata"), "metadata: { name: a }");
    assert_eq!(at("/a"), "a: [ # c\n   1, &x [ 2 ] , &y # d\n  { b: {c: 3} } ]");
    assert_eq!(at("/a/1"), "[ 2 ]");
    assert_eq!(at("/a/2"), "{ b: {c: 3} }");
    assert_eq!(at("/a/2/b"), "b: {c: 3}");
}

#[test]
fn line_breaks_of_windows_and_a_byte_order_mark_change_nothing() {
    let inputs = load(&format!("\u{feff}{}", POD.replace('\n', "\r\n")));
    assert_eq!(inputs.raw_objects()[0].value, load(POD).raw_objects()[0].value);
    let location = Location::object(key("Pod", "shop", "web")).at("/spec/containers/0/name");
    let span = inputs.span(&location).unwrap();
    assert_eq!((span.line, span.column, &inputs.text(span.file)[span.bytes]), (13, 5, "name: \"wéb\""));
}

#[test]
fn merged_and_aliased_fields_are_where_they_were_written() {
    let text =
        "apiVersion: v1\nkind: X\nmetadata: {name: a}\nbase: &b\n  cpu: 1\nspec:\n  <<: *b\nother: *b\n";
    let inputs = load(text);
    let at = |path: &str| {
        let span = inputs.span(&Location::object(key("X", "", "a")).at(path)).unwrap();
        format!("{} {}", span.line, &text[span.bytes])
    };
    assert_eq!(at("/spec/cpu"), "5 cpu: 1");
    assert_eq!(at("/other"), "8 other: *b");
    assert_eq!(at("/other/cpu"), "5 cpu: 1");
}

#[test]
fn a_broken_document_takes_no_other_with_it() {
    let good = |name: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\n");
    let text = format!(
        "{}---\nkind: Pod\n  bad: [1\n---\n{}---\na: 1\nb: 2\na: 3\n---\n{}---\nx:\n\ty: 1\n---\nv: {{{{ .Values.x }}}}\n---\nz: .inf\n---\n*nope\n",
        good("a"),
        good("b"),
        good("c")
    );
    let inputs = load(&text);
    assert_eq!(names(&inputs), ["Pod a", "Pod b", "Pod c"]);
    let messages = messages(&inputs);
    assert_eq!(messages.len(), 6, "{messages:#?}");
    assert!(messages[0].starts_with("in.yaml:6:6: error[INPUT103]: "), "{}", messages[0]);
    assert_eq!(
        messages[1],
        "in.yaml:14:1: error[INPUT104]: the key `a` is written twice: on line 12 and on line 14"
    );
    assert!(
        messages[2].contains("in.yaml:21:2: error[INPUT103]") && messages[2].contains("indent with spaces"),
        "{}",
        messages[2]
    );
    assert!(messages[3].contains("helm template"), "{}", messages[3]);
    assert!(
        messages[4].starts_with("in.yaml:25:4: error[INPUT103]: JSON has no infinity"),
        "{}",
        messages[4]
    );
    assert!(messages[5].starts_with("in.yaml:27:1: error[INPUT103]: "), "{}", messages[5]);
}

#[test]
fn what_is_no_text_is_named_with_its_offset() {
    let mut loader = Loader::new(Limits::default());
    loader.add_bytes("bad.yaml", b"a: \xff\n".to_vec());
    loader.add_bytes("wide.yaml", b"\xff\xfea\0".to_vec());
    loader.add_text("nul.yaml", "a: 1\nb: \0\n".to_owned());
    loader.add_text("good.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n".to_owned());
    let inputs = loader.finish();
    assert_eq!(names(&inputs), ["Pod a"]);
    assert_eq!(
        messages(&inputs),
        [
            "bad.yaml:1:1: error[INPUT102]: the file is not UTF-8 text: the byte at offset 3 fits nowhere (save it as UTF-8)",
            "wide.yaml:1:1: error[INPUT102]: the file is UTF-16 (save it as UTF-8)",
            "nul.yaml:2:4: error[INPUT102]: the control character U+0000 at offset 8 may not stand in YAML",
        ]
    );
}

#[test]
fn nesting_is_bounded() {
    let deep: String = (0..10_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for text in [
        deep,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        format!("a: {}1{}", "[".repeat(10_000), "]".repeat(10_000)),
    ] {
        let inputs = load(&text);
        assert!(inputs.raw_objects().is_empty());
        assert_eq!(inputs.problems.len(), 1, "{}", text.len());
        assert_eq!(inputs.problems[0].code, "INPUT105", "{:?}", messages(&inputs));
    }
}

#[test]
fn aliases_may_not_explode() {
    let mut text = "apiVersion: v1\nkind: Pod\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let row = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{row}]\n"));
    }
    let inputs = load(&text);
    assert_eq!(inputs.problems[0].code, "INPUT105", "{:?}", messages(&inputs));
    let around = load("apiVersion: v1\nkind: Pod\na: &a [*a]\n");
    assert_eq!(around.problems[0].code, "INPUT103", "{:?}", messages(&around));
}

#[test]
fn sizes_are_bounded() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n";
    let limits = Limits { documents: 3, ..Limits::default() };
    let inputs = load_with(limits, &pod.repeat(5));
    assert_eq!(inputs.problems[0].code, "INPUT105");
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    assert_eq!(load_with(limits, pod).problems[0].code, "INPUT105");
}

#[test]
fn lists_are_unfolded() {
    let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
- apiVersion: v1
  kind: PodList
  items:
  - metadata: {name: b}
  - apiVersion: v1
    kind: Pod
    metadata: {name: c}
- nothing: here
---
apiVersion: x/v1
kind: AllowList
metadata: {name: not-a-list}
items: [1]
---
apiVersion: v1
kind: List
items: []
";
    let inputs = load(text);
    assert_eq!(names(&inputs), ["Pod a", "Pod b", "Pod c", "AllowList not-a-list"]);
    let roots: Vec<String> = inputs.raw_objects().iter().map(|object| object.root.0.clone()).collect();
    assert_eq!(roots, ["/items/0", "/items/1/items/0", "/items/1/items/1", ""]);
    let span = inputs.span(&Location::object(key("Pod", "", "c")).at("/metadata/name")).unwrap();
    assert_eq!((span.line, &text[span.bytes]), (13, "name: c"));
    assert_eq!(messages(&inputs).len(), 1);
    let document = inputs.raw_objects()[2].document;
    let span = inputs.document_span(document, &FieldPath::of("/items/1/items/1/metadata/name")).unwrap();
    assert_eq!(span.line, 13);
}

#[test]
fn of_objects_given_twice_the_later_one_counts() {
    let inputs = load(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: 1\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: default}\nspec: 2\n---\n\
         apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: s}\nspec: 1\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: 2\n---\n\
         apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: s}\nspec: 3\n",
    );
    assert_eq!(inputs.raw_objects().len(), 5, "`api` decides and reports");
    assert_eq!(inputs.find(&key("Pod", "", "a")).unwrap().value["spec"], 2);
    assert_eq!(inputs.find(&key("Pod", "default", "a")).unwrap().value["spec"], 2);
    assert_eq!(inputs.find(&key("Service", "", "s")).unwrap().value["spec"], 2, "the core group's");
    let other = ObjectKey::new(Kind::Other("Service".into()), "", "s");
    assert_eq!(inputs.find(&other).unwrap().value["spec"], 3, "Knative's");
    assert!(inputs.find(&key("Pod", "other", "a")).is_none());
}

#[test]
fn kustomizations_are_no_objects() {
    let inputs = load("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n");
    assert!(inputs.raw_objects().is_empty());
    assert_eq!(
        messages(&inputs),
        ["in.yaml:1:1: note[INPUT106]: this is input of kustomize, not an object: it is left out"]
    );
}

#[test]
fn objects_are_found_without_their_namespace() {
    let inputs = load(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r, namespace: stray}\n",
    );
    assert!(inputs.find(&key("ClusterRole", "", "r")).is_some());
}
