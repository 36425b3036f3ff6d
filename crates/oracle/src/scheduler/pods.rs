//! Pods, bound and pending.

use serde_json::{Map, Value, json};

use super::affinity;
use super::generate::Mood;
use super::nodes::IMAGES;
use super::vocabulary::{FPGA, GPU, POD_LABELS, PRIORITIES, TAINTS, labels, namespace, value};
use super::volumes;
use crate::rng::Rng;

/// The pods of a cluster: those that are bound first, then those that are pending, in the order to be handled.
pub(crate) fn pods(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    let bound = (0..mood.bound).map(|number| bound(rng, mood, number));
    let mut pods: Vec<Value> = bound.collect();
    pods.extend((0..mood.pending).map(|number| pending(rng, mood, number)));
    let mut objects = Vec::new();
    for pod in &mut pods {
        let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (volumes, claims) = volumes::of_pod(rng, mood, &text("namespace"), &text("name"));
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = volumes.into();
        }
        objects.extend(claims);
    }
    objects.extend(pods);
    objects
}

fn bound(rng: &mut Rng, mood: &Mood, number: usize) -> Value {
    let mut pod = pod(rng, mood, &format!("b{number:02}"));
    pod["spec"]["nodeName"] = format!("n{:02}", rng.below(mood.nodes)).into();
    // With overhead on top of what the pod as a whole asks for see `known`.
    if rng.chance(mood.runtimes) && pod["spec"]["resources"].is_null() {
        pod["spec"]["runtimeClassName"] = "heavy".into();
        pod["spec"]["overhead"] = super::generate::overhead();
    }
    // Every start is its own: upstream's sorts are not stable.
    let (day, second) = (rng.between(1, 28), number);
    let started = format!("2026-05-{day:02}T{:02}:{:02}:{second:02}Z", rng.below(24), rng.below(60));
    let phase = if rng.chance(4) { *rng.pick(&["Succeeded", "Failed"]) } else { "Running" };
    let ready = json!({"type": "Ready", "status": "True"});
    pod["status"] = json!({"phase": phase, "startTime": started, "conditions": [ready]});
    if rng.chance(mood.leaving) {
        pod["metadata"]["deletionTimestamp"] = "2026-05-30T00:00:00Z".into();
        if rng.chance(50) {
            let preempted =
                json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"});
            pod["status"]["conditions"] = json!([ready, preempted]);
        }
    }
    pod
}

fn pending(rng: &mut Rng, mood: &Mood, number: usize) -> Value {
    let mut pod = pod(rng, mood, &format!("p{number:02}"));
    if rng.chance(mood.runtimes) && pod["spec"]["resources"].is_null() {
        pod["spec"]["runtimeClassName"] = (*rng.pick(&["heavy", "special", "both"])).into();
    }
    if rng.chance(mood.gates) {
        pod["spec"]["schedulingGates"] = json!([{"name": "example.com/wait"}]);
    }
    if rng.chance(mood.nominated) {
        pod["status"] = json!({"nominatedNodeName": format!("n{:02}", rng.below(mood.nodes))});
    }
    pod
}

fn pod(rng: &mut Rng, mood: &Mood, name: &str) -> Value {
    let (labels, spec) = template(rng, mood);
    let space = namespace(rng);
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "namespace": space, "labels": labels}, "spec": spec})
}

/// Labels and spec of a pod.
pub(crate) fn template(rng: &mut Rng, mood: &Mood) -> (Map<String, Value>, Map<String, Value>) {
    let mut spec = Map::new();
    spec.insert("containers".into(), containers(rng, mood));
    let inits = init_containers(rng, mood);
    if !inits.is_empty() {
        spec.insert("initContainers".into(), inits.into());
    }
    if rng.chance(mood.pod_level) {
        spec.insert("resources".into(), pod_resources(rng));
    }
    if let Some(selector) = affinity::node_selector(rng, mood) {
        spec.insert("nodeSelector".into(), selector);
    }
    let asked = affinity::affinity(rng, mood);
    if !asked.is_empty() {
        spec.insert("affinity".into(), asked.into());
    }
    if let Some(constraints) = affinity::spread(rng, mood) {
        spec.insert("topologySpreadConstraints".into(), constraints);
    }
    if rng.chance(mood.taints) {
        let count = rng.between(1, 3);
        let tolerations: Vec<Value> = (0..count).map(|_| toleration(rng)).collect();
        spec.insert("tolerations".into(), tolerations.into());
    }
    if rng.chance(mood.priorities) {
        spec.insert("priorityClassName".into(), rng.pick(&PRIORITIES).0.into());
    }
    if rng.chance(mood.ports / 4) {
        spec.insert("hostNetwork".into(), true.into());
        match_ports(&mut spec);
    }
    (labels(rng, &POD_LABELS, 75), spec)
}

/// On the host's network a port's two numbers are one.
fn match_ports(spec: &mut Map<String, Value>) {
    for port in
        spec["containers"].as_array_mut().into_iter().flatten().flat_map(|container| {
            container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten()
        })
    {
        port["hostPort"] = port["containerPort"].clone();
    }
}

fn containers(rng: &mut Rng, mood: &Mood) -> Value {
    let count = if rng.chance(80) { 1 } else { 2 };
    let mut all: Vec<Value> = Vec::new();
    for number in 0..count {
        let mut container = container(rng, mood, &format!("c{number}"));
        if rng.chance(mood.ports) {
            container["ports"] = ports(rng);
        }
        all.push(container);
    }
    all.into()
}

fn container(rng: &mut Rng, mood: &Mood, name: &str) -> Value {
    let image = rng.pick(&IMAGES).0;
    json!({"name": name, "image": image, "resources": resources(rng, mood)})
}

fn init_containers(rng: &mut Rng, mood: &Mood) -> Vec<Value> {
    let count = if rng.chance(mood.inits) { rng.between(1, 3) } else { 0 };
    let mut all: Vec<Value> = Vec::new();
    for number in 0..count {
        let mut container = container(rng, mood, &format!("i{number}"));
        if rng.chance(50) {
            container["restartPolicy"] = "Always".into();
            if rng.chance(mood.ports) {
                container["ports"] = ports(rng);
            }
        }
        all.push(container);
    }
    all
}

fn ports(rng: &mut Rng) -> Value {
    let number = *rng.pick(&[80, 443, 53]);
    let mut port = Map::new();
    port.insert("containerPort".into(), number.into());
    if rng.chance(85) {
        port.insert("hostPort".into(), number.into());
    }
    if rng.chance(40) {
        port.insert("protocol".into(), (*rng.pick(&["TCP", "UDP", "SCTP"])).into());
    }
    if rng.chance(40) {
        port.insert("hostIP".into(), (*rng.pick(&["127.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::1"])).into());
    }
    json!([port])
}

fn resources(rng: &mut Rng, mood: &Mood) -> Value {
    let (mut requests, mut limits) = (Map::new(), Map::new());
    if rng.chance(75) {
        let cpus: &[&str] = if rng.chance(mood.tightness) {
            &["900m", "1", "1.5", "3"]
        } else {
            &["0", "1m", "100m", "0.25", "250m"]
        };
        requests.insert("cpu".into(), (*rng.pick(cpus)).into());
    }
    if rng.chance(75) {
        let memories: &[&str] = if rng.chance(mood.tightness) {
            &["0.1Gi", "1e9", "2Gi", "500M"]
        } else {
            &["0", "64Mi", "100m", "1e3", "1.5Gi"]
        };
        requests.insert("memory".into(), (*rng.pick(memories)).into());
    }
    if rng.chance(15) {
        requests.insert("ephemeral-storage".into(), (*rng.pick(&["0", "1Gi", "12G"])).into());
    }
    if rng.chance(15) {
        limits.insert("cpu".into(), "4".into());
    }
    if rng.chance(15) {
        limits.insert("memory".into(), "4Gi".into());
    }
    if rng.chance(mood.extended) {
        let (name, amount) = (*rng.pick(&[GPU, GPU, FPGA]), *rng.pick(&["0", "1", "1", "2"]));
        limits.insert(name.into(), amount.into());
    }
    if rng.chance(mood.extended / 4) {
        limits.insert("hugepages-2Mi".into(), "32Mi".into());
        requests.entry("cpu").or_insert("10m".into());
    }
    json!({"requests": requests, "limits": limits})
}

fn pod_resources(rng: &mut Rng) -> Value {
    let mut resources = Map::new();
    let amounts = json!({"cpu": *rng.pick(&["6", "7500m"]), "memory": *rng.pick(&["8Gi", "12e9"])});
    let side = if rng.chance(60) { "requests" } else { "limits" };
    resources.insert(side.into(), amounts);
    resources.into()
}

fn toleration(rng: &mut Rng) -> Value {
    let (key, values) = *rng.pick(&TAINTS);
    let mut toleration = Map::new();
    match rng.below(8) {
        0 => drop(toleration.insert("operator".into(), "Exists".into())),
        1 => {
            toleration.insert("key".into(), "node.kubernetes.io/unschedulable".into());
            toleration.insert("operator".into(), "Exists".into());
        }
        2 | 3 => {
            toleration.insert("key".into(), key.into());
            toleration.insert("operator".into(), "Exists".into());
        }
        _ => {
            toleration.insert("key".into(), key.into());
            toleration.insert("value".into(), value(rng, &values).into());
        }
    }
    if rng.chance(50) {
        let effect = *rng.pick(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        toleration.insert("effect".into(), effect.into());
    }
    toleration.into()
}
