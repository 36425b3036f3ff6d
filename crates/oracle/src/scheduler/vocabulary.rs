//! The words that generated clusters are made of: few, so that things match, collide and miss each other.

use serde_json::{Map, Value, json};

use crate::rng::Rng;

/// Zones by name.
pub(crate) const ZONES: [&str; 3] = ["za", "zb", "zc"];
/// Topology keys; the last is on no node.
pub(crate) const TOPOLOGY_KEYS: [&str; 4] =
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname", "rack", "absent"];
/// Pod labels and their values.
pub(crate) const POD_LABELS: [(&str, [&str; 3]); 3] =
    [("app", ["a", "b", "c"]), ("tier", ["x", "y", "z"]), ("version", ["1", "2", "3"])];
/// Node labels and their values.
pub(crate) const NODE_LABELS: [(&str, [&str; 3]); 3] =
    [("disk", ["ssd", "hdd", "nvme"]), ("cores", ["4", "16", "many"]), ("rack", ["r1", "r2", "r3"])];
/// Taint keys and values.
pub(crate) const TAINTS: [(&str, [&str; 3]); 3] = [
    ("dedicated", ["a", "b", ""]),
    ("gpu", ["yes", "no", ""]),
    ("node.kubernetes.io/not-ready", ["", "", ""]),
];
/// Namespaces and their labels.
pub(crate) const NAMESPACES: [(&str, &str); 3] = [("default", "red"), ("green", "blue"), ("violet", "red")];
/// Priority classes and their values.
pub(crate) const PRIORITIES: [(&str, i32); 4] = [("low", -5), ("mid", 10), ("high", 1000), ("patient", 1000)];
/// The extended resource.
pub(crate) const GPU: &str = "example.com/gpu";
/// A name that means nothing on any node, or is not offered.
pub(crate) const FPGA: &str = "example.com/fpga";

/// A value of a label, seldom one that nothing has.
pub(crate) fn value(rng: &mut Rng, values: &[&str; 3]) -> String {
    if rng.chance(4) { "other".into() } else { (*rng.pick(values)).into() }
}

/// Some labels of a table, each with this chance.
pub(crate) fn labels(rng: &mut Rng, table: &[(&str, [&str; 3])], percent: usize) -> Map<String, Value> {
    let mut labels = Map::new();
    for (key, values) in table {
        if rng.chance(percent) {
            labels.insert((*key).to_owned(), value(rng, values).into());
        }
    }
    labels
}

/// One `matchExpressions` entry over a table.
fn expression(rng: &mut Rng, table: &[(&str, [&str; 3])]) -> Value {
    let (key, values) = *rng.pick(table);
    match rng.below(4) {
        0 => json!({"key": key, "operator": "Exists"}),
        1 => json!({"key": key, "operator": "DoesNotExist"}),
        kind => {
            let count = rng.between(1, 2);
            let values: Vec<String> = (0..count).map(|_| value(rng, &values)).collect();
            json!({"key": key, "operator": if kind == 2 { "In" } else { "NotIn" }, "values": values})
        }
    }
}

/// A label selector over a table: by labels, by expressions, empty, or both.
pub(crate) fn selector(rng: &mut Rng, table: &[(&str, [&str; 3])]) -> Value {
    let mut selector = Map::new();
    match rng.below(10) {
        0 => {}
        1..7 => {
            let (key, values) = rng.pick(&table[..table.len().min(2)]);
            selector.insert("matchLabels".into(), json!({*key: value(rng, values)}));
        }
        7 => {
            let labels = labels(rng, table, 60);
            selector.insert("matchLabels".into(), labels.into());
            selector.insert("matchExpressions".into(), json!([expression(rng, table)]));
        }
        _ => {
            let count = rng.between(1, 2);
            let expressions: Vec<Value> = (0..count).map(|_| expression(rng, table)).collect();
            selector.insert("matchExpressions".into(), expressions.into());
        }
    }
    selector.into()
}

/// A namespace by name.
pub(crate) fn namespace(rng: &mut Rng) -> &'static str {
    if rng.chance(75) { "default" } else { rng.pick(&NAMESPACES).0 }
}
