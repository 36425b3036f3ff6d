//! Where a value was written: which object, which field. Files and lines are looked up by `sources`.

use std::fmt;

use crate::Name;

/// The kinds that the model knows by name; `Other` carries the kind as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(into = "String")]
#[allow(missing_docs, reason = "the variants are Kubernetes' own kind names")]
pub enum Kind {
    Pod,
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    Service,
    Namespace,
    ConfigMap,
    Secret,
    ServiceAccount,
    PodDisruptionBudget,
    PriorityClass,
    ResourceQuota,
    LimitRange,
    PersistentVolume,
    PersistentVolumeClaim,
    StorageClass,
    CsiNode,
    Node,
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    CustomResourceDefinition,
    NodePool,
    NodeClaim,
    Ec2NodeClass,
    EniConfig,
    SecurityGroupPolicy,
    CniNode,
    CiliumNode,
    /// plimsoll's own profile document.
    Cluster,
    /// plimsoll's own scenario document.
    Scenario,
    Other(Name),
}

impl Kind {
    /// The kind as it is written in a manifest.
    pub fn as_str(&self) -> &str {
        match self {
            Kind::Pod => "Pod",
            Kind::Deployment => "Deployment",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::ReplicationController => "ReplicationController",
            Kind::StatefulSet => "StatefulSet",
            Kind::DaemonSet => "DaemonSet",
            Kind::Job => "Job",
            Kind::CronJob => "CronJob",
            Kind::Service => "Service",
            Kind::Namespace => "Namespace",
            Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
            Kind::ServiceAccount => "ServiceAccount",
            Kind::PodDisruptionBudget => "PodDisruptionBudget",
            Kind::PriorityClass => "PriorityClass",
            Kind::ResourceQuota => "ResourceQuota",
            Kind::LimitRange => "LimitRange",
            Kind::PersistentVolume => "PersistentVolume",
            Kind::PersistentVolumeClaim => "PersistentVolumeClaim",
            Kind::StorageClass => "StorageClass",
            Kind::CsiNode => "CSINode",
            Kind::Node => "Node",
            Kind::ValidatingWebhookConfiguration => "ValidatingWebhookConfiguration",
            Kind::MutatingWebhookConfiguration => "MutatingWebhookConfiguration",
            Kind::CustomResourceDefinition => "CustomResourceDefinition",
            Kind::NodePool => "NodePool",
            Kind::NodeClaim => "NodeClaim",
            Kind::Ec2NodeClass => "EC2NodeClass",
            Kind::EniConfig => "ENIConfig",
            Kind::SecurityGroupPolicy => "SecurityGroupPolicy",
            Kind::CniNode => "CNINode",
            Kind::CiliumNode => "CiliumNode",
            Kind::Cluster => "Cluster",
            Kind::Scenario => "Scenario",
            Kind::Other(kind) => kind,
        }
    }
}

/// Parses the kind as written; what the model does not know becomes `Other`.
impl From<&str> for Kind {
    fn from(text: &str) -> Kind {
        const KNOWN: [Kind; 34] = [
            Kind::Pod,
            Kind::Deployment,
            Kind::ReplicaSet,
            Kind::ReplicationController,
            Kind::StatefulSet,
            Kind::DaemonSet,
            Kind::Job,
            Kind::CronJob,
            Kind::Service,
            Kind::Namespace,
            Kind::ConfigMap,
            Kind::Secret,
            Kind::ServiceAccount,
            Kind::PodDisruptionBudget,
            Kind::PriorityClass,
            Kind::ResourceQuota,
            Kind::LimitRange,
            Kind::PersistentVolume,
            Kind::PersistentVolumeClaim,
            Kind::StorageClass,
            Kind::CsiNode,
            Kind::Node,
            Kind::ValidatingWebhookConfiguration,
            Kind::MutatingWebhookConfiguration,
            Kind::CustomResourceDefinition,
            Kind::NodePool,
            Kind::NodeClaim,
            Kind::Ec2NodeClass,
            Kind::EniConfig,
            Kind::SecurityGroupPolicy,
            Kind::CniNode,
            Kind::CiliumNode,
            Kind::Cluster,
            Kind::Scenario,
        ];
        KNOWN.into_iter().find(|kind| kind.as_str() == text).unwrap_or_else(|| Kind::Other(text.into()))
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> String {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An object's identity in the cluster. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ObjectKey {
    /// What kind of object.
    pub kind: Kind,
    /// Empty for cluster-scoped kinds.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
}

impl ObjectKey {
    /// A key from its three parts.
    pub fn new(kind: Kind, namespace: impl Into<Name>, name: impl Into<Name>) -> ObjectKey {
        ObjectKey { kind, namespace: namespace.into(), name: name.into() }
    }
}

/// `Deployment kube-system/coredns`, `NodePool default`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// A field inside an object, as a JSON pointer (RFC 6901): `/spec/template/spec/containers/0/image`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct FieldPath(pub String);

impl FieldPath {
    /// The object itself.
    pub fn root() -> FieldPath {
        FieldPath(String::new())
    }

    /// The path written as a JSON pointer literal, e.g. `FieldPath::of("/spec/replicas")`.
    pub fn of(pointer: &str) -> FieldPath {
        FieldPath(pointer.to_owned())
    }

    /// This path with one more segment; `~` and `/` in the segment are escaped.
    #[must_use]
    pub fn child(&self, segment: impl fmt::Display) -> FieldPath {
        let segment = segment.to_string().replace('~', "~0").replace('/', "~1");
        FieldPath(format!("{}/{segment}", self.0))
    }

    /// This path followed by another.
    #[must_use]
    pub fn join(&self, tail: &FieldPath) -> FieldPath {
        FieldPath(format!("{}{}", self.0, tail.0))
    }

    /// The path without its last segment; `None` at the root.
    pub fn parent(&self) -> Option<FieldPath> {
        self.0.rfind('/').map(|cut| FieldPath(self.0[..cut].to_owned()))
    }
}

/// As people write it: `spec.template.spec.containers[0].image`; the root prints as nothing.
impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.split('/').skip(1).enumerate() {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment.bytes().all(|b| b.is_ascii_digit()) && !segment.is_empty() {
                write!(f, "[{segment}]")?;
            } else if segment.contains(['.', '/']) {
                write!(f, "[\"{segment}\"]")?;
            } else {
                write!(f, "{}{segment}", if index == 0 { "" } else { "." })?;
            }
        }
        Ok(())
    }
}

/// A field of an object that the user wrote (or would have written: a missing field resolves to its nearest
/// ancestor that exists).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Location {
    /// The object as written in the input: for a pod made by a Deployment this is the Deployment.
    pub object: ObjectKey,
    /// The field inside it.
    pub path: FieldPath,
}

impl Location {
    /// The object as a whole.
    pub fn object(object: ObjectKey) -> Location {
        Location { object, path: FieldPath::root() }
    }

    /// This location, further down: `tail` is a JSON pointer.
    #[must_use]
    pub fn at(&self, tail: &str) -> Location {
        Location { object: self.object.clone(), path: self.path.join(&FieldPath::of(tail)) }
    }
}
