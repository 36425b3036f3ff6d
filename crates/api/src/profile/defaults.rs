//! What is taken where the profile says nothing: one table, which the report prints from.

/// A default of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Default {
    /// The field, as a JSON pointer; `*` stands for an index.
    pub field: &'static str,
    /// What is taken.
    pub value: &'static str,
    /// Why.
    pub why: &'static str,
}

const fn default(field: &'static str, value: &'static str, why: &'static str) -> Default {
    Default { field, value, why }
}

/// Every default, in the order of the document.
pub const DEFAULTS: &[Default] = &[
    default("/spec/provider", "eks", "the tool is about EKS"),
    default("/spec/kubernetesVersion", "1.34", "a version in EKS's standard support"),
    default(
        "/spec/region",
        "us-east-1",
        "the region of the subnets' or nodes' zones where one is known; the region with the most instance types otherwise",
    ),
    default("/spec/now", "2026-01-01T00:00:00Z", "a fixed instant: the same input gives the same run"),
    default("/spec/horizon", "2h", "longer than any start-up, shorter than token lifetimes"),
    default(
        "/spec/network/subnets",
        "unlimited",
        "without subnets no address can be short outside of a node",
    ),
    default("/spec/nodeGroups/*/count", "scaling.min, or 1", "a group's desired size starts at its minimum"),
    default(
        "/spec/nodeGroups/*/scaling",
        "min = max = count, by none",
        "an EKS node group does not grow by itself",
    ),
    default(
        "/spec/nodeGroups/*/managed",
        "true",
        "EKS managed node groups are the usual way to run what comes before the provisioner",
    ),
    default("/spec/nodeGroups/*/amiFamily", "AL2023", "EKS's default AMI family"),
    default(
        "/spec/nodeGroups/*/maxPods",
        "the AMI family's own computation",
        "interfaces x (addresses - 1) + 2, capped at 110 or 250 in a managed group",
    ),
    default("/spec/nodeGroups/*/subnets", "all", "a group spreads over every subnet in turn"),
    default(
        "/spec/nodeGroups/*/addressMode",
        "as the CNI is set now",
        "nodes that are older than the setting have to be said",
    ),
    default("/spec/nodeGroups/*/held", "settled for its pods", "what the CNI holds once it is at rest"),
    default(
        "/spec/nodeGroups/*/reserved",
        "the AMI family's",
        "kube-reserved and system-reserved as the AMI computes them",
    ),
    default("/spec/addons/kube-proxy", "assumed", "every EKS cluster has it unless the CNI replaces it"),
    default(
        "/spec/addons/vpc-cni",
        "assumed",
        "EKS's default CNI, where neither the manifests nor the profile have another",
    ),
    default("/spec/fargate/*/subnets", "all", "a Fargate profile may use every subnet"),
    default("/spec/existing/*/pods", "running", "what exists usually runs"),
    default("/spec/images", "linux/amd64 and linux/arm64, pullable", "most images are built for both"),
    default("/spec/aws/serviceLinkedRoles", "present", "an account that ran EC2 fleets has them"),
    default("/spec/aws/controllerPermissions", "all", "the policy that Karpenter's documentation gives"),
    default("/spec/gke/podRange", "/14", "GKE's own default"),
    default("/spec/gke/maxPodsPerNode", "110", "GKE's own default"),
    default("/spec/runtimes", "60s", "how long a Job's pod runs is nowhere in its manifest"),
    default("/spec/order", "together", "kubectl apply and Argo CD without waves send everything at once"),
    default("/spec/until", "settled", "the question is whether it comes up"),
    default("/spec/latencies/launch", "3s", "CreateFleet's usual answer"),
    default("/spec/latencies/nodeReady", "40s", "boot and kubelet registration of the EKS AMIs"),
    default("/spec/latencies/imagePull", "8s", "an image of some hundred MB"),
    default("/spec/latencies/podStart", "2s", "container creation and first probe"),
    default("/spec/latencies/terminate", "60s", "TerminateInstances to gone"),
];

/// The default of a field, by its pointer with `*` for indexes.
pub fn default_of(field: &str) -> Option<&'static Default> {
    DEFAULTS.iter().find(|default| default.field == field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_unique_and_explained() {
        let fields: std::collections::BTreeSet<_> = DEFAULTS.iter().map(|default| default.field).collect();
        assert_eq!(fields.len(), DEFAULTS.len());
        assert!(DEFAULTS.iter().all(|default| !default.why.is_empty() && !default.value.is_empty()));
    }
}
