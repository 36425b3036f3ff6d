//! Claims, and the pods that use them.

use serde_json::{Value, json};

use super::{CLASSES, GPU, wish};
use crate::rng::Rng;
use crate::scheduler::vocabulary::NAMESPACES;

/// Claims that pods share, of every namespace.
const SHARED: usize = 3;

/// The claims of a cluster; `pending` pods get to use some.
pub(super) fn claims<'p>(
    rng: &mut Rng,
    share: usize,
    pending: impl Iterator<Item = &'p mut Value>,
    nodes: &[String],
) -> Vec<Value> {
    let mut all = Vec::new();
    for (namespace, _) in NAMESPACES {
        for number in 0..SHARED {
            let mut made = claim(rng, namespace, &format!("shared-{number}"));
            if number == 0 && rng.chance(50) {
                hold(rng, &mut made, nodes);
            }
            if rng.chance(4) {
                made["metadata"]["deletionTimestamp"] = "2026-05-30T00:00:00Z".into();
            }
            all.push(made);
        }
    }
    for pod in pending {
        if rng.chance(share) {
            all.extend(use_claims(rng, pod));
        }
    }
    all
}

/// Gives a pod one or two claims; those of its own are returned.
fn use_claims(rng: &mut Rng, pod: &mut Value) -> Vec<Value> {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let (mut asked, mut statuses, mut own): (Vec<Value>, Vec<Value>, Vec<Value>) = Default::default();
    for number in 0..rng.between(1, 2) {
        let (entry, claim_name) = (format!("claim-{number}"), format!("{name}-claim-{number}"));
        if rng.chance(40) {
            let missing = rng.chance(4);
            let shared = if missing { 9 } else { rng.below(SHARED) };
            let shared = format!("shared-{shared}");
            if !asked.iter().any(|known| known["resourceClaimName"] == shared) {
                asked.push(json!({"name": entry, "resourceClaimName": shared}));
            }
            continue;
        }
        asked.push(json!({"name": entry, "resourceClaimTemplateName": "template"}));
        if rng.chance(4) {
            continue; // Not made yet.
        }
        let mut made = claim(rng, &namespace, &claim_name);
        made["metadata"]["annotations"] = json!({"resource.kubernetes.io/pod-claim-name": entry});
        made["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": name,
            "uid": format!("pod-{namespace}-{name}"), "controller": true}]);
        statuses.push(json!({"name": entry, "resourceClaimName": claim_name}));
        own.push(made);
    }
    pod["spec"]["resourceClaims"] = asked.into();
    if !statuses.is_empty() {
        if pod["status"].is_null() {
            pod["status"] = json!({});
        }
        pod["status"]["resourceClaimStatuses"] = statuses.into();
    }
    own
}

fn claim(rng: &mut Rng, namespace: &str, name: &str) -> Value {
    let requests: Vec<Value> =
        (0..*rng.pick(&[1, 1, 1, 2, 3])).map(|number| request(rng, &format!("r{number}"))).collect();
    let mut devices = json!({"requests": requests});
    if rng.chance(20) {
        let attribute =
            *rng.pick(&["gpu.example.com/model", "gpu.example.com/numa", "other.example.com/numa"]);
        let kind = *rng.pick(&["matchAttribute", "matchAttribute", "distinctAttribute"]);
        let mut constraint = json!({kind: attribute});
        if rng.chance(40) {
            constraint["requests"] = json!(["r0"]);
        }
        devices["constraints"] = json!([constraint]);
    }
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": name, "namespace": namespace},
           "spec": {"devices": devices}})
}

fn request(rng: &mut Rng, name: &str) -> Value {
    if rng.chance(20) {
        let count = rng.between(2, 3);
        let alternatives: Vec<Value> = (0..count)
            .map(|number| {
                let mut wanted = wanted(rng);
                wanted["name"] = format!("s{number}").into();
                wanted
            })
            .collect();
        return json!({"name": name, "firstAvailable": alternatives});
    }
    let mut wanted = wanted(rng);
    if rng.chance(5) {
        wanted["adminAccess"] = true.into();
    }
    json!({"name": name, "exactly": wanted})
}

fn wanted(rng: &mut Rng) -> Value {
    let class = *rng.pick(&["gpu", "gpu", "gpu", "big-gpu", "nic", "any"]);
    let class = if rng.chance(2) { CLASSES[4] } else { class };
    let mut wanted = json!({"deviceClassName": class});
    match rng.below(8) {
        0 => wanted["allocationMode"] = "All".into(),
        1 | 2 => {
            wanted["allocationMode"] = "ExactCount".into();
            wanted["count"] = (*rng.pick(&[1, 2, 2, 3, 4])).into();
        }
        _ => {}
    }
    if class != "nic" && class != "any" && rng.chance(45) {
        wanted["selectors"] = json!([wish(rng)]);
    }
    if rng.chance(25) {
        wanted["tolerations"] = match rng.below(3) {
            0 => json!([{"operator": "Exists"}]),
            1 => json!([{"key": "broken", "operator": "Equal", "value": "yes"}]),
            _ => json!([{"key": "broken", "operator": "Exists", "effect": "NoSchedule"}]),
        };
    }
    if class != "nic" && rng.chance(15) {
        let memory = *rng.pick(&["1Gi", "5Gi", "8Gi", "30Gi", "50Gi"]);
        wanted["capacity"] = json!({"requests": {"memory": memory}});
    }
    wanted
}

/// The claim has a device already.
fn hold(rng: &mut Rng, claim: &mut Value, nodes: &[String]) {
    if nodes.is_empty() {
        return;
    }
    let node = rng.pick(nodes).clone();
    let request = match claim["spec"]["devices"]["requests"][0]["firstAvailable"].is_array() {
        true => "r0/s1",
        false => "r0",
    };
    let result =
        json!({"request": request, "driver": GPU, "pool": format!("gpus-{node}"), "device": "gpu-0"});
    let mut allocation = json!({"devices": {"results": [result]}});
    if rng.chance(80) {
        let field = json!({"key": "metadata.name", "operator": "In", "values": [node]});
        allocation["nodeSelector"] = json!({"nodeSelectorTerms": [{"matchFields": [field]}]});
    }
    claim["status"] = json!({"allocation": allocation});
    if rng.chance(50) {
        claim["status"]["reservedFor"] = json!([{"resource": "pods", "name": "somebody", "uid": "somebody"}]);
    }
}
