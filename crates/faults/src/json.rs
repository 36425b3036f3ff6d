//! Reading and merging JSON objects. Nothing about what they are.

use cluster::quantity::Quantity;
use serde_json::{Value, json};

/// The text at a pointer, or none.
pub fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The items at a pointer.
pub fn list<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

/// An amount: thousandths of a CPU, units of everything else.
pub fn amount(resource: &str, value: &Value) -> i64 {
    let number = value.as_i64().map(|number| number.to_string());
    let text = number.as_deref().or(value.as_str()).unwrap_or_default();
    let quantity = Quantity::parse(text).unwrap_or(Quantity::from_units(0));
    if resource == "cpu" { quantity.milli() } else { quantity.units() }
}

/// Whether a condition of the status is true.
pub fn holds(value: &Value, condition: &str) -> bool {
    list(value, "/status/conditions").any(|own| own["type"] == condition && own["status"] == "True")
}

/// Whether an object was asked to go.
pub fn is_going(value: &Value) -> bool {
    value.pointer("/metadata/deletionTimestamp").is_some()
}

/// Whether the node with these taints keeps a pod with these tolerations off: taints of no other effect than
/// `NoSchedule` and `NoExecute` count.
pub fn is_kept_off(taints: &Value, pod: &Value) -> bool {
    let hard = |taint: &&Value| taint["effect"] != "PreferNoSchedule";
    taints.as_array().into_iter().flatten().filter(hard).any(|taint| !is_tolerated(taint, pod))
}

/// Whether a pod tolerates a taint.
pub fn is_tolerated(taint: &Value, pod: &Value) -> bool {
    list(pod, "/spec/tolerations").any(|own| {
        let effect = text(own, "/effect");
        let key = text(own, "/key");
        let value = text(own, "/operator") == "Exists" || text(own, "/value") == text(taint, "/value");
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key == text(taint, "/key") || key.is_empty() && text(own, "/operator") == "Exists")
            && value
    })
}

/// Whether an object's labels have these.
pub fn has_labels(object: &Value, wanted: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    wanted.as_object().into_iter().flatten().all(|(key, value)| labels[key.as_str()] == *value)
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(own) = target.as_object_mut() else { return };
    for (key, value) in fields {
        if value.is_null() {
            own.remove(key);
        } else {
            merge(own.entry(key.as_str()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_thousandths_of_cpus_and_units() {
        assert_eq!((amount("cpu", &json!("1500m")), amount("cpu", &json!("2"))), (1_500, 2_000));
        assert_eq!((amount("memory", &json!("1Gi")), amount("pods", &json!(16))), (1 << 30, 16));
    }

    #[test]
    fn a_toleration_is_for_its_key_value_and_effect() {
        let pod = |toleration: Value| json!({"spec": {"tolerations": [toleration]}});
        let taint = json!({"key": "a", "value": "b", "effect": "NoSchedule"});
        assert!(is_tolerated(&taint, &pod(json!({"key": "a", "operator": "Exists"}))));
        assert!(is_tolerated(&taint, &pod(json!({"operator": "Exists"}))));
        assert!(!is_tolerated(&taint, &pod(json!({"key": "a", "value": "c"}))));
        assert!(!is_tolerated(
            &taint,
            &pod(json!({"key": "a", "operator": "Exists", "effect": "NoExecute"}))
        ));
    }

    #[test]
    fn a_null_takes_a_field_away() {
        let mut value = json!({"a": {"b": 1, "c": 2}});
        merge(&mut value, &json!({"a": {"b": null, "d": 3}}));
        assert_eq!(value, json!({"a": {"c": 2, "d": 3}}));
    }
}
