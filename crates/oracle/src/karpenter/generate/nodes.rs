//! Nodes that are there and claims on their way: of pools, uninitialised, leaving, and nobody's.

use serde_json::{Map, Value, json};

use super::{Draw, Feature, set};
use crate::karpenter::state::DRIFTED;

/// What pods need to know of a node.
#[derive(Clone, Debug)]
pub struct Place {
    /// `metadata.name`.
    pub name: String,
    /// Pods run there.
    pub ready: bool,
    /// Thousandths of a core and MiB that are still free.
    pub free: (i64, i64),
    /// Labels and taints, for DaemonSets.
    pub taints: Vec<Value>,
}

/// Adds none to eight; more when disruption is asked about.
pub(super) fn add(draw: &mut Draw, disrupt: bool) {
    if !disrupt && !draw.has(Feature::Nodes) && !draw.has(Feature::InFlight) && !draw.has(Feature::Unmanaged)
    {
        return;
    }
    let count = if disrupt { draw.rng.between(1, 9) } else { draw.rng.between(1, 5) };
    for index in 0..count {
        if draw.now_and_then(Feature::Unmanaged, 30) {
            unmanaged(draw, index);
        } else {
            of_pool(draw, index, disrupt);
        }
    }
}

/// How far a claim has come.
#[derive(Clone, Copy, PartialEq)]
enum Progress {
    Created,
    Launched,
    Registered,
    Initialized,
}

fn of_pool(draw: &mut Draw, index: usize, disrupt: bool) {
    let at = draw.rng.below(draw.pools.len());
    let pool = draw.pools[at].clone();
    let spec = match &pool.types {
        Some(types) if types.is_empty() => return,
        Some(types) => draw.types[types[draw.rng.below(types.len())]].clone(),
        None => draw.types[draw.rng.below(draw.types.len())].clone(),
    };
    let (zone, capacity_type, reservation) = spec.sold[draw.rng.below(spec.sold.len())].clone();
    let progress = match draw.has(Feature::InFlight) {
        true if pool.fixed && draw.rng.chance(30) => Progress::Created,
        true => *draw.rng.pick(&[Progress::Launched, Progress::Registered, Progress::Initialized]),
        false => Progress::Initialized,
    };
    let name = format!("node-{index}");
    let mut labels: Map<String, Value> = Map::new();
    let of_type = spec.labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    for (key, value) in of_type.chain(pool.labels.iter().cloned()) {
        labels.insert(key, json!(value));
    }
    labels.insert("topology.kubernetes.io/zone".to_owned(), json!(zone));
    labels.insert("karpenter.sh/capacity-type".to_owned(), json!(capacity_type));
    labels.insert("karpenter.sh/nodepool".to_owned(), json!(pool.name));
    labels.insert("karpenter.k8s.aws/ec2nodeclass".to_owned(), json!("default"));
    labels.extend(reservation.map(|id| (super::types::RESERVATION.to_owned(), json!(id))));
    let amounts = amounts(&spec.cpu, &spec.memory, spec.pods, spec.gpus);
    let mut claim = claim(draw, &name, &labels, &amounts, progress);
    set(&mut claim, "/spec/taints", json!(pool.taints.0));
    set(&mut claim, "/spec/startupTaints", json!(pool.taints.1));
    let leaving = draw.now_and_then(Feature::Leaving, if disrupt { 15 } else { 25 });
    if leaving {
        set(&mut claim, "/metadata/deletionTimestamp", json!(draw.ago(5)));
        set(&mut claim, "/metadata/finalizers", json!(["karpenter.sh/termination"]));
    }
    if pool.fixed && draw.rng.chance(40) {
        set(&mut claim, "/spec/expireAfter", json!(*draw.rng.pick(&["1h", "2h", "24h"])));
    }
    draw.put(claim);
    if matches!(progress, Progress::Created | Progress::Launched) {
        return;
    }
    let mut taints = pool.taints.0.clone();
    if progress == Progress::Registered {
        taints.extend(pool.taints.1.clone());
        if draw.rng.chance(50) {
            taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
        }
    }
    if leaving {
        taints.push(json!({"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}));
    }
    node(draw, &name, &labels, (&amounts, spec.cpu.1, spec.memory.1), taints, progress);
}

fn amounts(cpu: &(i64, i64), memory: &(i64, i64), pods: i64, gpus: i64) -> (Value, Value) {
    let of = |cpu: i64, memory: i64| {
        let mut amounts = json!({"cpu": format!("{cpu}m"), "memory": format!("{memory}Mi"),
                                 "pods": pods.to_string(), "ephemeral-storage": "20Gi"});
        if gpus > 0 {
            amounts["nvidia.com/gpu"] = json!(gpus.to_string());
        }
        amounts
    };
    (of(cpu.0, memory.0), of(cpu.1, memory.1))
}

fn claim(
    draw: &mut Draw,
    name: &str,
    labels: &Map<String, Value>,
    amounts: &(Value, Value),
    progress: Progress,
) -> Value {
    let since = draw.seconds() + 60;
    let drifted = (progress == Progress::Initialized && draw.now_and_then(Feature::Drift, 40)).then(|| {
        // No two at the same time: then their order would be left to chance. And not in the order of the nodes.
        let at = 60 * (draw.nodes.len() * 7 % 11) + draw.rng.below(60);
        i64::try_from(at).unwrap_or(0)
    });
    let condition = |kind: &str, at: i64| {
        json!({"type": kind, "status": "True", "reason": kind, "message": "",
                                                 "lastTransitionTime": draw.ago(at)})
    };
    let mut conditions = Vec::new();
    if progress != Progress::Created {
        conditions.push(condition("Launched", since + 90));
    }
    let has_joined = matches!(progress, Progress::Registered | Progress::Initialized);
    if has_joined {
        conditions.push(condition("Registered", since + 30));
    }
    if progress == Progress::Initialized {
        conditions.push(condition("Initialized", since));
    }
    conditions.extend(drifted.map(|at| condition("Drifted", at)));
    let mut status = json!({"conditions": conditions});
    if progress != Progress::Created {
        status["providerID"] = json!(format!("aws:///{name}"));
        status["capacity"] = amounts.0.clone();
        status["allocatable"] = amounts.1.clone();
    }
    if has_joined {
        status["nodeName"] = json!(name);
    }
    if progress == Progress::Initialized {
        let event = draw.seconds();
        status["lastPodEventTime"] = json!(draw.ago(event.min(since)));
    }
    let mut claim = json!({
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": format!("claim-of-{name}"), "labels": labels, "creationTimestamp": draw.ago(since + 120)},
        "spec": {"nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
                 "requirements": [], "expireAfter": "Never"},
        "status": status,
    });
    if drifted.is_some() && draw.rng.chance(85) {
        set(&mut claim, "/metadata/annotations", json!({DRIFTED: "true"}));
    }
    if draw.now_and_then(Feature::Drift, 25) {
        set(&mut claim, "/spec/terminationGracePeriod", json!("1h"));
    }
    claim
}

fn node(
    draw: &mut Draw,
    name: &str,
    labels: &Map<String, Value>,
    room: (&(Value, Value), i64, i64),
    taints: Vec<Value>,
    progress: Progress,
) {
    let ((capacity, allocatable), cpu, memory) = room;
    let mut labels = labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), json!(name));
    if progress != Progress::Launched {
        labels.insert("karpenter.sh/registered".to_owned(), json!("true"));
    }
    if progress == Progress::Initialized {
        labels.insert("karpenter.sh/initialized".to_owned(), json!("true"));
    }
    let ready = progress == Progress::Initialized && !draw.rng.chance(5);
    let mut node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "creationTimestamp": draw.ago(4000), "uid": format!("node-{name}")},
        "spec": {"providerID": format!("aws:///{name}"), "taints": taints},
        "status": {"capacity": capacity, "allocatable": allocatable,
                   "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
    });
    if draw.now_and_then(Feature::Protection, 15) {
        set(&mut node, "/metadata/annotations", json!({"karpenter.sh/do-not-disrupt": "true"}));
    }
    draw.put(node);
    if draw.has(Feature::Volumes) {
        let count = draw.rng.between(0, 3);
        draw.put(json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
                        "spec": {"drivers": [{"name": "ebs.csi.aws.com", "nodeID": name, "topologyKeys": [],
                                              "allocatable": {"count": count}}]}}));
    }
    draw.nodes.push(Place {
        name: name.to_owned(),
        ready: progress == Progress::Initialized,
        free: (cpu, memory),
        taints,
    });
}

/// A node that Karpenter did not make.
fn unmanaged(draw: &mut Draw, index: usize) {
    let vcpus = *draw.rng.pick(&[2_i64, 4, 8]);
    let zone = *draw.rng.pick(&super::ZONES);
    let name = format!("other-{index}");
    let mut labels = Map::new();
    for (key, value) in [
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/os", "linux"),
        ("topology.kubernetes.io/zone", zone),
        ("topology.kubernetes.io/region", "us-west-2"),
        ("node.kubernetes.io/instance-type", "other.large"),
    ] {
        labels.insert(key.to_owned(), json!(value));
    }
    if draw.now_and_then(Feature::CustomLabels, 50) {
        labels.insert(super::pools::TEAM.to_owned(), json!("green"));
    }
    let cpu = (vcpus * 1000, vcpus * 1000 - 100);
    let memory = (vcpus * 4096, vcpus * 4096 - 200);
    let amounts = amounts(&cpu, &memory, 29, 0);
    let taints = match draw.now_and_then(Feature::Taints, 30) {
        true => vec![json!({"key": "dedicated", "value": "yes", "effect": "NoSchedule"})],
        false => vec![],
    };
    node(draw, &name, &labels, (&amounts, cpu.1, memory.1), taints, Progress::Launched);
    if let Some(place) = draw.nodes.last_mut() {
        place.ready = true;
    }
}
