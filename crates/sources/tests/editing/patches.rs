//! Patches and assignments: what they ask for.

use super::*;

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
