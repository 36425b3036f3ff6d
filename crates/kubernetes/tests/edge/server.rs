//! An API server in memory, with KWOK, a scheduler and the eviction API, and the edge that is tested.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use autoscaler::Provisioner;
use cluster::Name;
use cluster::declared::KarpenterSettings;
use kubernetes::Resource;
use kubernetes::calls::Call;
use kubernetes::edge::{Done, Edge, Failure, Settings, Told, Work};
use kubernetes::mirror::Seen;
use serde_json::{Value, json};

/// How long an instant lasts, milliseconds.
const STEP_MS: i64 = 100;
/// How long a watch takes to tell, milliseconds: what is decided is decided on what was.
const LAG_MS: i64 = 300;
/// The wall clock at the start: 2026-01-01.
pub const START_UNIX_MS: i64 = 1_767_225_600_000;

type Key = (Resource, String, String);

/// The server and its only client.
pub struct Server {
    objects: BTreeMap<Key, Value>,
    version: u64,
    now_unix_ms: i64,
    edge: Edge,
    settings: KarpenterSettings,
    runs: u32,
    /// Events of watches that the edge has not heard yet, and when they happened.
    news: VecDeque<(i64, Told)>,
    /// What the edge wanted and the server has not done yet.
    wanted: Vec<Work>,
    /// Evictions that were granted.
    pub evicted: usize,
    /// Every call, as it was made.
    pub log: Vec<String>,
}

impl Server {
    /// Empty.
    pub fn new() -> Server {
        Server::with(KarpenterSettings::default())
    }

    /// Empty, with these settings of the controller.
    pub fn with(settings: KarpenterSettings) -> Server {
        let mut server = Server {
            objects: BTreeMap::new(),
            version: 0,
            now_unix_ms: START_UNIX_MS,
            edge: edge(0, START_UNIX_MS, &settings),
            settings,
            runs: 0,
            news: VecDeque::new(),
            wanted: Vec::new(),
            evicted: 0,
            log: Vec::new(),
        };
        server.list();
        server
    }

    /// The edge forgets everything, as after `kill -9`: what it had submitted is lost as well.
    pub fn replace_the_controller(&mut self) {
        self.runs += 1;
        self.edge = edge(self.runs, self.now_unix_ms, &self.settings);
        self.news.clear();
        self.wanted.clear();
        self.list();
    }

    fn list(&mut self) {
        for resource in Resource::WATCHED {
            let own: Vec<(Key, Value)> = self
                .objects
                .iter()
                .filter(|((kind, ..), _)| *kind == resource)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let keys = own
                .iter()
                .map(|((_, space, name), _)| (Name::from(space.as_str()), Name::from(name.as_str())));
            let keys = keys.collect();
            let seen = own.into_iter().map(|(_, value)| Told::Seen(Seen::There(resource, Arc::new(value))));
            self.news.extend(seen.map(|told| (self.now_unix_ms, told)));
            self.news.push_back((self.now_unix_ms, Told::Listed(resource, keys)));
        }
    }

    /// The edge that is tested.
    pub fn edge(&mut self) -> &mut Edge {
        &mut self.edge
    }

    /// Everything of a kind.
    pub fn all(&self, resource: Resource) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|((kind, ..), _)| *kind == resource)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// One object.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(resource, namespace.to_owned(), name.to_owned()))
    }

    /// Pods without a node.
    pub fn unbound(&self) -> usize {
        self.all(Resource::Pod).iter().filter(|pod| pod.pointer("/spec/nodeName").is_none()).count()
    }

    /// Changes an object as somebody else would.
    pub fn change(
        &mut self,
        resource: Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) {
        let mut value = self.get(resource, namespace, name).unwrap().clone();
        change(&mut value);
        self.apply(resource, value);
    }

    /// Removes an object whatever holds it.
    pub fn remove(&mut self, resource: Resource, namespace: &str, name: &str) {
        self.change(resource, namespace, name, |value| value["metadata"]["finalizers"] = json!([]));
        self.delete(resource, namespace, name);
    }

    /// An instant so many milliseconds from now.
    pub fn instant(&self, from_now_ms: i64) -> String {
        rfc3339(self.now_unix_ms + from_now_ms)
    }

    /// Creates or replaces an object.
    pub fn apply(&mut self, resource: Resource, mut value: Value) {
        self.version += 1;
        let namespace =
            value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (resource, namespace, name);
        let uid = match self.objects.get(&key) {
            Some(known) => known["metadata"]["uid"].clone(),
            None => json!(format!("uid-{}", self.version)),
        };
        let created = self.objects.get(&key).map(|known| known["metadata"]["creationTimestamp"].clone());
        let metadata = value["metadata"].as_object_mut().unwrap();
        metadata.insert("uid".to_owned(), uid);
        metadata.insert("resourceVersion".to_owned(), json!(self.version.to_string()));
        metadata.insert("creationTimestamp".to_owned(), created.unwrap_or_else(|| json!(self.time())));
        self.objects.insert(key, value.clone());
        if Resource::WATCHED.contains(&resource) {
            self.tell(Seen::There(resource, Arc::new(value)));
        }
    }

    fn time(&self) -> String {
        rfc3339(self.now_unix_ms)
    }

    /// Asks an object to go: finalizers hold it.
    pub fn delete(&mut self, resource: Resource, namespace: &str, name: &str) {
        let key = (resource, namespace.to_owned(), name.to_owned());
        let Some(value) = self.objects.get(&key) else { return };
        let held = value
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .is_some_and(|own| !own.is_empty());
        if !held {
            self.objects.remove(&key);
            self.tell(Seen::Gone(resource, namespace.into(), name.into()));
        } else if value.pointer("/metadata/deletionTimestamp").is_none() {
            let mut value = value.clone();
            value["metadata"]["deletionTimestamp"] = json!(self.time());
            self.apply(resource, value);
        }
    }

    /// Asks everything of a kind to go.
    pub fn delete_all(&mut self, resource: Resource) {
        let keys: Vec<Key> = self.objects.keys().filter(|(kind, ..)| *kind == resource).cloned().collect();
        keys.iter().for_each(|(resource, namespace, name)| self.delete(*resource, namespace, name));
    }

    /// Time goes on.
    pub fn run_for_s(&mut self, seconds: i64) {
        self.run_for_ms(seconds * 1_000);
    }

    /// Time goes on.
    pub fn run_for_ms(&mut self, ms: i64) {
        let end = self.now_unix_ms + ms;
        while self.now_unix_ms < end {
            self.now_unix_ms += STEP_MS;
            self.kwok();
            self.schedule();
            let heard_until = self.now_unix_ms - LAG_MS;
            while let Some((_, told)) = self.news.pop_front_if(|(at, _)| *at <= heard_until) {
                self.edge.hear(told, self.now_unix_ms);
            }
            for work in std::mem::take(&mut self.wanted) {
                let done = self.perform(work);
                self.edge.finish(done, self.now_unix_ms);
            }
            self.wanted.extend(self.edge.act(self.now_unix_ms));
        }
    }

    fn tell(&mut self, seen: Seen) {
        self.news.push_back((self.now_unix_ms, Told::Seen(seen)));
    }

    /// Nodes are Ready as soon as they are there.
    fn kwok(&mut self) {
        for mut node in self.all(Resource::Node) {
            if node.pointer("/status/conditions").is_none() {
                node["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
                self.apply(Resource::Node, node);
            }
        }
    }

    /// Binds pods to untainted nodes with CPUs left, the first that has them; tells the others why not.
    fn schedule(&mut self) {
        let mut room: BTreeMap<String, i64> = BTreeMap::new();
        for node in self.all(Resource::Node) {
            let tainted =
                node.pointer("/spec/taints").and_then(Value::as_array).is_some_and(|own| !own.is_empty());
            let going = node.pointer("/metadata/deletionTimestamp").is_some();
            if !tainted && !going {
                room.insert(text(&node, "/metadata/name"), cpu(&text(&node, "/status/allocatable/cpu")));
            }
        }
        let pods = self.all(Resource::Pod);
        let wants = |pod: &Value| cpu(&text(pod, "/spec/containers/0/resources/requests/cpu"));
        for pod in &pods {
            if let Some(left) = room.get_mut(&text(pod, "/spec/nodeName")) {
                *left -= wants(pod);
            }
        }
        for mut pod in pods.into_iter().filter(|pod| pod.pointer("/spec/nodeName").is_none()) {
            let wanted = wants(&pod);
            if let Some((node, left)) = room.iter_mut().find(|(_, left)| **left >= wanted) {
                *left -= wanted;
                pod["spec"]["nodeName"] = json!(node);
                pod["status"] = json!({"phase": "Running", "podIP": "10.0.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}]});
                self.apply(Resource::Pod, pod);
            } else if pod.pointer("/status/conditions").is_none() {
                pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "message": "0 nodes are available"}]);
                self.apply(Resource::Pod, pod);
            }
        }
    }

    fn perform(&mut self, work: Work) -> Done {
        let mut result = Ok(());
        for call in &work.calls {
            result = self.call(call);
            if result.is_err() {
                break;
            }
        }
        Done { effect: work.effect, tries: work.tries, result }
    }

    fn call(&mut self, call: &Call) -> Result<(), Failure> {
        self.log.push(format!("{} {call:?}", self.now_unix_ms));
        match call {
            Call::Create(resource, body) => {
                let key = (*resource, text(body, "/metadata/namespace"), text(body, "/metadata/name"));
                if !self.objects.contains_key(&key) {
                    self.apply(*resource, body.clone());
                }
                Ok(())
            }
            Call::Patch { resource, name, body, .. } => {
                let Some(known) = self.get(*resource, "", name) else { return Ok(()) };
                let version = body.pointer("/metadata/resourceVersion");
                if version.is_some_and(|version| *version != known["metadata"]["resourceVersion"]) {
                    return Err(Failure::Passing("conflict".to_owned()));
                }
                let mut value = known.clone();
                merge(&mut value, body);
                self.apply(*resource, value.clone());
                let going = value.pointer("/metadata/deletionTimestamp").is_some();
                if going {
                    self.delete(*resource, "", name);
                }
                Ok(())
            }
            Call::Delete { resource, namespace, name, .. } => {
                self.delete(*resource, namespace, name);
                Ok(())
            }
            Call::Evict { namespace, name, .. } => {
                if !self.all(Resource::PodDisruptionBudget).is_empty() {
                    return Err(Failure::Passing("it would violate the pod's disruption budget".to_owned()));
                }
                self.evicted += 1;
                self.delete(Resource::Pod, namespace, name);
                // Its owner makes another one.
                self.apply(Resource::Pod, another(name, self.version));
                Ok(())
            }
        }
    }
}

fn another(name: &str, number: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{name}-{number}"), "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "i",
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]},
        "status": {"phase": "Pending"},
    })
}

fn edge(run: u32, now_unix_ms: i64, karpenter: &KarpenterSettings) -> Edge {
    Edge::new(Settings { karpenter: karpenter.clone(), ..settings(run) }, now_unix_ms)
}

/// Of the controller that was started after so many others.
pub fn settings(run: u32) -> Settings {
    Settings {
        provisioner: Provisioner::Karpenter,
        run: format!("r{run}").into(),
        karpenter: KarpenterSettings::default(),
    }
}

fn rfc3339(unix_ms: i64) -> String {
    jiff::Timestamp::from_second(unix_ms / 1_000).unwrap().to_string()
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn cpu(text: &str) -> i64 {
    match text.strip_suffix('m') {
        Some(millis) => millis.parse().unwrap_or(0),
        None => text.parse::<i64>().unwrap_or(0) * 1_000,
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}
