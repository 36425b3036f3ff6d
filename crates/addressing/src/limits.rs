//! What an instance's interfaces can hold.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/vpc/vpc_ip_resource_limit.go` (only the default network card
//! counts) and `pkg/vpc/vpc.go` (prefixes need the nitro hypervisor or bare metal).

use catalog::InstanceType;
use cluster::Node;

/// Interface and address limits of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Interfaces of the default network card, the primary included.
    pub interfaces: u32,
    /// Slots of an interface: secondary addresses or prefixes, the primary address not counted.
    pub slots: u32,
    /// Whether slots may hold /28 prefixes.
    pub prefixes: bool,
}

impl Limits {
    /// The limits of a type that is known.
    pub fn of_type(instance_type: &InstanceType) -> Limits {
        Limits {
            interfaces: instance_type.default_card_interfaces,
            slots: instance_type.ipv4_per_interface.saturating_sub(1),
            prefixes: instance_type.is_nitro(),
        }
    }

    /// The limits of a node. A type that is not in the catalog is given what its kubelet's maxPods asks for, on one
    /// interface: nothing about it can be judged.
    pub fn of_node(node: &Node, instance_type: Option<&InstanceType>) -> Limits {
        instance_type.map_or_else(|| Limits::unknown(max_pods(node)), Limits::of_type)
    }

    fn unknown(max_pods: u32) -> Limits {
        Limits { interfaces: 1, slots: max_pods, prefixes: true }
    }
}

/// The kubelet's maxPods of a node.
pub fn max_pods(node: &Node) -> u32 {
    u32::try_from(node.allocatable.pods.max(node.capacity.pods)).unwrap_or(0)
}
