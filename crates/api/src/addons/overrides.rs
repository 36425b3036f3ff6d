//! What an add-on's entry changes: replicas, tolerations, version, and `values` as its chart or the EKS add-on's
//! configuration knows them. Values that change no pod are skipped with a note.

use cluster::FieldPath;
use serde_json::{Map, Value, json};

use crate::code;
use crate::problem::Reporter;
use crate::profile::wire::WireAddon;

/// Applies an entry's overrides to the objects of its add-on.
pub(super) fn apply(
    wire: &WireAddon,
    objects: &mut Vec<Value>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    if let Some(namespace) = &wire.namespace {
        for object in objects.iter_mut().filter(|object| object.pointer("/metadata/namespace").is_some()) {
            object["metadata"]["namespace"] = json!(namespace);
        }
    }
    for object in objects.iter_mut() {
        if let Some(replicas) = wire.replicas.filter(|_| object["kind"] == "Deployment") {
            object["spec"]["replicas"] = json!(replicas);
        }
        let tolerations =
            wire.tolerations.as_ref().filter(|list| list.as_array().is_none_or(|list| !list.is_empty()));
        if let Some(tolerations) = tolerations.filter(|_| object["kind"] == "Deployment") {
            object["spec"]["template"]["spec"]["tolerations"] = tolerations.clone();
        }
        if let Some(version) = &wire.version {
            set_version(object, version);
        }
    }
    match &wire.values {
        Some(Value::Object(values)) if wire.name == "cilium" => {
            cilium(values, objects, &path.child("values"), reporter)
        }
        Some(Value::Object(values)) => {
            let main = if objects.iter().any(|object| object["kind"] == "Deployment") {
                "Deployment"
            } else {
                "DaemonSet"
            };
            set(values, main, objects, &path.child("values"), reporter);
        }
        None | Some(Value::Null) => {}
        Some(_) => {
            let at = path.child("values");
            reporter.error(&at, code::BAD_VALUE, format!("{at}: expected a mapping"), "");
        }
    }
}

/// The image tag of the first container.
fn set_version(object: &mut Value, version: &str) {
    let Some(image) = object.pointer_mut("/spec/template/spec/containers/0/image") else { return };
    let repository =
        image.as_str().map(|image| crate::role::split_image(image).0.to_owned()).unwrap_or_default();
    *image = json!(format!("{repository}:{version}"));
}

/// Values for the workloads of one kind; `controller` and `node` are blocks for one kind each.
fn set(
    values: &Map<String, Value>,
    kind: &str,
    objects: &mut [Value],
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    for (key, value) in values {
        let at = path.child(key);
        match (key.as_str(), value) {
            ("controller" | "server", Value::Object(block)) => {
                set(block, "Deployment", objects, &at, reporter)
            }
            ("node" | "agent", Value::Object(block)) => set(block, "DaemonSet", objects, &at, reporter),
            _ => {
                let mut known = false;
                for object in objects.iter_mut().filter(|object| object["kind"] == kind) {
                    known |= set_one(key, value, object);
                }
                if !known {
                    reporter.note(
                        &at,
                        code::NOT_MODELLED,
                        format!("{at} changes nothing that is modelled"),
                        "",
                    );
                }
            }
        }
    }
}

/// Sets one value in one workload; false for a key that is not known.
fn set_one(key: &str, value: &Value, object: &mut Value) -> bool {
    let spec = &mut object["spec"];
    match key {
        "replicaCount" | "replicas" => spec["replicas"] = value.clone(),
        "tolerations"
        | "nodeSelector"
        | "affinity"
        | "priorityClassName"
        | "hostNetwork"
        | "dnsPolicy"
        | "topologySpreadConstraints"
        | "terminationGracePeriodSeconds" => {
            spec["template"]["spec"][key] = value.clone();
        }
        "podAnnotations" => merge(&mut spec["template"], &json!({"metadata": {"annotations": value}})),
        "podLabels" => merge(&mut spec["template"], &json!({"metadata": {"labels": value}})),
        "resources" => spec["template"]["spec"]["containers"][0]["resources"] = value.clone(),
        "env" => set_env(&mut spec["template"]["spec"]["containers"][0], value),
        "updateStrategy" | "strategy" | "deploymentStrategy" => spec["strategy"] = value.clone(),
        _ => return false,
    }
    true
}

/// Environment as a mapping or a list; a variable that is there already is replaced.
fn set_env(container: &mut Value, value: &Value) {
    let pairs: Vec<(String, Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Value::Array(list) => {
            let name = |entry: &Value| entry.get("name").and_then(Value::as_str).map(str::to_owned);
            list.iter().filter_map(|entry| Some((name(entry)?, entry.get("value")?.clone()))).collect()
        }
        _ => Vec::new(),
    };
    let mut variables = container.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, value) in pairs {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        variables.retain(|variable| variable.get("name").and_then(Value::as_str) != Some(&name));
        variables.push(json!({"name": name, "value": text}));
    }
    container["env"] = Value::Array(variables);
}

/// Where Cilium's chart values go in `cilium-config`.
const CILIUM_KEYS: &[(&str, &str)] = &[
    ("/ipam/mode", "ipam"),
    ("/kubeProxyReplacement", "kube-proxy-replacement"),
    ("/cni/chainingMode", "cni-chaining-mode"),
    ("/eni/awsEnablePrefixDelegation", "aws-enable-prefix-delegation"),
    ("/eni/awsReleaseExcessIPs", "aws-release-excess-ips"),
    ("/eni/nodeSpec/firstInterfaceIndex", "eni-first-interface-index"),
    ("/eni/nodeSpec/usePrimaryAddress", "eni-use-primary-address"),
    ("/eni/nodeSpec/disablePrefixDelegation", "eni-disable-prefix-delegation"),
    ("/ipam/nodeSpec/ipamMinAllocate", "ipam-min-allocate"),
    ("/ipam/nodeSpec/ipamPreAllocate", "ipam-pre-allocate"),
    ("/ipam/nodeSpec/ipamMaxAllocate", "ipam-max-allocate"),
    ("/ipam/operator/clusterPoolIPv4MaskSize", "cluster-pool-ipv4-mask-size"),
    ("/ingressController/enabled", "enable-ingress-controller"),
    ("/gatewayAPI/enabled", "enable-gateway-api"),
    ("/healthChecking", "enable-health-checking"),
    ("/endpointHealthChecking/enabled", "enable-endpoint-health-checking"),
];

/// Cilium's values: its settings, its operator's replicas, Envoy.
fn cilium(
    values: &Map<String, Value>,
    objects: &mut Vec<Value>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    let values = Value::Object(values.clone());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut settings = Map::new();
    for (pointer, key) in CILIUM_KEYS {
        settings.extend(values.pointer(pointer).map(|value| ((*key).to_owned(), json!(text(value)))));
    }
    if let Some(list) = values.pointer("/ipam/operator/clusterPoolIPv4PodCIDRList").and_then(Value::as_array)
    {
        let ranges: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        settings.insert("cluster-pool-ipv4-cidr".to_owned(), json!(ranges.join(" ")));
    }
    for object in objects.iter_mut().filter(|object| object["kind"] == "ConfigMap") {
        merge(&mut object["data"], &Value::Object(settings.clone()));
    }
    if values.pointer("/envoy/enabled") == Some(&Value::Bool(false)) {
        objects.retain(|object| object["metadata"]["name"] != "cilium-envoy");
    }
    for (key, block) in values.as_object().into_iter().flatten() {
        match (key.as_str(), block) {
            ("operator", Value::Object(block)) => {
                set(block, "Deployment", objects, &path.child(key), reporter)
            }
            (
                "ipam"
                | "eni"
                | "kubeProxyReplacement"
                | "cni"
                | "envoy"
                | "ingressController"
                | "gatewayAPI"
                | "healthChecking"
                | "endpointHealthChecking",
                _,
            ) => {}
            _ => reporter.note(
                &path.child(key),
                code::NOT_MODELLED,
                format!("{} changes nothing that is modelled", path.child(key)),
                "",
            ),
        }
    }
}

/// Deep merge of mappings; anything else is replaced.
pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
