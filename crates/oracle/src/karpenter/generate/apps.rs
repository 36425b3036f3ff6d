//! Apps: pods that are alike, some running, some pending, and their disruption budgets.

use serde_json::{Value, json};

use super::{Draw, Feature, placement, set, volumes};

/// Adds one to six apps of one to seven pods.
pub(super) fn add(draw: &mut Draw, disrupt: bool) {
    let apps = draw.rng.between(1, 6);
    for app in 0..apps {
        one(draw, app, apps, disrupt);
    }
}

fn one(draw: &mut Draw, app: usize, apps: usize, disrupt: bool) {
    let namespace = draw.namespace();
    let mut template = template(draw, app);
    placement::place(draw, &mut template["spec"], app, apps);
    let volumes = draw.now_and_then(Feature::Volumes, 60).then(|| *draw.rng.pick(&[0, 0, 0, 1, 2, 2, 3, 4]));
    let places: Vec<usize> = (0..draw.nodes.len()).filter(|&index| draw.nodes[index].ready).collect();
    let running_percent = match (places.is_empty(), disrupt) {
        (true, _) => 0,
        (false, true) => 85,
        (false, false) => 40,
    };
    let count = draw.rng.between(1, 7);
    let mut healthy = 0;
    for ordinal in 0..count {
        let name = format!("app-{app}-{ordinal}");
        let mut pod = pod(draw, &template, &name, namespace);
        if let Some(kind) = volumes {
            volumes::attach(draw, &mut pod["spec"], &name, namespace, kind);
        }
        if draw.rng.chance(running_percent) {
            let place = places[draw.rng.below(places.len())];
            healthy += usize::from(run(draw, &mut pod, place));
        } else if draw.now_and_then(Feature::Leaving, 5) {
            set(&mut pod, "/metadata/deletionTimestamp", json!(draw.ago(1)));
        }
        draw.put(pod);
    }
    if draw.now_and_then(Feature::Protection, 30) {
        budget(draw, app, namespace, healthy, count);
    }
}

/// Labels, annotations and containers.
pub(super) fn template(draw: &mut Draw, app: usize) -> Value {
    let cpu = *draw.rng.pick(&[0, 50, 250, 500, 500, 900, 1000, 1900, 3900, 12_000]);
    let memory = *draw.rng.pick(&[0, 64, 256, 512, 1024, 1024, 3000, 7000, 30_000]);
    let mut container = container("main", cpu, memory);
    if draw.now_and_then(Feature::Gpu, 25) {
        container["resources"]["requests"]["nvidia.com/gpu"] = json!("1");
        container["resources"]["limits"] = json!({"nvidia.com/gpu": "1"});
    }
    if draw.now_and_then(Feature::Overlays, 25) {
        set(
            &mut container,
            &format!("/resources/requests/{}", super::overlays::DEVICE.replace('/', "~1")),
            json!("1"),
        );
        set(
            &mut container,
            &format!("/resources/limits/{}", super::overlays::DEVICE.replace('/', "~1")),
            json!("1"),
        );
    }
    if draw.now_and_then(Feature::HostPorts, 50) {
        let port = *draw.rng.pick(&[8080, 8081, 9100]);
        let mut binding = json!({"containerPort": port, "hostPort": port});
        if draw.rng.chance(30) {
            binding["hostIP"] = json!("127.0.0.1");
        }
        if draw.rng.chance(20) {
            binding["protocol"] = json!("UDP");
        }
        container["ports"] = json!([binding]);
    }
    let mut spec = json!({"containers": [container]});
    if draw.now_and_then(Feature::Sidecars, 60) {
        sidecars(draw, &mut spec);
    }
    let mut labels = json!({"app": format!("app-{app}"), "tier": *draw.rng.pick(&["front", "back"])});
    if draw.rng.chance(30) {
        labels["revision"] = json!("1");
    }
    let mut metadata = json!({"labels": labels});
    if draw.now_and_then(Feature::Protection, 25) {
        let value = *draw.rng.pick(&["true", "true", "10m", "false", "1h30m", "soon"]);
        metadata["annotations"]["karpenter.sh/do-not-disrupt"] = json!(value);
    }
    if draw.now_and_then(Feature::Protection, 25) {
        let value = *draw.rng.pick(&["-2147483648", "-1000", "100", "2147483647", "much"]);
        metadata["annotations"]["controller.kubernetes.io/pod-deletion-cost"] = json!(value);
    }
    json!({"metadata": metadata, "spec": spec})
}

fn container(name: &str, cpu: i64, memory: i64) -> Value {
    let mut container = json!({"name": name, "image": "registry.k8s.io/pause:3.10"});
    if cpu > 0 {
        container["resources"]["requests"]["cpu"] = json!(format!("{cpu}m"));
    }
    if memory > 0 {
        container["resources"]["requests"]["memory"] = json!(format!("{memory}Mi"));
    }
    container
}

fn sidecars(draw: &mut Draw, spec: &mut Value) {
    let mut all = Vec::new();
    for index in 0..draw.rng.between(1, 3) {
        let mut init = container(
            &format!("init-{index}"),
            *draw.rng.pick(&[0, 100, 3000]),
            *draw.rng.pick(&[0, 64, 4000]),
        );
        if draw.rng.chance(50) {
            init["restartPolicy"] = json!("Always");
        }
        all.push(init);
    }
    spec["initContainers"] = json!(all);
    if draw.rng.chance(20) {
        spec["overhead"] = json!({"cpu": "250m", "memory": "120Mi"});
    }
}

fn pod(draw: &mut Draw, template: &Value, name: &str, namespace: &str) -> Value {
    draw.pods += 1;
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    set(&mut pod, "/metadata/name", json!(name));
    set(&mut pod, "/metadata/namespace", json!(namespace));
    set(&mut pod, "/metadata/uid", json!(format!("{:08}", draw.pods)));
    set(&mut pod, "/metadata/creationTimestamp", json!(draw.ago(10)));
    pod["status"] = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
    });
    pod
}

/// Binds a pod; false when it is not healthy.
fn run(draw: &mut Draw, pod: &mut Value, place: usize) -> bool {
    pod["spec"]["nodeName"] = json!(draw.nodes[place].name);
    let age = draw.seconds();
    set(pod, "/metadata/creationTimestamp", json!(draw.ago(age)));
    let ready = !draw.rng.chance(8);
    pod["status"] = json!({
        "phase": "Running",
        "startTime": draw.ago(age),
        "conditions": [{"type": "PodScheduled", "status": "True"},
                       {"type": "Ready", "status": if ready { "True" } else { "False" }}],
    });
    let leaving = draw.now_and_then(Feature::Leaving, 5);
    if leaving {
        set(pod, "/metadata/deletionTimestamp", json!(draw.ago(1)));
    }
    ready && !leaving
}

/// A budget with the status that its controller would write.
fn budget(draw: &mut Draw, app: usize, namespace: &str, healthy: usize, pods: usize) {
    let least = draw.rng.between(0, pods);
    let allowed = healthy.saturating_sub(least);
    let (mut spec, allowed) = match draw.rng.below(5) {
        0 => (json!({"maxUnavailable": 0}), 0),
        1 => (json!({"maxUnavailable": "0%"}), 0),
        _ => (json!({"minAvailable": least}), allowed),
    };
    spec["selector"] = json!({"matchLabels": {"app": format!("app-{app}")}});
    if draw.rng.chance(30) {
        spec["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
    }
    draw.put(json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": format!("budget-{app}"), "namespace": namespace},
        "spec": spec,
        "status": {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": least,
                   "expectedPods": pods},
    }));
}
