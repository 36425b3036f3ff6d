//! The model's values as the API writes them.

use cluster::quantity::format_cpu;
use cluster::{Effect, Labels, Resources, SelectorRequirement, Taint};
use serde_json::{Map, Value, json};

/// A resource list: CPU in thousandths, everything else in units.
pub(crate) fn resources(resources: &Resources) -> Value {
    let amounts = resources.iter().filter(|(_, amount)| *amount != 0);
    Value::Object(amounts.map(|(name, amount)| (name.to_owned(), quantity(name, amount))).collect())
}

fn quantity(name: &str, amount: i64) -> Value {
    Value::String(if name == "cpu" { format!("{amount}m") } else { amount.to_string() })
}

/// A resource list as people read it, zeros included.
pub(crate) fn amounts(resources: &Resources) -> Value {
    let whole = |name: &str, amount: i64| match name {
        "cpu" => format_cpu(amount),
        _ => [("Gi", 30), ("Mi", 20), ("Ki", 10)]
            .iter()
            .find(|(_, shift)| amount != 0 && amount % (1_i64 << shift) == 0)
            .map_or_else(|| amount.to_string(), |(suffix, shift)| format!("{}{suffix}", amount >> shift)),
    };
    let amounts = resources.iter().map(|(name, amount)| (name.to_owned(), json!(whole(name, amount))));
    Value::Object(amounts.collect())
}

/// Labels or annotations.
pub(crate) fn labels(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(key, value)| (key.to_string(), json!(value.as_str()))).collect())
}

/// A taint.
pub(crate) fn taint(taint: &Taint) -> Value {
    let effect = match taint.effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    };
    let mut fields = Map::new();
    fields.insert("key".to_owned(), json!(taint.key.as_str()));
    if !taint.value.is_empty() {
        fields.insert("value".to_owned(), json!(taint.value.as_str()));
    }
    fields.insert("effect".to_owned(), json!(effect));
    Value::Object(fields)
}

/// An entry of a claim's `spec.requirements`.
pub(crate) fn requirement(requirement: &SelectorRequirement) -> Value {
    let mut fields = Map::new();
    fields.insert("key".to_owned(), json!(requirement.key.as_str()));
    fields.insert("operator".to_owned(), json!(requirement.operator.as_str()));
    if !requirement.values.is_empty() {
        let values: Vec<&str> = requirement.values.iter().map(|value| value.as_str()).collect();
        fields.insert("values".to_owned(), json!(values));
    }
    fields.extend(requirement.min_values.map(|least| ("minValues".to_owned(), json!(least))));
    Value::Object(fields)
}

/// RFC 3339, to the second, as the API server keeps instants.
pub(crate) fn instant(unix_ms: i64) -> Value {
    let second =
        jiff::Timestamp::from_second(unix_ms.div_euclid(1_000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    json!(second.to_string())
}
