//! The model of a live cluster: what watches bring, as [`Cluster`] and [`Change`]s.
//!
//! Only here is the live [`Cluster`] changed. Ids are given once and stay; what is gone keeps its entry. Instants are
//! milliseconds since the mirror began. Objects that cannot be read are left out and told in [`Mirror::take_unread`].

mod claims;
mod declared;
mod nodes;
mod pods;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::declared::KarpenterSettings;
use cluster::profile::Profile;
use cluster::{Change, Cluster, Declared, Name, ObjectKey, PodTemplate, Timestamp};
use serde_json::Value;

use crate::Resource;
use claims::ClaimFacts;
use nodes::NodeFacts;

/// One thing that a watch brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// An object is there, or has changed.
    There(Resource, Arc<Value>),
    /// An object is gone: namespace and name.
    Gone(Resource, Name, Name),
}

/// The mirror.
#[derive(Debug)]
pub struct Mirror {
    cluster: Cluster,
    start_unix_ms: i64,
    /// Everything but pods, nodes and claims, as it is in the API.
    objects: BTreeMap<ObjectKey, Arc<Value>>,
    pods: BTreeMap<(Name, Name), pods::PodEntry>,
    nodes: BTreeMap<Name, NodeFacts>,
    claims: BTreeMap<Name, ClaimFacts>,
    /// Pods on nodes that are not known yet.
    homeless: BTreeMap<Name, Vec<cluster::PodId>>,
    templates: BTreeMap<(Name, Name), Vec<Arc<PodTemplate>>>,
    /// The newest pod of each DaemonSet: when it was created, and what it asks for.
    daemons: BTreeMap<ObjectKey, (i64, Arc<PodTemplate>)>,
    unread: Vec<String>,
}

impl Mirror {
    /// Of an empty cluster, at an instant of the Unix epoch.
    pub fn new(now_unix_ms: i64) -> Mirror {
        let profile = Profile { now_unix_ms, ..api_profile() };
        Mirror {
            cluster: Cluster::empty(Arc::new(Declared::empty(profile))),
            start_unix_ms: now_unix_ms,
            objects: BTreeMap::new(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            claims: BTreeMap::new(),
            homeless: BTreeMap::new(),
            templates: BTreeMap::new(),
            daemons: BTreeMap::new(),
            unread: Vec::new(),
        }
    }

    /// Takes over settings of the controller.
    pub fn configure(&mut self, settings: KarpenterSettings) {
        Arc::make_mut(&mut self.cluster.declared).karpenter = settings;
    }

    /// What of a kind is known and was not in a list of everything, by namespace and name.
    pub fn gone_since(&self, resource: Resource, present: &[(Name, Name)]) -> Vec<Seen> {
        let present: BTreeSet<(&Name, &Name)> =
            present.iter().map(|(namespace, name)| (namespace, name)).collect();
        let none = Name::default();
        let known: Vec<(&Name, &Name)> = match resource {
            Resource::Pod => self.pods.keys().map(|(namespace, name)| (namespace, name)).collect(),
            Resource::Node => self.nodes.keys().map(|name| (&none, name)).collect(),
            Resource::NodeClaim => self.claims.keys().map(|name| (&none, name)).collect(),
            other => {
                let own = self.objects.keys().filter(|key| key.kind == other.model());
                own.map(|key| (&key.namespace, &key.name)).collect()
            }
        };
        let gone = known.into_iter().filter(|key| !present.contains(key));
        gone.map(|(namespace, name)| Seen::Gone(resource, namespace.clone(), name.clone())).collect()
    }

    /// The model.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Time goes on; it never goes back.
    pub fn advance(&mut self, now_unix_ms: i64) {
        self.cluster.now = self.cluster.now.max(self.instant(now_unix_ms));
    }

    /// When an instant of the model is, in milliseconds of the Unix epoch.
    pub fn unix_ms(&self, at: Timestamp) -> i64 {
        self.start_unix_ms.saturating_add(at.0)
    }

    /// Takes in what a watch brought; what became true.
    pub fn see(&mut self, seen: &Seen) -> Vec<Change> {
        let mut changes = Vec::new();
        match seen {
            Seen::There(Resource::Pod, value) => self.pod_there(value, &mut changes),
            Seen::There(Resource::Node, value) => self.node_there(value, &mut changes),
            Seen::There(Resource::NodeClaim, value) => self.claim_there(value, &mut changes),
            Seen::There(resource, value) => self.object_there(*resource, value, &mut changes),
            Seen::Gone(Resource::Pod, namespace, name) => {
                self.pod_gone(&(namespace.clone(), name.clone()), &mut changes);
            }
            Seen::Gone(Resource::Node, _, name) => self.node_gone(name, &mut changes),
            Seen::Gone(Resource::NodeClaim, _, name) => self.claim_gone(name, &mut changes),
            Seen::Gone(resource, namespace, name) => {
                self.object_gone(*resource, namespace, name, &mut changes);
            }
        }
        changes
    }

    /// What could not be read since this was last asked.
    pub fn take_unread(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unread)
    }

    pub(crate) fn claim_facts(&self, name: &Name) -> Option<&ClaimFacts> {
        self.claims.get(name)
    }

    pub(crate) fn node_facts(&self, name: &Name) -> Option<&NodeFacts> {
        self.nodes.get(name)
    }

    /// A node as it is in the API.
    pub(crate) fn node_value(&self, name: &Name) -> Option<&Value> {
        self.nodes.get(name).map(|facts| facts.value.as_ref())
    }

    /// `metadata.uid` of a pod that is there.
    pub(crate) fn pod_uid(&self, id: cluster::PodId) -> Option<&Name> {
        let pod = self.cluster.pod(id);
        let entry = self.pods.get(&(pod.namespace.clone(), pod.name.clone()))?;
        (entry.id == id).then_some(&entry.uid)
    }

    fn instant(&self, unix_ms: i64) -> Timestamp {
        Timestamp(unix_ms.saturating_sub(self.start_unix_ms))
    }

    fn note_unread(&mut self, what: &str, problems: &[api::Problem]) {
        for problem in problems {
            self.unread.push(format!("{what}: {} ({})", problem.message, problem.path));
        }
    }
}

/// The profile of an input without one: nothing is known of subnets, groups and accounts.
fn api_profile() -> Profile {
    api::lower(&[], catalog::Catalog::embedded()).declared.profile
}
