//! Which API calls an effect is. Pure: what is written follows from the effect and the mirror.
//!
//! Labels, annotations, finalizers, taints and conditions are those of `sigs.k8s.io/karpenter` v1.14.1
//! (`pkg/controllers/{provisioning/scheduling/nodeclaimtemplate,nodeclaim/lifecycle/registration,node/termination}`),
//! so that dashboards and other controllers find what they look for.

mod answer;
mod buffer;
mod claim;
mod conditions;
mod event;
mod node;
mod pool;
pub(crate) mod refusal;
mod told;

use autoscaler::Effect;
use cluster::PodId;
use serde_json::{Value, json};

use crate::Resource;
use crate::mirror::Mirror;

pub use answer::judge;
pub use claim::launched;
pub(crate) use claim::terminating;
pub use conditions::{Conditions, Status};
pub use event::Recorder;

/// A call to the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Creates an object.
    Create(Resource, Value),
    /// A JSON merge patch; one with `metadata.resourceVersion` is refused when somebody else was faster.
    Patch {
        /// The kind.
        resource: Resource,
        /// `metadata.namespace`; empty for kinds without one.
        namespace: String,
        /// The object.
        name: String,
        /// The status rather than the object.
        status: bool,
        /// What changes.
        body: Value,
    },
    /// Deletes an object if it is still the same.
    Delete {
        /// The kind.
        resource: Resource,
        /// `metadata.namespace`; empty for kinds without one.
        namespace: String,
        /// The object.
        name: String,
        /// `metadata.uid` that it must have, where it is known.
        uid: Option<String>,
    },
    /// Evicts a pod, if its disruption budgets allow it.
    Evict {
        /// `metadata.namespace`.
        namespace: String,
        /// `metadata.name`.
        name: String,
        /// `metadata.uid` that it must have.
        uid: String,
    },
}

/// What the calls need to be allowed: kind, subresource, verb. The ClusterRole of the chart has these, what is watched,
/// and nothing else; a test compares them, and with what is called.
pub const WRITES: [(Resource, &str, &str); 13] = [
    (Resource::NodePool, "", "patch"),
    (Resource::NodePool, "status", "patch"),
    (Resource::NodeClaim, "", "create"),
    (Resource::NodeClaim, "", "patch"),
    (Resource::NodeClaim, "", "delete"),
    (Resource::NodeClaim, "status", "patch"),
    (Resource::Node, "", "create"),
    (Resource::Node, "", "patch"),
    (Resource::Node, "", "delete"),
    (Resource::Pod, "", "delete"),
    (Resource::Pod, "eviction", "create"),
    (Resource::CapacityBuffer, "status", "patch"),
    (Resource::Event, "", "create"),
];

/// The finalizer of nodes and claims.
pub const FINALIZER: &str = "karpenter.sh/termination";

/// The annotation of claims that says when all waiting for pods of the node ends.
pub(crate) const TERMINATE_BY: &str = "karpenter.sh/nodeclaim-termination-timestamp";

/// The calls of an effect, in order. Launches and terminations are the provider's; they have none here. Nor have
/// events: see [`Recorder`].
pub fn calls(mirror: &Mirror, effect: &Effect) -> Vec<Call> {
    match effect {
        Effect::Launch(..) | Effect::Terminate(_) => Vec::new(),
        Effect::SayOfBuffer(buffer, status) => buffer::say(mirror, buffer, status).into_iter().collect(),
        Effect::CreateClaim(new) => claim::create(mirror, new).into_iter().collect(),
        Effect::Register(node) => node::register(mirror, *node),
        Effect::InitializeClaim(claim) => claim::initialize(mirror, *claim),
        Effect::DriftClaim(claim, why) => claim::drift(mirror, *claim, *why),
        Effect::DeleteClaim(claim, why) => claim::delete(mirror, *claim, *why),
        Effect::TendPool(pool) => pool::tend(mirror, pool),
        Effect::TendClaim(claim) => claim::tend(mirror, *claim),
        Effect::TellDrain(claim, stage) => claim::draining(mirror, *claim, *stage).into_iter().collect(),
        Effect::ReleaseClaim(claim) => claim::release(mirror, *claim),
        Effect::PatchNode(node, patch) => node::patch(mirror, *node, patch),
        Effect::DeleteNode(node) => node::delete(mirror, *node),
        Effect::ReleaseNode(node) => node::release(mirror, *node),
        Effect::Evict(pod) => {
            on_pod(mirror, *pod, |namespace, name, uid| Call::Evict { namespace, name, uid })
        }
        Effect::DeletePod(pod) => on_pod(mirror, *pod, |namespace, name, uid| Call::Delete {
            resource: Resource::Pod,
            namespace,
            name,
            uid: Some(uid),
        }),
        // Events are all that they are.
        Effect::RefusePod(..) | Effect::ExpectPod(..) => Vec::new(),
    }
}

fn on_pod(mirror: &Mirror, pod: PodId, call: impl Fn(String, String, String) -> Call) -> Vec<Call> {
    let (pod, uid) = (mirror.cluster().pod(pod), mirror.pod_uid(pod));
    let call = uid.map(|uid| call(pod.namespace.to_string(), pod.name.to_string(), uid.to_string()));
    call.into_iter().collect()
}

/// A patch of an object without a namespace.
fn patch(resource: Resource, name: &str, status: bool, body: Value) -> Call {
    Call::Patch { resource, namespace: String::new(), name: name.to_owned(), status, body }
}

/// The deletion of an object without a namespace, if it is still the one of this `metadata.uid`.
pub(crate) fn delete(resource: Resource, name: &str, uid: Option<String>) -> Call {
    Call::Delete { resource, namespace: String::new(), name: name.to_owned(), uid }
}

/// `metadata` of a patch that must find the object as it is known.
fn at_version(value: Option<&Value>) -> Value {
    match value.and_then(|value| value.pointer("/metadata/resourceVersion")) {
        Some(version) => json!({"resourceVersion": version}),
        None => json!({}),
    }
}
