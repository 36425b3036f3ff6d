//! Security groups for pods: trunks, and branch interfaces.
//!
//! The VPC resource controller attaches the trunk and says how many branches there may be, as the extended resource
//! `vpc.amazonaws.com/pod-eni`; each branch pod takes one address of the node's subnet, beside the warm pool. A branch
//! is kept as a slot of the trunk.
//! Followed: aws/amazon-vpc-resource-controller-k8s v1.7 `pkg/provider/branch/`, aws/amazon-vpc-cni-k8s v1.23.1
//! `pkg/ipamd/ipamd.go` `askForTrunkENIIfNeeded`, aws/karpenter-provider-aws v1.14.1
//! `pkg/providers/instancetype/types.go` `awsPodENI`.

use cluster::network::NodeNetwork;
use cluster::{Pod, PodTemplate, Timestamp};

/// The extended resource.
pub const POD_ENI: &str = "vpc.amazonaws.com/pod-eni";

/// How long a branch interface is kept after its pod is gone.
pub const BRANCH_COOLDOWN_MS: i64 = 60_000;

/// Whether a template's pods get a branch interface: the webhook adds the resource to pods that a
/// SecurityGroupPolicy selects.
pub fn wants_branch(template: &PodTemplate) -> bool {
    !template.host_network && template.requests.get(POD_ENI) > 0
}

/// Whether a pod gets a branch interface.
pub fn is_branch_pod(pod: &Pod) -> bool {
    wants_branch(&pod.template)
}

/// The trunk of a node, as an index into its interfaces.
pub fn trunk(network: &NodeNetwork) -> Option<u32> {
    let index = network.interfaces.iter().position(|interface| interface.is_trunk)?;
    u32::try_from(index).ok()
}

/// The branch interfaces of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Branches {
    /// With a pod.
    pub used: u32,
    /// Made for a pod that has not taken it yet.
    pub ready: u32,
    /// Their pods are gone; they are deleted after a while.
    pub cooling: u32,
    /// Of these, those that can be deleted now.
    pub deletable: u32,
}

impl Branches {
    /// Those of a node at `now`.
    pub fn of(network: &NodeNetwork, now: Timestamp) -> Branches {
        let mut branches = Branches::default();
        let trunks = network.interfaces.iter().filter(|interface| interface.is_trunk);
        for slot in trunks.flat_map(|trunk| &trunk.slots) {
            match slot.cooling.last() {
                _ if slot.assigned > 0 => branches.used += 1,
                None => branches.ready += 1,
                Some(until) => {
                    branches.cooling += 1;
                    branches.deletable += u32::from(*until <= now);
                }
            }
        }
        branches
    }

    /// All of them: what counts against the limit.
    pub fn total(self) -> u32 {
        self.used + self.ready + self.cooling
    }

    /// When the next one of a node can be deleted.
    pub fn next_deletable(network: &NodeNetwork, now: Timestamp) -> Option<Timestamp> {
        let trunks = network.interfaces.iter().filter(|interface| interface.is_trunk);
        trunks
            .flat_map(|trunk| &trunk.slots)
            .flat_map(|slot| &slot.cooling)
            .copied()
            .filter(|at| *at > now)
            .min()
    }
}
