//! Texts before and after: by example, and by property.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn value_of(text: &str) -> Value {
    read_one(text).map_or(Value::Null, |parsed| parsed.built.value)
}

/// Applies the change to the text and shows the lines that went and came.
fn lines(text: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut new = value_of(text);
    assert!(!new.is_null(), "{text}");
    change(&mut new);
    let result = rewrite(text, &new);
    assert_eq!(value_of(&result), new, "{result}");
    let diff = similar::TextDiff::from_lines(text, &result);
    let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    changed
        .map(|change| format!("{}{}", change.tag(), change.value().trim_end_matches(['\r', '\n'])))
        .collect::<Vec<_>>()
        .join("\n")
}

const POOL: &str = "\
---
# the default pool
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: default
  annotations: {}
spec:
  limits: {cpu: 1000, memory: 1000Gi} # enough
  template:
    spec:
      requirements:
        - key: kubernetes.io/arch   # what we have
          operator: In
          values: [\"amd64\"]
        - key: karpenter.sh/capacity-type
          operator: In
          values: ['spot', 'on-demand']
      # who boots
      nodeClassRef:
        name: default
  weight: 10 # first
  empty:
data:
  script: |
    one
    two
  # after the script
  enable: \"false\"
";

#[test]
fn a_scalar_is_set_in_place() {
    assert_eq!(
        lines(POOL, |value| value["spec"]["weight"] = json!(20)),
        "-  weight: 10 # first\n+  weight: 20 # first"
    );
    assert_eq!(
        lines(POOL, |value| value["spec"]["template"]["spec"]["requirements"][0]["values"][0] =
            json!("arm64")),
        "-          values: [\"amd64\"]\n+          values: [\"arm64\"]"
    );
    assert_eq!(
        lines(POOL, |value| value["data"]["enable"] = json!("true")),
        "-  enable: \"false\"\n+  enable: \"true\""
    );
    assert_eq!(lines(POOL, |value| value["spec"]["empty"] = json!(1)), "-  empty:\n+  empty: 1");
    assert_eq!(lines(POOL, |value| value["spec"]["empty"] = json!({"a": ["b"]})), "+    a:\n+      - b");
}

#[test]
fn a_block_scalar_stays_one() {
    assert_eq!(lines(POOL, |value| value["data"]["script"] = json!("one\nthree\n")), "-    two\n+    three");
    assert_eq!(lines(POOL, |value| value["data"]["other"] = json!("a\nb\n")), "+  other: |\n+    a\n+    b");
}

#[test]
fn keys_come_behind_their_siblings() {
    assert_eq!(
        lines(POOL, |value| value["spec"]["disruption"] = json!({"budgets": [{"nodes": "20%"}]})),
        "+  disruption:\n+    budgets:\n+      - nodes: 20%"
    );
    assert_eq!(
        lines(POOL, |value| value["spec"]["limits"]["nodes"] = json!(5)),
        "-  limits: {cpu: 1000, memory: 1000Gi} # enough\n+  limits: {cpu: 1000, memory: 1000Gi, nodes: 5} # enough"
    );
    assert_eq!(
        lines(POOL, |value| value["metadata"]["annotations"]["a/b"] = json!("true")),
        "-  annotations: {}\n+  annotations:\n+    a/b: \"true\""
    );
    assert_eq!(
        lines(POOL, |value| value["spec"]["template"]["spec"]["requirements"][1]["minValues"] = json!(2)),
        "+          minValues: 2"
    );
}

#[test]
fn keys_and_items_go() {
    let remove = |value: &mut Value, key: &str| value.as_object_mut().unwrap().shift_remove(key);
    assert_eq!(
        lines(POOL, |value| {
            remove(&mut value["spec"]["limits"], "memory");
        }),
        "-  limits: {cpu: 1000, memory: 1000Gi} # enough\n+  limits: {cpu: 1000} # enough"
    );
    assert_eq!(
        lines(POOL, |value| {
            remove(&mut value["spec"]["template"]["spec"]["requirements"][0], "key");
        }),
        "-        - key: kubernetes.io/arch   # what we have\n-          operator: In\n+        - operator: In"
    );
    assert_eq!(
        lines(POOL, |value| {
            value["spec"]["template"]["spec"]["requirements"].as_array_mut().unwrap().remove(0);
        })
        .lines()
        .filter(|line| line.starts_with('-'))
        .count(),
        3
    );
    assert_eq!(
        lines(POOL, |value| {
            value["spec"]["template"]["spec"]["requirements"][1]["values"].as_array_mut().unwrap().remove(0);
        }),
        "-          values: ['spot', 'on-demand']\n+          values: ['on-demand']"
    );
}

#[test]
fn items_come() {
    assert_eq!(
        lines(POOL, |value| {
            let item = json!({"key": "a", "operator": "Exists"});
            value["spec"]["template"]["spec"]["requirements"].as_array_mut().unwrap().push(item);
        }),
        "+        - key: a\n+          operator: Exists"
    );
    assert_eq!(
        lines(POOL, |value| {
            let values =
                value["spec"]["template"]["spec"]["requirements"][0]["values"].as_array_mut().unwrap();
            values.push(json!("arm64"));
        }),
        "-          values: [\"amd64\"]\n+          values: [\"amd64\", \"arm64\"]"
    );
}

#[test]
fn json_stays_json() {
    let text = "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      \"x\"\n    ]\n  }\n}\n";
    assert_eq!(lines(text, |value| value["b"]["d"] = json!("yes")), "-    ]\n+    ],\n+    \"d\": \"yes\"");
    let mut new = value_of(text);
    new["b"]["c"].as_array_mut().unwrap().push(json!({"k": 1}));
    let result = rewrite(text, &new);
    assert_eq!(serde_json::from_str::<Value>(&result).unwrap(), new);
}

#[test]
fn windows_line_breaks_stay() {
    let text = POOL.replace('\n', "\r\n");
    let mut new = value_of(&text);
    new["spec"]["x"] = json!({"y": 1});
    let result = rewrite(&text, &new);
    assert_eq!(value_of(&result), new);
    assert!(!result.replace("\r\n", "").contains('\n'));
}

#[test]
fn anchors_and_merge_keys_hold() {
    let text = "base: &b\n  cpu: 1\n  mem: 2\nfirst:\n  <<: *b\n  x: 1\nsecond: *b\n";
    assert_eq!(lines(text, |value| value["first"]["cpu"] = json!(5)), "+  cpu: 5");
    assert_eq!(
        lines(text, |value| value["second"]["cpu"] = json!(5)),
        "-second: *b\n+second:\n+  cpu: 5\n+  mem: 2"
    );
    let mut new = value_of(text);
    new["base"]["cpu"] = json!(9);
    assert_eq!(value_of(&rewrite(text, &new)), new, "what the others took from the anchor stays as it was");
}

const TEXTS: [&str; 6] = [
    POOL,
    "a: &x [1, {b: c}]\nd: *x\ne:\n- - 1\n  - 2\n- k: v\n  l:\n  - m\n-\nf: |+\n  text\n\n\ng: 'q''uoted'\n",
    "{\n  \"a\": [1, 2, {\"b\": []}],\n  \"c\": {\"d\": null}\n}",
    "--- # start\n'key one': >-\n  folded\n  text\n? explicit\n: value\nlist: [a: b, c, ]\nmap: {x, y: }\n# end\n",
    "- a\n- b: 1\n  c: 2\n# between\n- |\n  x\n   y\n",
    "base: &b {p: 1}\none: {<<: *b, q: 2}\ntwo:\n  <<: [*b, {r: 3}]\n  s: 4\n",
];

fn scalars() -> impl Strategy<Value = Value> {
    let strings = prop_oneof![
        "[ -~]{0,12}",
        "[a-z\\n \\t:#-]{0,12}",
        "\\PC{0,6}",
        proptest::sample::select(vec![
            "",
            "~",
            "yes",
            "0x1",
            "- a",
            "a: b",
            "<<",
            "---",
            "x\n",
            "x\n\n",
            "\u{85}é\u{7f}",
            "1e3",
            "*a"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", scalar_float),
        strings.prop_map(Value::from),
    ]
}

fn scalar_float(float: f64) -> Option<Value> {
    if float.is_finite() { crate::scalar::float_value(float) } else { None }
}

fn values() -> impl Strategy<Value = Value> {
    scalars().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("\\PC{0,5}|[a-z ]{0,6}", inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Changes some place inside a value: the picks choose the way down.
fn disturb(value: &mut Value, picks: &[u8], new: &Value) {
    let Some((pick, rest)) = picks.split_first() else {
        *value = new.clone();
        return;
    };
    let pick = usize::from(*pick);
    match value {
        Value::Object(map) if pick.is_multiple_of(7) => {
            map.insert("added".to_owned(), new.clone());
        }
        Value::Object(map) if !map.is_empty() => {
            let key = map.keys().nth(pick % map.len()).unwrap().clone();
            if pick.is_multiple_of(5) {
                map.shift_remove(&key);
            } else {
                disturb(&mut map[&key], rest, new);
            }
        }
        Value::Array(items) if pick.is_multiple_of(7) => items.insert(pick % (items.len() + 1), new.clone()),
        Value::Array(items) if !items.is_empty() => {
            let index = pick % items.len();
            if pick.is_multiple_of(5) {
                items.remove(index);
            } else {
                disturb(&mut items[index], rest, new);
            }
        }
        other => *other = new.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(value in values()) {
        prop_assert_eq!(value_of(&write(&value)), value.clone(), "{}", write(&value));
        let json = whole("{", &value, true);
        if value.is_object() || value.is_array() {
            prop_assert!(serde_json::from_str::<Value>(&json).is_ok());
            prop_assert_eq!(value_of(&json), value.clone());
        }
        let flow = format!("k: {}\n", render::flow(&value, crate::Style::Plain, Layout::default()));
        prop_assert_eq!(value_of(&flow)["k"].clone(), value, "{}", flow);
    }

    #[test]
    fn a_rewritten_text_reads_as_the_new_value(
        text in proptest::sample::select(TEXTS.to_vec()),
        changes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), values()), 1..4),
    ) {
        let mut new = value_of(text);
        prop_assert!(!new.is_null());
        for (picks, value) in &changes {
            disturb(&mut new, picks, value);
        }
        let result = rewrite(text, &new);
        prop_assert_eq!(value_of(&result), new, "{}", result);
    }

    #[test]
    fn a_rendered_text_is_rewritten_too(
        old in values(),
        changes in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..6), values()), 1..4),
    ) {
        let text = write(&old);
        let mut new = old;
        for (picks, value) in &changes {
            disturb(&mut new, picks, value);
        }
        let result = rewrite(&text, &new);
        prop_assert_eq!(value_of(&result), new, "{}\n{}", text, result);
    }
}
