//! What the API server keeps: objects with versions, finalizers and preconditions, and every write in order.
//!
//! Follows `k8s.io/apiserver` v0.36 `pkg/registry/{generic/registry/store,rest}` as far as the controller's calls reach
//! it. Not here: who writes and why; admission; what evictions ask of budgets (see [`crate::eviction`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use kubernetes::Resource;
use serde_json::{Value, json};

use crate::json::{is_going, list, merge, text};

/// Kind, namespace and name.
pub type Key = (Resource, String, String);

/// The wall clock at the start: 2026-01-01.
pub const START_UNIX_MS: i64 = 1_767_225_600_000;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A person.
    User,
    /// Kubelets, the scheduler, and controllers other than ours.
    Cluster,
    /// Our controller in its so-manieth life.
    Controller(u32),
    /// The eviction API, asked by our controller in its so-manieth life.
    Eviction(u32),
}

/// One write.
#[derive(Clone, Debug)]
pub struct Written {
    /// When, milliseconds since the start.
    pub at_ms: i64,
    /// Who.
    pub by: By,
    /// What.
    pub key: Key,
    /// Before: none when it was created.
    pub old: Option<Arc<Value>>,
    /// After: none when it is gone.
    pub new: Option<Arc<Value>>,
}

/// Why a write was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP.
    pub code: u16,
    /// `Status.reason`.
    pub reason: &'static str,
    /// `Status.message`.
    pub message: String,
}

/// A refusal.
pub fn refused(code: u16, reason: &'static str, message: impl Into<String>) -> Refused {
    Refused { code, reason, message: message.into() }
}

/// The objects.
#[derive(Debug, Default)]
pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    /// Milliseconds since the start.
    pub now_ms: i64,
    /// Every write.
    pub written: Vec<Written>,
}

impl Store {
    /// Everything of a kind.
    pub fn all(&self, resource: Resource) -> impl Iterator<Item = &Arc<Value>> {
        self.keyed(resource).map(|(_, value)| value)
    }

    /// Everything of a kind, by key.
    pub fn keyed(&self, resource: Resource) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first = (resource, String::new(), String::new());
        self.objects.range(first..).take_while(move |((kind, ..), _)| *kind == resource)
    }

    /// One object.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(&(resource, namespace.to_owned(), name.to_owned()))
    }

    /// Now, as objects have it.
    pub fn time(&self) -> Value {
        let second = START_UNIX_MS.saturating_add(self.now_ms).div_euclid(1_000);
        json!(jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string())
    }

    /// Creates an object.
    ///
    /// # Errors
    /// `AlreadyExists`.
    pub fn create(&mut self, by: By, resource: Resource, body: &Value) -> Result<(), Refused> {
        let key = key_of(resource, body);
        if self.objects.contains_key(&key) {
            return Err(refused(409, "AlreadyExists", format!("{} already exists", key.2)));
        }
        let mut value = body.clone();
        value["metadata"]["uid"] = json!(format!("{:08x}-uid", self.version + 1));
        value["metadata"]["creationTimestamp"] = self.time();
        value["metadata"]["generation"] = json!(1);
        if matches!(resource, Resource::NodeClaim | Resource::NodePool) {
            value.as_object_mut().map(|fields| fields.remove("status"));
        }
        self.put(by, key, value);
        Ok(())
    }

    /// A JSON merge patch of an object, or of its status.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub fn patch(&mut self, by: By, key: &Key, status: bool, body: &Value) -> Result<(), Refused> {
        let Some(known) = self.objects.get(key).cloned() else {
            return Err(refused(404, "NotFound", format!("{} not found", key.2)));
        };
        let version = body.pointer("/metadata/resourceVersion");
        if version.is_some_and(|version| *version != known["metadata"]["resourceVersion"]) {
            return Err(refused(409, "Conflict", "the object has been modified"));
        }
        let mut value = known.as_ref().clone();
        merge(&mut value, body);
        if status {
            // A status write changes nothing else.
            let new = value["status"].take();
            value = known.as_ref().clone();
            value["status"] = new;
        } else if has_status(key.0) {
            match known.get("status") {
                Some(old) => value["status"] = old.clone(),
                None => drop(value.as_object_mut().map(|fields| fields.remove("status"))),
            }
        }
        value["metadata"]["resourceVersion"] = known["metadata"]["resourceVersion"].clone();
        self.replace(by, key, &known, value)
    }

    /// Writes an object as it should be.
    fn replace(&mut self, by: By, key: &Key, known: &Arc<Value>, mut value: Value) -> Result<(), Refused> {
        if value == **known {
            return Ok(());
        }
        if is_going(known) {
            let had: Vec<&Value> = list(known, "/metadata/finalizers").collect();
            if list(&value, "/metadata/finalizers").any(|own| !had.contains(&own)) {
                return Err(refused(
                    422,
                    "Invalid",
                    "no new finalizers can be added if the object is being deleted",
                ));
            }
        }
        if has_duplicate_taints(&value) {
            return Err(refused(422, "Invalid", "spec.taints: duplicate value"));
        }
        let generation = known["metadata"]["generation"].as_i64().unwrap_or(1);
        let changed = value.get("spec") != known.get("spec");
        value["metadata"]["generation"] = json!(generation + i64::from(changed));
        if is_going(&value) && list(&value, "/metadata/finalizers").next().is_none() && key.0 != Resource::Pod
        {
            self.remove(by, key);
        } else {
            self.put(by, key.clone(), value);
        }
        Ok(())
    }

    /// Asks an object to go: finalizers hold it, and a pod's kubelet.
    ///
    /// # Errors
    /// `NotFound`, or `Conflict` when it is not the one that was meant.
    pub fn delete(&mut self, by: By, key: &Key, uid: Option<&str>) -> Result<(), Refused> {
        let Some(known) = self.objects.get(key).cloned() else {
            return Err(refused(404, "NotFound", format!("{} not found", key.2)));
        };
        if uid.is_some_and(|uid| known["metadata"]["uid"] != uid) {
            return Err(refused(409, "Conflict", "the UID in the precondition does not match"));
        }
        let grace_s = match key.0 {
            Resource::Pod if !text(&known, "/spec/nodeName").is_empty() => {
                known.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30)
            }
            _ => 0,
        };
        let held = list(&known, "/metadata/finalizers").next().is_some();
        if is_going(&known) {
            return Ok(());
        }
        if grace_s == 0 && !held {
            self.remove(by, key);
            return Ok(());
        }
        let mut value = known.as_ref().clone();
        let now_ms = self.now_ms;
        self.now_ms += grace_s * 1_000;
        value["metadata"]["deletionTimestamp"] = self.time();
        self.now_ms = now_ms;
        if key.0 == Resource::Pod {
            value["metadata"]["deletionGracePeriodSeconds"] = json!(grace_s);
        }
        self.put(by, key.clone(), value);
        Ok(())
    }

    /// Takes an object away at once, whatever holds it: what kubelets and the garbage collectors do to pods.
    pub fn remove(&mut self, by: By, key: &Key) {
        let Some(old) = self.objects.remove(key) else { return };
        self.version += 1;
        self.note(by, key.clone(), Some(old), None);
    }

    /// Creates an object or writes over it: what people and the other controllers do.
    pub fn apply(&mut self, by: By, resource: Resource, value: &Value) {
        let key = key_of(resource, value);
        let Some(known) = self.objects.get(&key).cloned() else {
            let _ = self.create(by, resource, value);
            return;
        };
        let mut new = value.clone();
        for field in ["uid", "creationTimestamp", "resourceVersion", "generation", "deletionTimestamp"] {
            if let Some(old) = known["metadata"].get(field) {
                new["metadata"][field] = old.clone();
            }
        }
        let _ = self.replace(by, &key, &known, new);
    }

    fn put(&mut self, by: By, key: Key, mut value: Value) {
        self.version += 1;
        value["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let value = Arc::new(value);
        let old = self.objects.insert(key.clone(), Arc::clone(&value));
        self.note(by, key, old, Some(value));
    }

    fn note(&mut self, by: By, key: Key, old: Option<Arc<Value>>, new: Option<Arc<Value>>) {
        self.written.push(Written { at_ms: self.now_ms, by, key, old, new });
    }
}

/// The key of an object.
pub fn key_of(resource: Resource, value: &Value) -> Key {
    (resource, text(value, "/metadata/namespace").to_owned(), text(value, "/metadata/name").to_owned())
}

/// Kinds whose status is written apart.
fn has_status(resource: Resource) -> bool {
    matches!(
        resource,
        Resource::NodePool
            | Resource::NodeClaim
            | Resource::Node
            | Resource::Pod
            | Resource::PodDisruptionBudget
            | Resource::DaemonSet
    )
}

fn has_duplicate_taints(value: &Value) -> bool {
    let taints: Vec<(&str, &str)> =
        list(value, "/spec/taints").map(|taint| (text(taint, "/key"), text(taint, "/effect"))).collect();
    (1..taints.len()).any(|index| taints[..index].contains(&taints[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: By = By::Controller(0);

    fn node(store: &Store) -> &Value {
        store.get(Resource::Node, "", "a").expect("it is there")
    }

    fn with_node() -> (Store, Key) {
        let mut store = Store::default();
        let body =
            json!({"metadata": {"name": "a", "finalizers": ["f"]}, "spec": {}, "status": {"phase": "x"}});
        store.create(ME, Resource::Node, &body).expect("it is new");
        (store, (Resource::Node, String::new(), "a".to_owned()))
    }

    #[test]
    fn a_version_that_is_old_is_refused() {
        let (mut store, key) = with_node();
        let version = node(&store)["metadata"]["resourceVersion"].clone();
        let patch = |labels: Value| json!({"metadata": {"resourceVersion": version, "labels": labels}});
        assert_eq!(store.patch(ME, &key, false, &patch(json!({"a": "b"}))), Ok(()));
        let late = store.patch(ME, &key, false, &patch(json!({"a": "c"}))).expect_err("somebody was faster");
        assert_eq!((late.code, late.reason), (409, "Conflict"));
        assert_eq!(node(&store)["metadata"]["labels"]["a"], "b");
    }

    #[test]
    fn what_changes_nothing_is_not_written() {
        let (mut store, key) = with_node();
        assert_eq!(
            store.patch(ME, &key, false, &json!({"status": {"phase": "y"}})),
            Ok(()),
            "not the status"
        );
        assert_eq!(store.written.len(), 1);
        assert_eq!(store.patch(ME, &key, true, &json!({"status": {"phase": "y"}})), Ok(()));
        assert_eq!((store.written.len(), node(&store)["status"]["phase"].as_str()), (2, Some("y")));
    }

    #[test]
    fn finalizers_hold_what_was_asked_to_go() {
        let (mut store, key) = with_node();
        assert_eq!(store.delete(ME, &key, Some("another")).expect_err("not this one").code, 409);
        assert_eq!(store.delete(ME, &key, None), Ok(()));
        assert!(is_going(node(&store)));
        let more = json!({"metadata": {"finalizers": ["f", "g"]}});
        assert_eq!(store.patch(ME, &key, false, &more).expect_err("too late").code, 422);
        assert_eq!(store.patch(ME, &key, false, &json!({"metadata": {"finalizers": []}})), Ok(()));
        assert_eq!(store.delete(ME, &key, None).expect_err("it is gone").code, 404);
    }

    #[test]
    fn a_pod_on_a_node_goes_when_its_kubelet_says_so() {
        let mut store = Store::default();
        let pod = json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "a"}});
        store.create(By::User, Resource::Pod, &pod).expect("it is new");
        let again = store.create(By::User, Resource::Pod, &pod).expect_err("it is there");
        assert_eq!((again.code, again.reason), (409, "AlreadyExists"));
        let key = key_of(Resource::Pod, &pod);
        assert_eq!(store.delete(ME, &key, None), Ok(()));
        let going = store.get(Resource::Pod, "n", "p").expect("its grace period runs");
        assert_eq!(going["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
        store.remove(By::Cluster, &key);
        assert!(store.get(Resource::Pod, "n", "p").is_none());
    }
}
