//! The model's values as the API writes them.

use cluster::{Effect, Labels, Resources, SelectorRequirement, Taint};
use serde_json::{Map, Value, json};

/// A resource list without what there is none of.
pub(crate) fn resources(resources: &Resources) -> Value {
    Value::Object(
        resources.iter().map(|(name, amount)| (name.to_owned(), json!(quantity(name, amount)))).collect(),
    )
}

/// A quantity as `k8s.io/apimachinery` writes it again once it has read it: whoever reads a claim and writes it back
/// must not have changed its spec, which is immutable.
fn quantity(name: &str, amount: i64) -> String {
    if name == "cpu" {
        return if amount % 1_000 == 0 { decimal(amount / 1_000) } else { format!("{amount}m") };
    }
    let binary = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let whole = binary.iter().find(|(_, shift)| amount != 0 && amount % (1_i64 << shift) == 0);
    whole.map_or_else(|| decimal(amount), |(suffix, shift)| format!("{}{suffix}", amount >> shift))
}

fn decimal(amount: i64) -> String {
    let powers = [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3)];
    let whole = powers.iter().find(|(_, power)| amount != 0 && amount % 10_i64.pow(*power) == 0);
    whole.map_or_else(
        || amount.to_string(),
        |(suffix, power)| format!("{}{suffix}", amount / 10_i64.pow(*power)),
    )
}

/// A duration as Go writes it: `1h30m0s`.
pub(crate) fn duration(ms: i64) -> String {
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction =
        if rest == 0 { String::new() } else { format!(".{rest:03}").trim_end_matches('0').to_owned() };
    match (hours, minutes, seconds) {
        (0, 0, 0) if rest != 0 => format!("{rest}ms"),
        (0, 0, seconds) => format!("{seconds}{fraction}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_as_go_writes_them() {
        let cpu = |millis| quantity("cpu", millis);
        assert_eq!(
            (cpu(15_000), cpu(1_500), cpu(0), cpu(2_000_000)),
            ("15".into(), "1500m".into(), "0".into(), "2k".into())
        );
        let memory = |bytes| quantity("memory", bytes);
        assert_eq!(memory(16_106_127_360), "15Gi");
        assert_eq!(
            (memory(1_536 << 20), memory(5_000_000), memory(7)),
            ("1536Mi".into(), "5M".into(), "7".into())
        );
    }

    #[test]
    fn durations_are_as_go_writes_them() {
        let texts = [0, 500, 30_000, 90_000, 3_600_000, 5_400_500].map(duration);
        assert_eq!(texts, ["0s", "500ms", "30s", "1m30s", "1h0m0s", "1h30m0.5s"]);
    }
}
