//! JSON merge patches (RFC 7386), as the steps of a scenario are written.

use serde_json::{Map, Value};

/// Most levels of maps that are merged; below, the patch replaces.
const MAX_DEPTH: usize = 128;

/// The target with the patch: maps are merged, null removes, everything else replaces.
pub(crate) fn merge_patch(target: Value, patch: &Value) -> Value {
    merge(target, patch, 0)
}

fn merge(target: Value, patch: &Value, depth: usize) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut merged = match target {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            merged.shift_remove(key);
        } else if depth >= MAX_DEPTH {
            merged.insert(key.clone(), value.clone());
        } else if let Some(before) = merged.get_mut(key) {
            *before = merge(before.take(), value, depth + 1);
        } else {
            merged.insert(key.clone(), merge(Value::Null, value, depth + 1));
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_merged_and_null_removes() {
        let target = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": "x"});
        let patch = json!({"a": {"b": null, "c": [3], "f": {"g": null, "h": 1}}, "d": {"i": 1}});
        let wanted = json!({"a": {"c": [3], "f": {"h": 1}}, "d": {"i": 1}, "e": "x"});
        assert_eq!(merge_patch(target, &patch), wanted);
    }

    #[test]
    fn what_is_no_map_replaces() {
        assert_eq!(merge_patch(json!({"a": 1}), &json!([1])), json!([1]));
        assert_eq!(merge_patch(json!([1]), &json!({"a": 1})), json!({"a": 1}));
    }
}
