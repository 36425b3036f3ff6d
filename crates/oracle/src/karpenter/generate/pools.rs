//! NodePools: requirements, taints, limits, disruption settings.

use serde_json::{Value, json};

use super::{Draw, Feature, ZONES, set};

/// What the rest of an input needs to know of a pool.
#[derive(Clone, Debug)]
pub struct PoolSpec {
    /// Its name.
    pub name: String,
    /// Labels of its nodes.
    pub labels: Vec<(String, String)>,
    /// Its taints, and its startup taints.
    pub taints: (Vec<Value>, Vec<Value>),
    /// Instance types that it may use, as positions; all when `None`.
    pub types: Option<Vec<usize>>,
    /// Whether it is a static pool.
    pub fixed: bool,
}

/// A label of nobody's domain.
pub const TEAM: &str = "example.com/team";
/// Another one.
pub const TIER: &str = "example.com/tier";
/// Keys of taints.
pub const TAINTS: [&str; 3] = ["dedicated", "example.com/batch", "soft"];

/// Adds one to four.
pub(super) fn add(draw: &mut Draw) {
    draw.put(json!({"apiVersion": "karpenter.k8s.aws/v1", "kind": "EC2NodeClass",
                    "metadata": {"name": "default"},
                    "spec": {"role": "node", "amiSelectorTerms": [{"alias": "al2023@latest"}],
                             "subnetSelectorTerms": [{"tags": {"a": "b"}}],
                             "securityGroupSelectorTerms": [{"tags": {"a": "b"}}]}}));
    let count = *draw.rng.pick(&[1, 1, 2, 2, 3, 4]);
    for index in 0..count {
        one(draw, &format!("pool-{}", ["c", "a", "d", "b"][index]));
    }
}

fn one(draw: &mut Draw, name: &str) {
    let mut pool = json!({
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": name},
        "spec": {
            "template": {"metadata": {}, "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                "requirements": requirements(draw),
                "expireAfter": "Never",
            }},
            "disruption": disruption(draw),
        },
    });
    let mut labels = Vec::new();
    if draw.now_and_then(Feature::CustomLabels, 60) {
        labels.push((TEAM.to_owned(), (*draw.rng.pick(&["red", "blue"])).to_owned()));
    }
    if !labels.is_empty() {
        pool["spec"]["template"]["metadata"]["labels"] = labels
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
    }
    let taints = if draw.now_and_then(Feature::Taints, 50) { taints(draw) } else { vec![] };
    let startup = match draw.now_and_then(Feature::StartupTaints, 60) {
        true => vec![json!({"key": "example.com/not-yet", "effect": "NoSchedule"})],
        false => vec![],
    };
    set(&mut pool, "/spec/template/spec/taints", json!(taints));
    set(&mut pool, "/spec/template/spec/startupTaints", json!(startup));
    let fixed = draw.now_and_then(Feature::StaticPool, 50);
    if fixed {
        set(&mut pool, "/spec/replicas", json!(draw.rng.between(0, 5)));
        if draw.now_and_then(Feature::Limits, 60) {
            set(&mut pool, "/spec/limits", json!({"nodes": draw.rng.between(0, 6).to_string()}));
        }
    } else {
        if draw.now_and_then(Feature::Weights, 60) {
            set(&mut pool, "/spec/weight", json!(*draw.rng.pick(&[1, 10, 10, 50])));
        }
        if draw.now_and_then(Feature::Limits, 60) {
            set(&mut pool, "/spec/limits", limits(draw));
        }
    }
    let types = draw.now_and_then(Feature::PoolTypes, 50).then(|| {
        let all: Vec<usize> = (0..draw.types.len()).collect();
        draw.rng.some(&all, 60)
    });
    if let Some(types) = &types {
        let names: Vec<&str> = types.iter().map(|&index| draw.types[index].name.as_str()).collect();
        let names = json!({"apiVersion": "oracle/v1", "kind": "PoolTypes", "metadata": {"name": name}, "types": names});
        draw.put(names);
    }
    draw.put(pool);
    draw.pools.push(PoolSpec { name: name.to_owned(), labels, taints: (taints, startup), types, fixed });
}

fn limits(draw: &mut Draw) -> Value {
    match draw.rng.below(4) {
        0 => json!({"cpu": draw.rng.between(1, 40).to_string()}),
        1 => json!({"memory": format!("{}Gi", draw.rng.between(2, 100))}),
        2 => json!({"nodes": draw.rng.between(0, 5).to_string()}),
        _ => {
            json!({"cpu": draw.rng.between(1, 40).to_string(), "memory": format!("{}Gi", draw.rng.between(2, 100)),
                    "nodes": draw.rng.between(0, 5).to_string()})
        }
    }
}

fn taints(draw: &mut Draw) -> Vec<Value> {
    let keys = draw.rng.some(&TAINTS, 45);
    let effect = |draw: &mut Draw, key: &str| match key {
        "soft" => "PreferNoSchedule",
        _ => *draw.rng.pick(&["NoSchedule", "NoSchedule", "NoExecute", "PreferNoSchedule"]),
    };
    keys.into_iter().map(|key| json!({"key": key, "value": "yes", "effect": effect(draw, key)})).collect()
}

fn requirements(draw: &mut Draw) -> Vec<Value> {
    let mut all = Vec::new();
    if draw.rng.chance(30) {
        let zones = draw.rng.some(&ZONES, 60);
        let operator = if draw.rng.chance(75) { "In" } else { "NotIn" };
        if !zones.is_empty() {
            all.push(json!({"key": "topology.kubernetes.io/zone", "operator": operator, "values": zones}));
        }
    }
    if draw.rng.chance(50) {
        let kinds = draw.rng.some(&["on-demand", "spot", "reserved"], 60);
        if !kinds.is_empty() {
            all.push(json!({"key": "karpenter.sh/capacity-type", "operator": "In", "values": kinds}));
        }
    }
    if draw.has(Feature::Arm) && draw.rng.chance(50) {
        let arch = *draw.rng.pick(&["amd64", "arm64"]);
        all.push(json!({"key": "kubernetes.io/arch", "operator": "In", "values": [arch]}));
    }
    if draw.now_and_then(Feature::Bounds, 60) {
        all.push(bound(draw, "karpenter.k8s.aws/instance-cpu", &[1, 2, 4, 8]));
    }
    if draw.now_and_then(Feature::Bounds, 30) {
        all.push(bound(draw, TIER, &[0, 3, 7]));
    }
    if draw.rng.chance(20) {
        let families = draw.rng.some(&["c", "m", "r"], 60);
        let operator = *draw.rng.pick(&["In", "NotIn"]);
        if !families.is_empty() {
            all.push(
                json!({"key": "karpenter.k8s.aws/instance-family", "operator": operator, "values": families}),
            );
        }
    }
    if draw.now_and_then(Feature::CustomLabels, 60) {
        all.push(match draw.rng.below(4) {
            0 => json!({"key": TIER, "operator": "Exists"}),
            1 => json!({"key": TIER, "operator": "In", "values": ["1", "2", "5"]}),
            2 => json!({"key": TIER, "operator": "NotIn", "values": ["2"]}),
            _ => json!({"key": TIER, "operator": "DoesNotExist"}),
        });
    }
    if draw.now_and_then(Feature::MinValues, 70) {
        let key = *draw.rng.pick(&[
            "node.kubernetes.io/instance-type",
            "karpenter.k8s.aws/instance-family",
            "karpenter.k8s.aws/instance-cpu",
            "topology.kubernetes.io/zone",
        ]);
        all.push(json!({"key": key, "operator": "Exists", "minValues": draw.rng.between(1, 4)}));
    }
    all
}

/// `Gt` and its like.
pub(super) fn bound(draw: &mut Draw, key: &str, at: &[i64]) -> Value {
    let operator = *draw.rng.pick(&["Gt", "Lt", "Gte", "Lte"]);
    let value = *draw.rng.pick(at);
    let value = if operator == "Lt" { value + 1 } else { value };
    json!({"key": key, "operator": operator, "values": [value.to_string()]})
}

fn disruption(draw: &mut Draw) -> Value {
    let after = match draw.has(Feature::Waiting) {
        true => *draw.rng.pick(&["0s", "30s", "1m", "10m", "Never"]),
        false => "0s",
    };
    let policy = *draw.rng.pick(&[
        "WhenEmpty",
        "WhenEmptyOrUnderutilized",
        "WhenEmptyOrUnderutilized",
        "WhenEmptyOrUnderutilized",
    ]);
    let mut disruption = json!({"consolidateAfter": after, "consolidationPolicy": policy});
    if draw.has(Feature::Budgets) {
        let count = draw.rng.between(1, 3);
        let budgets: Vec<Value> = (0..count).map(|_| budget(draw)).collect();
        disruption["budgets"] = json!(budgets);
    } else {
        disruption["budgets"] = json!([{"nodes": "100%"}]);
    }
    disruption
}

fn budget(draw: &mut Draw) -> Value {
    let nodes = *draw.rng.pick(&["0", "1", "2", "5", "10%", "34%", "50%", "100%"]);
    let mut budget = json!({"nodes": nodes});
    if draw.rng.chance(30) {
        let reasons = draw.rng.some(&["Underutilized", "Empty", "Drifted"], 50);
        if !reasons.is_empty() {
            budget["reasons"] = json!(reasons);
        }
    }
    if draw.rng.chance(40) {
        let schedule =
            *draw.rng.pick(&["0 9 * * 1-5", "@daily", "*/15 * * * *", "30 2 1 * *", "0 0 * * 0", "@hourly"]);
        budget["schedule"] = json!(schedule);
        budget["duration"] = json!(*draw.rng.pick(&["10m", "8h", "1h30m", "24h"]));
    }
    budget
}
