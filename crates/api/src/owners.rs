//! Who made what in a live dump: pods and ReplicaSets that belong to a workload of the input are not workloads
//! themselves.

use std::collections::BTreeMap;

use cluster::{Kind, Name, ObjectKey};

use crate::object::Object;

/// Objects of the input by what made them.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    /// The top-most owner that is in the input.
    top: BTreeMap<ObjectKey, ObjectKey>,
}

/// Longest chain that is followed: CronJob, Job, Pod is three.
const MAX_CHAIN: usize = 8;

impl Owners {
    /// Follows owner references of pods, ReplicaSets and Jobs.
    pub(crate) fn of(objects: &[Object]) -> Owners {
        let by_key: BTreeMap<&ObjectKey, &Object> =
            objects.iter().map(|object| (&object.key, object)).collect();
        let mut top = BTreeMap::new();
        for object in objects
            .iter()
            .filter(|object| matches!(object.key.kind, Kind::Pod | Kind::ReplicaSet | Kind::Job))
        {
            let mut current = object.key.clone();
            for _ in 0..MAX_CHAIN {
                let Some(owner) = by_key.get(&current).and_then(|object| owner_of(object, &by_key)) else {
                    break;
                };
                if owner == object.key {
                    break;
                }
                current = owner;
            }
            if current != object.key {
                top.insert(object.key.clone(), current);
            }
        }
        Owners { top }
    }

    /// Whether the object is made by another of the input, and no workload of its own. A CronJob's Jobs are: they
    /// run already.
    pub(crate) fn is_made(&self, object: &Object) -> bool {
        object.key.kind != Kind::Job && self.top.contains_key(&object.key)
    }

    /// The workload that a pod belongs to: the Job rather than its CronJob.
    pub(crate) fn workload_of(&self, pod: &Object) -> Option<ObjectKey> {
        if let Some(("Job", name)) = pod.controller() {
            let job = ObjectKey::new(Kind::Job, pod.key.namespace.clone(), name);
            return self.top.contains_key(&pod.key).then_some(job);
        }
        self.top.get(&pod.key).cloned()
    }
}

/// The owner's key, when it is in the input. A ReplicaSet that is not stands for its Deployment, whose name is the
/// ReplicaSet's without the hash.
fn owner_of(object: &Object, by_key: &BTreeMap<&ObjectKey, &Object>) -> Option<ObjectKey> {
    let (kind, name) = object.controller()?;
    let key = |kind: Kind, name: &str| ObjectKey::new(kind, object.key.namespace.clone(), name);
    let owner = key(Kind::from(kind), name);
    if by_key.contains_key(&owner) {
        return Some(owner);
    }
    let hash = object.labels.get("pod-template-hash").map(Name::as_str)?;
    let deployment = name.strip_suffix(hash)?.strip_suffix('-')?;
    let owner = key(Kind::Deployment, deployment);
    (kind == "ReplicaSet" && by_key.contains_key(&owner)).then_some(owner)
}
