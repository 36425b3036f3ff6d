//! Which kinds exist in which API groups and versions, and whether they live in a namespace.

use cluster::{Kind, Name};

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In a namespace; `default` when none is written.
    Namespaced,
    /// In none.
    Cluster,
    /// Not known: the namespace as written.
    Unknown,
}

/// Kind, group, versions that are read, scope. Versions by Kubernetes 1.36, Karpenter 1.14, VPC CNI 1.23, VPC
/// resource controller 1.7, Cilium 1.20.
const KINDS: &[(Kind, &str, &[&str], Scope)] = {
    use Scope::{Cluster, Namespaced};
    &[
        (Kind::Pod, "", &["v1"], Namespaced),
        (Kind::Deployment, "apps", &["v1"], Namespaced),
        (Kind::ReplicaSet, "apps", &["v1"], Namespaced),
        (Kind::ReplicationController, "", &["v1"], Namespaced),
        (Kind::StatefulSet, "apps", &["v1"], Namespaced),
        (Kind::DaemonSet, "apps", &["v1"], Namespaced),
        (Kind::Job, "batch", &["v1"], Namespaced),
        (Kind::CronJob, "batch", &["v1"], Namespaced),
        (Kind::Service, "", &["v1"], Namespaced),
        (Kind::Namespace, "", &["v1"], Cluster),
        (Kind::ConfigMap, "", &["v1"], Namespaced),
        (Kind::Secret, "", &["v1"], Namespaced),
        (Kind::ServiceAccount, "", &["v1"], Namespaced),
        (Kind::PodDisruptionBudget, "policy", &["v1"], Namespaced),
        (Kind::PriorityClass, "scheduling.k8s.io", &["v1"], Cluster),
        (Kind::ResourceQuota, "", &["v1"], Namespaced),
        (Kind::LimitRange, "", &["v1"], Namespaced),
        (Kind::PersistentVolume, "", &["v1"], Cluster),
        (Kind::PersistentVolumeClaim, "", &["v1"], Namespaced),
        (Kind::StorageClass, "storage.k8s.io", &["v1"], Cluster),
        (Kind::CsiNode, "storage.k8s.io", &["v1"], Cluster),
        (Kind::Node, "", &["v1"], Cluster),
        (Kind::ValidatingWebhookConfiguration, "admissionregistration.k8s.io", &["v1"], Cluster),
        (Kind::MutatingWebhookConfiguration, "admissionregistration.k8s.io", &["v1"], Cluster),
        (Kind::CustomResourceDefinition, "apiextensions.k8s.io", &["v1"], Cluster),
        (Kind::NodePool, "karpenter.sh", &["v1"], Cluster),
        (Kind::NodeClaim, "karpenter.sh", &["v1"], Cluster),
        (Kind::Ec2NodeClass, "karpenter.k8s.aws", &["v1"], Cluster),
        (Kind::EniConfig, "crd.k8s.amazonaws.com", &["v1alpha1"], Cluster),
        (Kind::SecurityGroupPolicy, "vpcresources.k8s.aws", &["v1beta1"], Namespaced),
        (Kind::CniNode, "vpcresources.k8s.aws", &["v1alpha1"], Cluster),
        (Kind::CiliumNode, "cilium.io", &["v2"], Cluster),
        (Kind::Cluster, "plimsoll.dev", &["v1alpha1"], Cluster),
        (Kind::Scenario, "plimsoll.dev", &["v1alpha1"], Cluster),
    ]
};

/// Groups that kinds were served in once, or by mistake are still written in.
const FORMER_GROUPS: &[(Kind, &str)] =
    &[(Kind::Deployment, "extensions"), (Kind::DaemonSet, "extensions"), (Kind::ReplicaSet, "extensions")];

/// Cluster-scoped kinds that are not modelled but are common in manifests.
const OTHER_CLUSTER_SCOPED: &[&str] = &[
    "APIService",
    "CertificateSigningRequest",
    "CiliumClusterwideNetworkPolicy",
    "ClusterIssuer",
    "ClusterPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterSecretStore",
    "CSIDriver",
    "DeviceClass",
    "FlowSchema",
    "GatewayClass",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "NodeOverlay",
    "PriorityLevelConfiguration",
    "ResourceSlice",
    "RuntimeClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "VolumeAttachment",
    "VolumeSnapshotClass",
];

/// Groups whose other kinds live in a namespace.
const NAMESPACED_GROUPS: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "autoscaling.x-k8s.io",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
];

/// The kind that `kind` of `group` is; a kind of the same name in a foreign group is `Other`.
pub(crate) fn kind_of(group: &str, kind: &str) -> Kind {
    let known = Kind::from(kind);
    let ours = |entry: &(Kind, &str, &[&str], Scope)| entry.0 == known && entry.1 == group;
    if KINDS.iter().any(ours) || FORMER_GROUPS.iter().any(|entry| entry.0 == known && entry.1 == group) {
        return known;
    }
    Kind::Other(Name::from(kind))
}

/// The `apiVersion` to write for a kind, when `group/version` is not one that is read.
pub(crate) fn version_to_write(kind: &Kind, group: &str, version: &str) -> Option<String> {
    let (_, wanted, versions, _) = KINDS.iter().find(|entry| entry.0 == *kind)?;
    if *wanted == group && versions.contains(&version) {
        return None;
    }
    Some(if wanted.is_empty() { versions[0].to_owned() } else { format!("{wanted}/{}", versions[0]) })
}

/// Where objects of a kind live.
pub(crate) fn scope_of(kind: &Kind, group: &str) -> Scope {
    match (KINDS.iter().find(|entry| entry.0 == *kind), kind) {
        (Some(entry), _) => entry.3,
        (None, Kind::Other(name)) if OTHER_CLUSTER_SCOPED.contains(&name.as_str()) => Scope::Cluster,
        _ if NAMESPACED_GROUPS.contains(&group) => Scope::Namespaced,
        _ => Scope::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_belongs_to_its_group() {
        assert_eq!(kind_of("", "Service"), Kind::Service);
        assert_eq!(kind_of("serving.knative.dev", "Service"), Kind::Other("Service".into()));
        assert_eq!(kind_of("cluster.x-k8s.io", "Cluster"), Kind::Other("Cluster".into()));
        assert_eq!(kind_of("extensions", "Deployment"), Kind::Deployment);
    }

    #[test]
    fn old_versions_are_told_the_new_one() {
        let wanted = version_to_write(&Kind::NodePool, "karpenter.sh", "v1beta1");
        assert_eq!(wanted.as_deref(), Some("karpenter.sh/v1"));
        assert_eq!(version_to_write(&Kind::Deployment, "extensions", "v1beta1").as_deref(), Some("apps/v1"));
        assert_eq!(version_to_write(&Kind::Deployment, "apps", "v1"), None);
    }
}
