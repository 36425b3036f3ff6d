//! Partial objects laid over whole ones, as `kubectl patch --type strategic` and kustomize do.
//!
//! Maps are merged, `null` removes a key. Lists of objects are merged by a key where the API's own patch strategy
//! has one (`kubernetes/api` v0.36, `patchMergeKey` of the core, apps and batch types); a list that it replaces is
//! replaced (tolerations); lists it does not know, in custom resources, are merged by `name` or `key`. `$patch:
//! delete` and `$patch: replace` are obeyed, the `$setElementOrder` hints are not needed.

use serde_json::{Map, Value};

/// Lists that are merged, with their keys in the order in which they are tried.
const MERGED: [(&str, &[&str]); 16] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("volumes", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("env", &["name"]),
    ("ports", &["containerPort", "port"]),
    ("imagePullSecrets", &["name"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("taints", &["key"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
];

/// Lists that the API replaces although their items have a `name` or a `key`.
const REPLACED: [&str; 7] =
    ["tolerations", "matchExpressions", "matchFields", "nodeSelectorTerms", "envFrom", "items", "rules"];

/// Lays `patch` over `target`.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if directive(&patch) == Some("replace") {
        *target = Value::Object(clean(patch));
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else { return };
    for (key, value) in patch {
        if key.starts_with('$') {
            continue;
        }
        match (map.get_mut(&key), value) {
            (_, Value::Null) => {
                map.shift_remove(&key);
            }
            (_, Value::Object(inner)) if directive(&inner) == Some("delete") => {
                map.shift_remove(&key);
            }
            (Some(Value::Array(items)), Value::Array(new)) => merge_list(&key, items, new),
            (Some(old), value @ Value::Object(_)) => merge(old, value),
            (_, value) => {
                map.insert(key, fresh(value));
            }
        }
    }
}

fn merge_list(field: &str, items: &mut Vec<Value>, patch: Vec<Value>) {
    let Some(key) = merge_key(field, items, &patch) else {
        *items = patch.into_iter().map(fresh).collect();
        return;
    };
    if patch.iter().any(|item| item.as_object().and_then(directive) == Some("replace")) {
        items.clear();
    }
    for item in patch {
        let action = item.as_object().and_then(directive).map(str::to_owned);
        let Some(name) = item.get(key).cloned() else { continue };
        let place = items.iter().position(|other| other.get(key) == Some(&name));
        match (place, action.as_deref()) {
            (Some(index), Some("delete")) => {
                items.remove(index);
            }
            (None, Some("delete")) => {}
            (Some(index), _) => merge(&mut items[index], item),
            (None, _) => items.push(fresh(item)),
        }
    }
}

/// The key that the items of both lists are told apart by; `None` when the list is replaced.
fn merge_key(field: &str, items: &[Value], patch: &[Value]) -> Option<&'static str> {
    let all_have = |key: &str| {
        let has = |item: &Value| item.get(key).is_some_and(|value| !value.is_object() && !value.is_array());
        let names = |item: &Value| has(item) || item.get("$patch").is_some_and(|action| action == "replace");
        items.iter().all(has) && patch.iter().all(names)
    };
    let keys: &[&'static str] = match MERGED.iter().find(|(name, _)| *name == field) {
        Some((_, keys)) => keys,
        None if REPLACED.contains(&field) => &[],
        None => &["name", "key"],
    };
    keys.iter().copied().find(|key| all_have(key))
}

fn directive(map: &Map<String, Value>) -> Option<&str> {
    map.get("$patch").and_then(Value::as_str)
}

/// A value that is new: without directives and nulls.
fn fresh(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(clean(map)),
        Value::Array(items) => Value::Array(items.into_iter().map(fresh).collect()),
        other => other,
    }
}

fn clean(map: Map<String, Value>) -> Map<String, Value> {
    let kept = map.into_iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null());
    kept.map(|(key, value)| (key, fresh(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: Value) -> Value {
        merge(&mut target, patch);
        target
    }

    #[test]
    fn maps_are_merged_and_null_removes() {
        assert_eq!(
            merged(
                json!({"a": {"b": 1, "c": 2}, "d": 3}),
                json!({"a": {"b": 5, "c": null, "e": {"f": null}}, "g": [1]})
            ),
            json!({"a": {"b": 5, "e": {}}, "d": 3, "g": [1]})
        );
        assert_eq!(
            merged(json!({"a": {"b": 1}}), json!({"a": {"$patch": "replace", "c": 1}})),
            json!({"a": {"c": 1}})
        );
        assert_eq!(merged(json!({"a": {"b": 1}}), json!({"a": {"$patch": "delete"}})), json!({}));
    }

    #[test]
    fn lists_are_merged_by_the_key_of_their_type() {
        let pod = json!({"containers": [{"name": "a", "image": "x"}, {"name": "b"}], "tolerations": [{"key": "k"}]});
        assert_eq!(
            merged(pod.clone(), json!({"containers": [{"name": "a", "image": "y"}, {"name": "c"}]})),
            json!({"containers": [{"name": "a", "image": "y"}, {"name": "b"}, {"name": "c"}], "tolerations": [{"key": "k"}]})
        );
        assert_eq!(
            merged(pod.clone(), json!({"containers": [{"name": "b", "$patch": "delete"}]}))["containers"],
            json!([{"name": "a", "image": "x"}])
        );
        assert_eq!(
            merged(pod, json!({"tolerations": [{"key": "other"}]}))["tolerations"],
            json!([{"key": "other"}]),
            "tolerations are replaced"
        );
        let ports = json!({"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]});
        assert_eq!(merged(ports, json!({"ports": [{"port": 81, "name": "c"}]}))["ports"][1]["name"], "c");
    }

    #[test]
    fn requirements_of_custom_resources_are_merged_by_key() {
        let pool = json!({"requirements": [{"key": "arch", "values": ["amd64"]}, {"key": "os", "values": ["linux"]}]});
        assert_eq!(
            merged(pool, json!({"requirements": [{"key": "arch", "values": ["arm64"]}]}))["requirements"],
            json!([{"key": "arch", "values": ["arm64"]}, {"key": "os", "values": ["linux"]}])
        );
        assert_eq!(merged(json!({"x": [1, 2]}), json!({"x": [3]})), json!({"x": [3]}));
    }
}
