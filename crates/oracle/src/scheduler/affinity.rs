//! What pods ask of nodes and of each other: selectors, node affinity, pod (anti-)affinity, topology spread.

use serde_json::{Map, Value, json};

use super::generate::Mood;
use super::vocabulary::{NAMESPACES, NODE_LABELS, POD_LABELS, TOPOLOGY_KEYS, ZONES, selector, value};
use crate::rng::Rng;

const NAMESPACE_LABELS: [(&str, [&str; 3]); 1] = [("team", ["red", "blue", "grey"])];

/// `spec.nodeSelector`, if any.
pub(crate) fn node_selector(rng: &mut Rng, mood: &Mood) -> Option<Value> {
    let (key, values) = *rng.pick(&NODE_LABELS);
    rng.chance(mood.node_affinity / 2).then(|| json!({key: value(rng, &values)}))
}

/// `spec.affinity`; empty when nothing is asked for.
pub(crate) fn affinity(rng: &mut Rng, mood: &Mood) -> Map<String, Value> {
    let mut affinity = Map::new();
    if rng.chance(mood.node_affinity) {
        affinity.insert("nodeAffinity".into(), node_affinity(rng, mood));
    }
    for field in ["podAffinity", "podAntiAffinity"] {
        if rng.chance(mood.pod_affinity) {
            affinity.insert(field.into(), pod_affinity(rng));
        }
    }
    affinity
}

fn node_affinity(rng: &mut Rng, mood: &Mood) -> Value {
    let mut both = Map::new();
    if rng.chance(65) {
        let count = rng.between(1, 3);
        let terms: Vec<Value> = (0..count).map(|_| node_term(rng, mood)).collect();
        both.insert(
            "requiredDuringSchedulingIgnoredDuringExecution".into(),
            json!({"nodeSelectorTerms": terms}),
        );
    }
    if rng.chance(60) {
        let count = rng.between(1, 3);
        let preferred: Vec<Value> = (0..count)
            .map(|_| json!({"weight": rng.between(1, 100), "preference": sane(node_term(rng, mood))}))
            .collect();
        both.insert("preferredDuringSchedulingIgnoredDuringExecution".into(), preferred.into());
    }
    both.into()
}

fn node_term(rng: &mut Rng, mood: &Mood) -> Value {
    let mut term = Map::new();
    if rng.chance(25) {
        let count = rng.between(1, 2);
        let fields: Vec<Value> = (0..count)
            .map(|_| {
                let operator = if rng.chance(75) { "In" } else { "NotIn" };
                let node = format!("n{:02}", rng.below(mood.nodes + 1));
                json!({"key": "metadata.name", "operator": operator, "values": [node]})
            })
            .collect();
        term.insert("matchFields".into(), fields.into());
    }
    if term.is_empty() && !rng.chance(4) || rng.chance(30) {
        let count = rng.between(1, 2);
        let expressions: Vec<Value> = (0..count).map(|_| node_expression(rng)).collect();
        term.insert("matchExpressions".into(), expressions.into());
    }
    term.into()
}

/// Bounds of preferred terms are numbers: with others upstream's cycle ends in an error.
fn sane(mut term: Value) -> Value {
    for expression in term["matchExpressions"].as_array_mut().into_iter().flatten() {
        if expression["values"] == json!(["-1"]) {
            expression["values"] = json!(["1"]);
        }
    }
    term
}

fn node_expression(rng: &mut Rng) -> Value {
    match rng.below(10) {
        0 => json!({"key": "cores", "operator": "Gt", "values": [*rng.pick(&["3", "4", "15", "-1"])]}),
        1 => json!({"key": "cores", "operator": "Lt", "values": [*rng.pick(&["5", "16", "17"])]}),
        2 => json!({"key": "rack", "operator": "Gt", "values": ["1"]}),
        3 => json!({"key": rng.pick(&NODE_LABELS).0, "operator": "DoesNotExist"}),
        4 => json!({"key": rng.pick(&NODE_LABELS).0, "operator": "Exists"}),
        kind => {
            let zone = ("topology.kubernetes.io/zone", ZONES);
            let (key, values) = if rng.chance(30) { zone } else { *rng.pick(&NODE_LABELS) };
            let count = rng.between(1, 2);
            let values: Vec<String> = (0..count).map(|_| value(rng, &values)).collect();
            json!({"key": key, "operator": if kind < 8 { "In" } else { "NotIn" }, "values": values})
        }
    }
}

fn pod_affinity(rng: &mut Rng) -> Value {
    let mut both = Map::new();
    if rng.chance(55) {
        let count = if rng.chance(75) { 1 } else { 2 };
        let terms: Vec<Value> = (0..count).map(|_| pod_term(rng)).collect();
        both.insert("requiredDuringSchedulingIgnoredDuringExecution".into(), terms.into());
    }
    if rng.chance(60) {
        let count = rng.between(1, 2);
        let terms: Vec<Value> = (0..count)
            .map(|_| json!({"weight": rng.between(1, 100), "podAffinityTerm": pod_term(rng)}))
            .collect();
        both.insert("preferredDuringSchedulingIgnoredDuringExecution".into(), terms.into());
    }
    both.into()
}

fn pod_term(rng: &mut Rng) -> Value {
    let mut term = Map::new();
    let keys = if rng.chance(92) { &TOPOLOGY_KEYS[..3] } else { &TOPOLOGY_KEYS[3..] };
    term.insert("topologyKey".into(), (*rng.pick(keys)).into());
    let selects = rng.chance(95);
    if selects {
        term.insert("labelSelector".into(), selector(rng, &POD_LABELS));
    }
    if rng.chance(15) {
        term.insert("namespaces".into(), json!([rng.pick(&NAMESPACES).0]));
    }
    if rng.chance(15) {
        term.insert("namespaceSelector".into(), selector(rng, &NAMESPACE_LABELS));
    }
    // Keys may be in one of the two lists only, and in no expression of the selector; the API server refuses others.
    if selects && rng.chance(12) {
        let key = *rng.pick(&["matchLabelKeys", "mismatchLabelKeys"]);
        term.insert(key.to_owned(), json!(["version"]));
    }
    term.into()
}

/// `spec.topologySpreadConstraints`, if any.
pub(crate) fn spread(rng: &mut Rng, mood: &Mood) -> Option<Value> {
    if !rng.chance(mood.spread) {
        return None;
    }
    let count = if rng.chance(65) { 1 } else { 2 };
    let mut constraints: Vec<Value> = Vec::new();
    for _ in 0..count {
        let constraint = constraint(rng);
        let same = |other: &Value| {
            ["topologyKey", "whenUnsatisfiable"].iter().all(|field| other[field] == constraint[field])
        };
        if !constraints.iter().any(same) {
            constraints.push(constraint);
        }
    }
    Some(constraints.into())
}

fn constraint(rng: &mut Rng) -> Value {
    let hard = rng.chance(55);
    let mut constraint = Map::new();
    constraint.insert("maxSkew".into(), rng.between(1, 3).into());
    let keys = if rng.chance(94) { &TOPOLOGY_KEYS[..3] } else { &TOPOLOGY_KEYS[3..] };
    constraint.insert("topologyKey".into(), (*rng.pick(keys)).into());
    constraint
        .insert("whenUnsatisfiable".into(), if hard { "DoNotSchedule" } else { "ScheduleAnyway" }.into());
    if rng.chance(95) {
        constraint.insert("labelSelector".into(), selector(rng, &POD_LABELS));
        if rng.chance(15) {
            constraint.insert("matchLabelKeys".into(), json!(["version"]));
        }
    }
    if hard && rng.chance(25) {
        constraint.insert("minDomains".into(), rng.between(1, 4).into());
    }
    for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        if rng.chance(30) {
            constraint.insert(field.into(), (*rng.pick(&["Honor", "Ignore"])).into());
        }
    }
    constraint.into()
}
