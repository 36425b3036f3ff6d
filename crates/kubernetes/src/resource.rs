//! The kinds that are watched or written, and where the API server has them.

use cluster::Kind;
use kube::core::{ApiResource, GroupVersionKind};

/// A kind of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own kind names")]
pub enum Resource {
    NodePool,
    KwokNodeClass,
    NodeClaim,
    Node,
    Pod,
    DaemonSet,
    StatefulSet,
    Deployment,
    ReplicaSet,
    PodTemplate,
    CapacityBuffer,
    PodDisruptionBudget,
    Namespace,
    StorageClass,
    VolumeAttachment,
    CsiNode,
    PersistentVolume,
    PersistentVolumeClaim,
    Event,
}

impl Resource {
    /// What a controller watches, in the order in which it first reads it: what others refer to comes first.
    pub const WATCHED: [Resource; 18] = [
        Resource::KwokNodeClass,
        Resource::NodePool,
        Resource::Namespace,
        Resource::StorageClass,
        Resource::PersistentVolume,
        Resource::PersistentVolumeClaim,
        Resource::DaemonSet,
        Resource::StatefulSet,
        Resource::Deployment,
        Resource::ReplicaSet,
        Resource::PodTemplate,
        Resource::CapacityBuffer,
        Resource::PodDisruptionBudget,
        Resource::NodeClaim,
        Resource::Node,
        Resource::CsiNode,
        Resource::VolumeAttachment,
        Resource::Pod,
    ];

    /// Of [`Resource::WATCHED`] what a controller watches with the feature gate `CapacityBuffer` open or closed.
    pub fn watched(buffers: bool) -> impl Iterator<Item = Resource> {
        Resource::WATCHED.into_iter().filter(move |own| buffers || !own.is_for_buffers())
    }

    /// Whether only CapacityBuffers ask for it.
    pub fn is_for_buffers(self) -> bool {
        let kinds =
            [Resource::CapacityBuffer, Resource::Deployment, Resource::ReplicaSet, Resource::PodTemplate];
        kinds.contains(&self)
    }

    /// Whether a cluster may do without the kind: where the API server does not have it, there are none. Not so for
    /// pools and claims: taking those for gone would end their nodes.
    pub fn is_optional(self) -> bool {
        self == Resource::CapacityBuffer
    }

    /// Group, version, kind, plural.
    fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Resource::NodePool => ("karpenter.sh", "v1", "NodePool", "nodepools"),
            Resource::KwokNodeClass => ("karpenter.kwok.sh", "v1alpha1", "KWOKNodeClass", "kwoknodeclasses"),
            Resource::NodeClaim => ("karpenter.sh", "v1", "NodeClaim", "nodeclaims"),
            Resource::Node => ("", "v1", "Node", "nodes"),
            Resource::Pod => ("", "v1", "Pod", "pods"),
            Resource::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
            Resource::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Resource::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Resource::ReplicaSet => ("apps", "v1", "ReplicaSet", "replicasets"),
            Resource::PodTemplate => ("", "v1", "PodTemplate", "podtemplates"),
            Resource::CapacityBuffer => {
                ("autoscaling.x-k8s.io", "v1beta1", "CapacityBuffer", "capacitybuffers")
            }
            Resource::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Resource::Namespace => ("", "v1", "Namespace", "namespaces"),
            Resource::StorageClass => ("storage.k8s.io", "v1", "StorageClass", "storageclasses"),
            Resource::VolumeAttachment => ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments"),
            Resource::CsiNode => ("storage.k8s.io", "v1", "CSINode", "csinodes"),
            Resource::PersistentVolume => ("", "v1", "PersistentVolume", "persistentvolumes"),
            Resource::PersistentVolumeClaim => ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
            Resource::Event => ("", "v1", "Event", "events"),
        }
    }

    /// As the client knows it.
    pub fn api(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// `apiVersion`.
    pub fn api_version(self) -> String {
        match self.names() {
            ("", version, ..) => version.to_owned(),
            (group, version, ..) => format!("{group}/{version}"),
        }
    }

    /// `kind`.
    pub fn kind(self) -> &'static str {
        self.names().2
    }

    /// The kind as the model knows it.
    pub fn model(self) -> Kind {
        Kind::from(self.kind())
    }

    /// Whether its objects live in a namespace.
    pub fn is_namespaced(self) -> bool {
        matches!(
            self,
            Resource::Pod
                | Resource::DaemonSet
                | Resource::StatefulSet
                | Resource::Deployment
                | Resource::ReplicaSet
                | Resource::PodTemplate
                | Resource::CapacityBuffer
                | Resource::PodDisruptionBudget
                | Resource::PersistentVolumeClaim
                | Resource::Event
        )
    }
}
