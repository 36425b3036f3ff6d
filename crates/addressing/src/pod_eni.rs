//! Security groups for pods: trunks, and branch interfaces.
//!
//! The VPC resource controller attaches the trunk and says how many branches there may be, as the extended resource
//! `vpc.amazonaws.com/pod-eni`; each branch pod takes one address of the node's subnet, beside the warm pool. A branch
//! is kept as a slot of the trunk.
//! Followed: aws/amazon-vpc-resource-controller-k8s v1.7 `pkg/provider/branch/`, aws/amazon-vpc-cni-k8s v1.23.1
//! `pkg/ipamd/ipamd.go` `askForTrunkENIIfNeeded`, aws/karpenter-provider-aws v1.14.1
//! `pkg/providers/instancetype/types.go` `awsPodENI`.

use cluster::{Node, Pod, PodTemplate};

/// The extended resource.
pub const POD_ENI: &str = "vpc.amazonaws.com/pod-eni";

/// Branch interfaces that a node says it can have.
pub fn branch_limit(node: &Node) -> u32 {
    u32::try_from(node.capacity.get(POD_ENI).max(node.allocatable.get(POD_ENI))).unwrap_or(0)
}

/// Whether a template's pods get a branch interface: the webhook adds the resource to pods that a
/// SecurityGroupPolicy selects.
pub fn wants_branch(template: &PodTemplate) -> bool {
    !template.host_network && template.requests.get(POD_ENI) > 0
}

/// Whether a pod gets a branch interface.
pub fn is_branch_pod(pod: &Pod) -> bool {
    wants_branch(&pod.template)
}
