//! A smaller input about which the two still differ in the same way. Nothing about how they are asked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::difference::Difference;
use crate::shrink;

/// Kinds whose fields hang together: they are left out whole or not at all.
const WHOLE: [&str; 16] = [
    "CapacityBuffer",
    "PodTemplate",
    "Deployment",
    "StatefulSet",
    "ReplicaSet",
    "NodePool",
    "NodeOverlay",
    "InstanceType",
    "Node",
    "NodeClaim",
    "CSINode",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodDisruptionBudget",
    "EC2NodeClass",
];

/// The smallest input found that a cluster could have and that still differs in something that `found` names; `ask`
/// says in what an input differs.
pub fn smaller(
    objects: Vec<Value>,
    found: &[Difference],
    mut ask: impl FnMut(&[Value]) -> Vec<Difference>,
) -> Vec<Value> {
    let all = objects.clone();
    let kinds = |found: &[Difference]| -> BTreeSet<String> { found.iter().map(kind_of).collect() };
    let wanted = kinds(found);
    shrink::shrink(objects, |objects| is_whole(objects, &all) && !kinds(&ask(objects)).is_disjoint(&wanted))
}

/// Which part of an answer a difference is in: its pointer without the numbers.
fn kind_of(difference: &Difference) -> String {
    let parts = difference.at.split('/').skip(1).filter(|part| part.parse::<usize>().is_err());
    parts.take(2).collect::<Vec<&str>>().join("/")
}

/// Whether these objects are those of a cluster; `all` are the objects before.
fn is_whole(objects: &[Value], all: &[Value]) -> bool {
    let stays = |object: &&Value| matches!(object["kind"].as_str(), Some("Settings" | "Namespace"));
    all.iter().filter(stays).all(|object| objects.contains(object))
        && objects.iter().all(|object| is_whole_object(object, objects, all))
}

fn is_whole_object(object: &Value, objects: &[Value], all: &[Value]) -> bool {
    let named = |kind: &str, name: &Value| {
        objects.iter().any(|object| object["kind"] == kind && object["metadata"]["name"] == *name)
    };
    let untouched = all.contains(object);
    match object["kind"].as_str() {
        Some("Pod") => {
            let has = |field: &str| object["metadata"][field].is_string();
            let node = &object["spec"]["nodeName"];
            let volumes = object["spec"]["volumes"].as_array().into_iter().flatten();
            let mut claims = volumes.filter_map(|volume| volume.get("persistentVolumeClaim"));
            has("uid")
                && has("namespace")
                && (node.is_null() || named("Node", node))
                && claims.all(|claim| claim["claimName"].is_string())
        }
        Some("PersistentVolumeClaim") => {
            let volume = &object["spec"]["volumeName"];
            untouched && (volume.is_null() || named("PersistentVolume", volume))
        }
        Some("NodeClaim") => {
            let node = &object["status"]["nodeName"];
            let pool = &object["metadata"]["labels"]["karpenter.sh/nodepool"];
            untouched && named("NodePool", pool) && (node.is_null() || named("Node", node))
        }
        Some(kind) if WHOLE.contains(&kind) => untouched,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_hangs_together() {
        let object = |kind: &str, name: &str| json!({"kind": kind, "metadata": {"name": name}});
        let mut pod = object("Pod", "a");
        pod["metadata"]["uid"] = json!("1");
        pod["metadata"]["namespace"] = json!("alpha");
        pod["spec"] = json!({"nodeName": "n", "priority": 3, "containers": [{"name": "main", "image": "i"}]});
        let all = vec![object("Settings", "settings"), object("Node", "n"), object("Node", "m"), pod];
        let found = |at: &str| Difference { at: at.into(), theirs: json!(1), ours: json!(2) };
        let ask = |objects: &[Value]| match objects.iter().any(|object| object["spec"]["nodeName"] == "n") {
            true => vec![found("/claims/0/pods")],
            false => vec![found("/existing")],
        };
        let left = smaller(all.clone(), &[found("/claims/3/pods/1")], ask);
        assert_eq!(left[..2], all[..2], "the pod's node stays, the other goes");
        assert_eq!(left[2]["spec"], json!({"nodeName": "n", "containers": [{"name": "main", "image": "i"}]}));
        assert_eq!(left.len(), 3);
    }
}
