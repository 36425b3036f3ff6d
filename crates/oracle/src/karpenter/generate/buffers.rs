//! CapacityBuffers, and what they refer to: templates, scalable objects, and things that are not there.

use serde_json::{Value, json};

use super::{Draw, apps, placement, set};

/// Adds one to three.
pub(super) fn add(draw: &mut Draw) {
    let buffers = draw.rng.between(1, 3);
    for index in 0..buffers {
        one(draw, index, buffers);
    }
}

fn one(draw: &mut Draw, index: usize, buffers: usize) {
    let namespace = draw.namespace();
    let mut spec = json!({"provisioningStrategy": "buffer.x-k8s.io/active-capacity"});
    let refers = *draw.rng.pick(&[
        "PodTemplate",
        "PodTemplate",
        "PodTemplate",
        "Deployment",
        "StatefulSet",
        "ReplicaSet",
        "Gone",
        "Foreign",
        "",
    ]);
    let name = format!("room-{index}");
    match refers {
        "PodTemplate" => {
            let template = template(draw, index, buffers);
            draw.put(json!({"apiVersion": "v1", "kind": "PodTemplate",
                            "metadata": {"name": name, "namespace": namespace, "generation": draw_generation(index)},
                            "template": template}));
            spec["podTemplateRef"] = json!({"name": name});
        }
        "Gone" if draw.rng.chance(50) => spec["podTemplateRef"] = json!({"name": "gone"}),
        "Gone" => spec["scalableRef"] = json!({"kind": "Deployment", "name": "gone"}),
        "Foreign" => {
            spec["scalableRef"] = json!({"apiGroup": "argoproj.io", "kind": "Rollout", "name": "gone"})
        }
        "" => {}
        kind => {
            scalable(draw, kind, &name, namespace, index, buffers);
            spec["scalableRef"] = json!({"apiGroup": "apps", "kind": kind, "name": name});
        }
    }
    wish(draw, &mut spec);
    draw.put(json!({"apiVersion": "autoscaling.x-k8s.io/v1beta1", "kind": "CapacityBuffer",
                    "metadata": {"name": format!("buffer-{index}"), "namespace": namespace,
                                 "uid": format!("buffer-{index}"), "generation": 1},
                    "spec": spec}));
}

/// One that is not the buffer's own.
fn draw_generation(index: usize) -> usize {
    index + 2
}

fn template(draw: &mut Draw, index: usize, buffers: usize) -> Value {
    // Often an app's own labels, so that rules between pods meet.
    let mut template = apps::template(draw, index);
    placement::place(draw, &mut template["spec"], index, buffers);
    if draw.rng.chance(15) {
        let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": "nobody-has-it"}});
        set(&mut template, "/spec/volumes", json!([claim]));
    }
    template
}

fn scalable(draw: &mut Draw, kind: &str, name: &str, namespace: &str, index: usize, buffers: usize) {
    let mut template = template(draw, index, buffers);
    set(&mut template, "/spec/restartPolicy", json!("Always"));
    let mut spec = json!({"selector": {"matchLabels": template["metadata"]["labels"]}, "template": template});
    if draw.rng.chance(85) {
        spec["replicas"] = json!(draw.rng.between(0, 11));
    }
    if kind == "StatefulSet" {
        spec["serviceName"] = json!(name);
    }
    draw.put(json!({"apiVersion": "apps/v1", "kind": kind,
                    "metadata": {"name": name, "namespace": namespace}, "spec": spec}));
}

/// How many: a number, a share, limits, or some of them.
fn wish(draw: &mut Draw, spec: &mut Value) {
    let by_template = spec["podTemplateRef"].is_object();
    let limited = draw.rng.chance(35);
    if limited {
        let limits = *draw.rng.pick(&["cpu", "cpu", "memory", "nvidia.com/gpu"]);
        let amount = match limits {
            "cpu" => *draw.rng.pick(&["500m", "2", "2999m", "5"]),
            "memory" => *draw.rng.pick(&["100Mi", "3Gi", "7G"]),
            _ => "2",
        };
        spec["limits"] = json!({limits: amount});
    }
    if !limited && by_template || draw.rng.chance(60) {
        spec["replicas"] = json!(*draw.rng.pick(&[0, 1, 1, 2, 3, 4, 6]));
    }
    if draw.rng.chance(if by_template { 10 } else { 60 }) {
        spec["percentage"] = json!(*draw.rng.pick(&[0, 1, 20, 33, 50, 100, 150]));
    }
    // Without limits, what names nothing in them could come to a great many pods; a request of nothing does not.
    if spec["limits"].is_object() && spec["replicas"].is_null() {
        spec["replicas"] = json!(5);
    }
}
