//! Where pods may go: selectors, affinities, spreads, tolerations.

use serde_json::{Value, json};

use super::pools::{TAINTS, TEAM, TIER, bound};
use super::{Draw, Feature, ZONES};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";
const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";

/// Adds what the features in play ask for to a pod's spec. `apps` is how many apps there are to refer to.
pub(super) fn place(draw: &mut Draw, spec: &mut Value, app: usize, apps: usize) {
    if draw.rng.chance(15) {
        spec["nodeSelector"] = node_selector(draw);
    }
    if draw.now_and_then(Feature::NodeAffinity, 45) {
        let terms = node_terms(draw);
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": terms});
    }
    if draw.now_and_then(Feature::Preferences, 45) {
        let count = draw.rng.between(1, 3);
        let terms: Vec<Value> = (0..count)
            .map(|_| json!({"weight": *draw.rng.pick(&[1, 5, 5, 100]), "preference": term(draw)}))
            .collect();
        spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = json!(terms);
    }
    for (feature, kind) in [(Feature::Affinity, "podAffinity"), (Feature::AntiAffinity, "podAntiAffinity")] {
        if draw.now_and_then(feature, 50) {
            pod_affinity(draw, spec, kind, app, apps);
        }
    }
    let spreads = spreads(draw, app, apps);
    if !spreads.is_empty() {
        spec["topologySpreadConstraints"] = json!(spreads);
    }
    if draw.has(Feature::Taints) || draw.has(Feature::StartupTaints) {
        let tolerations = tolerations(draw);
        if !tolerations.is_empty() {
            spec["tolerations"] = json!(tolerations);
        }
    }
}

/// One or two labels.
pub(super) fn node_selector(draw: &mut Draw) -> Value {
    match draw.rng.below(7) {
        0 => json!({ZONE: *draw.rng.pick(&ZONES)}),
        1 => json!({CAPACITY_TYPE: *draw.rng.pick(&["spot", "on-demand"])}),
        2 => json!({"kubernetes.io/arch": *draw.rng.pick(&["amd64", "arm64"])}),
        3 => json!({TEAM: *draw.rng.pick(&["red", "blue", "green"])}),
        4 => json!({"karpenter.k8s.aws/instance-family": *draw.rng.pick(&["c", "m", "r"])}),
        5 => json!({TIER: *draw.rng.pick(&["1", "2", "7"])}),
        _ => {
            let pool = draw.rng.below(draw.pools.len());
            json!({"karpenter.sh/nodepool": draw.pools[pool].name})
        }
    }
}

/// One to three node selector terms.
pub(super) fn node_terms(draw: &mut Draw) -> Vec<Value> {
    (0..*draw.rng.pick(&[1, 1, 2, 3])).map(|_| term(draw)).collect()
}

fn term(draw: &mut Draw) -> Value {
    let count = *draw.rng.pick(&[1, 1, 2]);
    let expressions: Vec<Value> = (0..count).map(|_| expression(draw)).collect();
    json!({"matchExpressions": expressions})
}

fn expression(draw: &mut Draw) -> Value {
    let (key, values): (&str, &[&str]) = match draw.rng.below(8) {
        0 | 1 => (ZONE, &ZONES),
        2 => (CAPACITY_TYPE, &["spot", "on-demand", "reserved"]),
        3 => ("karpenter.k8s.aws/instance-family", &["c", "m", "r", "x"]),
        4 => (TEAM, &["red", "blue", "green"]),
        5 => (TIER, &["1", "2", "5", "9"]),
        6 => ("kubernetes.io/arch", &["amd64", "arm64"]),
        _ => ("karpenter.k8s.aws/instance-cpu", &["1", "2", "4", "8"]),
    };
    if matches!(key, TIER | "karpenter.k8s.aws/instance-cpu") && draw.rng.chance(50) {
        let bound = bound(draw, key, &[0, 1, 2, 4]);
        if matches!(bound["operator"].as_str(), Some("Gt" | "Lt")) {
            return bound;
        }
    }
    match draw.rng.below(8) {
        0 => json!({"key": key, "operator": "Exists"}),
        1 => json!({"key": key, "operator": "DoesNotExist"}),
        2 | 3 => json!({"key": key, "operator": "NotIn", "values": some(draw, values)}),
        _ => json!({"key": key, "operator": "In", "values": some(draw, values)}),
    }
}

fn some(draw: &mut Draw, values: &[&'static str]) -> Vec<&'static str> {
    let mut chosen = draw.rng.some(values, 50);
    if chosen.is_empty() {
        chosen.push(values[draw.rng.below(values.len())]);
    }
    chosen
}

/// A topology key, the usual ones more often.
fn topology_key(draw: &mut Draw) -> &'static str {
    const KEYS: [&str; 9] = [ZONE, ZONE, ZONE, HOST, HOST, CAPACITY_TYPE, TEAM, TIER, "kubernetes.io/arch"];
    KEYS[draw.rng.below(KEYS.len())]
}

/// The own app, or another one.
fn selector(draw: &mut Draw, app: usize, apps: usize) -> Value {
    let chosen = if draw.rng.chance(65) { app } else { draw.rng.below(apps) };
    match draw.rng.below(6) {
        0 => json!({"matchLabels": {"tier": *draw.rng.pick(&["front", "back"])}}),
        1 => json!({"matchExpressions": [{"key": "app", "operator": *draw.rng.pick(&["In", "NotIn"]),
                                          "values": [format!("app-{chosen}")]}]}),
        _ => json!({"matchLabels": {"app": format!("app-{chosen}")}}),
    }
}

fn pod_affinity(draw: &mut Draw, spec: &mut Value, kind: &str, app: usize, apps: usize) {
    let mut required = Vec::new();
    let mut preferred = Vec::new();
    for _ in 0..*draw.rng.pick(&[1, 1, 2]) {
        let term = affinity_term(draw, app, apps);
        if draw.now_and_then(Feature::Preferences, 60) {
            preferred.push(json!({"weight": *draw.rng.pick(&[1, 10, 100]), "podAffinityTerm": term}));
        } else {
            required.push(term);
        }
    }
    if !required.is_empty() {
        spec["affinity"][kind]["requiredDuringSchedulingIgnoredDuringExecution"] = json!(required);
    }
    if !preferred.is_empty() {
        spec["affinity"][kind]["preferredDuringSchedulingIgnoredDuringExecution"] = json!(preferred);
    }
}

fn affinity_term(draw: &mut Draw, app: usize, apps: usize) -> Value {
    let mut term = json!({"topologyKey": topology_key(draw), "labelSelector": selector(draw, app, apps)});
    if draw.has(Feature::Namespaces) {
        match draw.rng.below(4) {
            0 => term["namespaces"] = json!(draw.rng.some(&["alpha", "beta", "gamma"], 60)),
            1 => {
                term["namespaceSelector"] = json!({"matchLabels": {"team": *draw.rng.pick(&["red", "blue"])}})
            }
            2 => term["namespaceSelector"] = json!({}),
            _ => {}
        }
    }
    term
}

fn spreads(draw: &mut Draw, app: usize, apps: usize) -> Vec<Value> {
    let mut spreads: Vec<Value> = Vec::new();
    for (feature, when) in [(Feature::Spread, "DoNotSchedule"), (Feature::SoftSpread, "ScheduleAnyway")] {
        if !draw.now_and_then(feature, 55) {
            continue;
        }
        for _ in 0..*draw.rng.pick(&[1, 1, 2]) {
            let key = topology_key(draw);
            if spreads
                .iter()
                .any(|spread| spread["topologyKey"] == key && spread["whenUnsatisfiable"] == when)
            {
                continue;
            }
            spreads.push(spread(draw, key, when, app, apps));
        }
    }
    spreads
}

fn spread(draw: &mut Draw, key: &str, when: &str, app: usize, apps: usize) -> Value {
    let mut spread = json!({"maxSkew": *draw.rng.pick(&[1, 1, 1, 2, 3]), "topologyKey": key,
                            "whenUnsatisfiable": when, "labelSelector": selector(draw, app, apps)});
    if when == "DoNotSchedule" && draw.rng.chance(20) {
        spread["minDomains"] = json!(draw.rng.between(1, 4));
    }
    if draw.rng.chance(25) {
        spread["nodeTaintsPolicy"] = json!(*draw.rng.pick(&["Honor", "Ignore"]));
    }
    if draw.rng.chance(25) {
        spread["nodeAffinityPolicy"] = json!(*draw.rng.pick(&["Honor", "Ignore"]));
    }
    if draw.rng.chance(15) {
        spread["matchLabelKeys"] = json!(["revision"]);
    }
    spread
}

fn tolerations(draw: &mut Draw) -> Vec<Value> {
    let mut all = Vec::new();
    for key in draw.rng.some(&TAINTS, 50) {
        let mut toleration = match draw.rng.chance(50) {
            true => json!({"key": key, "operator": "Exists"}),
            false => json!({"key": key, "operator": "Equal", "value": *draw.rng.pick(&["yes", "yes", "no"])}),
        };
        if draw.rng.chance(40) {
            toleration["effect"] = json!(*draw.rng.pick(&["NoSchedule", "NoExecute", "PreferNoSchedule"]));
        }
        all.push(toleration);
    }
    all
}
