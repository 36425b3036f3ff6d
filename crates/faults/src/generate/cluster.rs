//! Pools, workloads, disruption budgets and DaemonSets.

use serde_json::{Value, json};

use crate::draw::Draws;
use crate::json::text;
use crate::owners::{NAMESPACE, Workload};

/// KWOK's zones.
pub const ZONES: [&str; 4] = ["test-zone-a", "test-zone-b", "test-zone-c", "test-zone-d"];

/// One to three pools.
pub fn pools(draws: &mut Draws) -> Vec<Value> {
    (0..draws.between(1, 3)).map(|index| pool(draws, &format!("pool-{index}"), index == 0)).collect()
}

fn pool(draws: &mut Draws, name: &str, is_first: bool) -> Value {
    let one_of = |key: &str, values: &[&str]| json!({"key": key, "operator": "In", "values": values});
    let capacity = draws.pick::<&[&str]>(&[&["on-demand"] as &[&str], &["spot"], &["on-demand", "spot"]]);
    let size = ["5", "9", "33"][draws.below(3)];
    let mut requirements = vec![
        one_of("kubernetes.io/os", &["linux"]),
        one_of("karpenter.sh/capacity-type", capacity),
        json!({"key": "karpenter.kwok.sh/instance-size", "operator": "Lt", "values": [size]}),
    ];
    if draws.chance(30) {
        let from = draws.below(2);
        requirements.push(one_of("topology.kubernetes.io/zone", &ZONES[from..from + 3]));
    }
    let after = *draws.pick(&["0s", "15s", "1m", "2m"]);
    let policy = *draws.pick(&["WhenEmpty", "WhenEmptyOrUnderutilized", "WhenEmptyOrUnderutilized"]);
    let budgets = match draws.below(6) {
        0 => json!([{"nodes": "1"}]),
        1 => json!([{"nodes": "10%"}]),
        2 => json!([{"nodes": "50%"}, {"nodes": "2", "reasons": ["Drifted"]}]),
        3 => json!([{"nodes": "100%"}, {"nodes": "0", "schedule": "0 0 * * *", "duration": "10m"}]),
        _ => json!([{"nodes": "100%"}]),
    };
    let mut spec = json!({
        "disruption": {"consolidationPolicy": policy, "consolidateAfter": after, "budgets": budgets},
        "template": {"metadata": {"labels": {"example.com/stack": "blue"}}, "spec": {
            "expireAfter": "Never",
            "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
            "requirements": requirements,
        }},
    });
    if !is_first && draws.chance(40) {
        spec["template"]["spec"]["taints"] = json!([{"key": "example.com/apart", "effect": "NoSchedule"}]);
    }
    if draws.chance(30) {
        spec["template"]["spec"]["terminationGracePeriod"] = json!(["1m", "5m"][draws.below(2)]);
    }
    if draws.chance(20) {
        spec["template"]["spec"]["expireAfter"] = json!(["720h", "20m"][draws.below(2)]);
    }
    if draws.chance(40) {
        spec["limits"] = json!({"cpu": draws.between(8, 64).to_string()});
    }
    if draws.chance(40) {
        spec["weight"] = json!(draws.between(1, 100));
    }
    json!({"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name}, "spec": spec})
}

/// One to four workloads.
pub fn workloads(draws: &mut Draws, pools: &[Value]) -> Vec<Workload> {
    (0..draws.between(1, 4)).map(|index| workload(draws, &format!("app-{index}"), pools)).collect()
}

fn workload(draws: &mut Draws, name: &str, pools: &[Value]) -> Workload {
    let cpu = if draws.chance(4) { "500" } else { *draws.pick(&["100m", "500m", "1", "1500m", "3"]) };
    let memory = *draws.pick(&["128Mi", "1Gi", "2Gi", "4Gi"]);
    let requests = json!({"cpu": cpu, "memory": memory});
    let mut container = json!({"name": "c", "image": "i", "resources": {"requests": requests}});
    let own = json!({"matchLabels": {"app": name}});
    let mut spec = json!({"terminationGracePeriodSeconds": draws.between(0, 60)});
    if draws.chance(30) {
        spec["tolerations"] = json!([{"key": "example.com/apart", "operator": "Exists"}]);
    }
    match draws.below(10) {
        0 => spec["nodeSelector"] = json!({"topology.kubernetes.io/zone": draws.pick(&ZONES)}),
        1 => {
            spec["nodeSelector"] = json!({"karpenter.sh/nodepool": text(draws.pick(pools), "/metadata/name")})
        }
        2 | 3 => {
            let key = *draws.pick(&["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
            spec["topologySpreadConstraints"] = json!([{"topologyKey": key, "maxSkew": 1,
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": own}]);
        }
        4 => {
            spec["affinity"] = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": own}]}});
        }
        5 => container["ports"] = json!([{"containerPort": 80, "hostPort": 8_000 + draws.between(0, 1)}]),
        _ => {}
    }
    spec["containers"] = json!([container]);
    let mut metadata = json!({"labels": {"app": name}});
    if draws.chance(10) {
        metadata["annotations"] = json!({"karpenter.sh/do-not-disrupt": "true"});
    }
    Workload {
        name: name.to_owned(),
        replicas: draws.between(0, 12),
        stateful: draws.chance(20),
        template: json!({"metadata": metadata, "spec": spec}),
        revision: 0,
    }
}

/// Disruption budgets of some workloads.
pub fn budgets(draws: &mut Draws, workloads: &[Workload]) -> Vec<Value> {
    let mut budgets = Vec::new();
    for workload in workloads {
        if !draws.chance(40) {
            continue;
        }
        let (field, bound) = match draws.below(5) {
            0 => ("maxUnavailable", json!(0)),
            1 => ("minAvailable", json!("50%")),
            2 => ("minAvailable", json!(1)),
            _ => ("maxUnavailable", json!(1)),
        };
        let mut spec = json!({"selector": {"matchLabels": {"app": workload.name}}});
        spec[field] = bound;
        budgets.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": workload.name, "namespace": NAMESPACE}, "spec": spec}));
    }
    budgets
}

/// Perhaps a DaemonSet.
pub fn daemons(draws: &mut Draws) -> Vec<Value> {
    if !draws.chance(40) {
        return Vec::new();
    }
    let tolerations = if draws.chance(50) { json!([{"operator": "Exists"}]) } else { json!([]) };
    let requests = json!({"cpu": "100m", "memory": "64Mi"});
    vec![
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"daemon": "agent"}}, "template": {
            "metadata": {"labels": {"daemon": "agent"}},
            "spec": {"tolerations": tolerations,
                "containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]}}}}),
    ]
}
