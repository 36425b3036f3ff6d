//! A node as Karpenter expects it before it exists.
//!
//! Follows the Karpenter AWS provider (`pkg/providers/instancetype/types.go`, `pkg/providers/amifamily`, v1.14),
//! blind spots included: memory is the type's minus a percentage, `pods` knows nothing of the CNI, and
//! `vpc.amazonaws.com/pod-eni` is promised even where the feature is off. What the node then really reports is
//! [`crate::kubelet_node`]'s.

use cluster::node_class::{AmiFamily, KubeletSettings, NodeClass};
use cluster::{Name, Resources};

use crate::max_pods::{self, MaxPodsSettings};
use crate::reserved::{self, GIB, MIB};
use crate::{InstanceType, KubeletNode, NodeResources};

/// `VM_MEMORY_OVERHEAD_PERCENT` 0.075, in thousandths of a per cent.
pub const DEFAULT_VM_MEMORY_OVERHEAD_MILLIPERCENT: u32 = 7_500;

/// What Graviton reserves for contiguous allocation.
const ARM_RESERVED_MIB: i64 = 64;

/// The settings, besides the type, that Karpenter computes a node from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KarpenterNode {
    /// The AMI family.
    pub ami_family: AmiFamily,
    /// `spec.kubelet` of the node class.
    pub kubelet: KubeletSettings,
    /// The size of the volume that holds ephemeral storage, where the node class says it.
    pub root_volume_bytes: Option<i64>,
    /// `instanceStorePolicy: RAID0`.
    pub instance_store_raid0: bool,
    /// `RESERVED_ENIS`.
    pub reserved_enis: u32,
    /// `networkInterfaces` of the node class: EFA-only ones on card 0.
    pub efa_only_interfaces: u32,
    /// `VM_MEMORY_OVERHEAD_PERCENT` in thousandths of a per cent.
    pub vm_memory_overhead_millipercent: u32,
}

impl Default for KarpenterNode {
    fn default() -> KarpenterNode {
        KarpenterNode {
            ami_family: AmiFamily::default(),
            kubelet: KubeletSettings::default(),
            root_volume_bytes: None,
            instance_store_raid0: false,
            reserved_enis: 0,
            efa_only_interfaces: 0,
            vm_memory_overhead_millipercent: DEFAULT_VM_MEMORY_OVERHEAD_MILLIPERCENT,
        }
    }
}

impl KarpenterNode {
    /// The settings of a node class, with Karpenter's own options.
    pub fn of(class: &NodeClass, reserved_enis: u32, vm_memory_overhead_millipercent: u32) -> KarpenterNode {
        KarpenterNode {
            ami_family: class.ami_family,
            kubelet: class.kubelet.clone(),
            root_volume_bytes: class.root_volume_bytes,
            instance_store_raid0: class.instance_store_raid0,
            reserved_enis,
            efa_only_interfaces: 0,
            vm_memory_overhead_millipercent,
        }
    }

    /// The node that comes up: Karpenter always hands its own number of pods to the kubelet
    /// (`pkg/providers/amifamily/resolver.go`).
    pub fn launched(&self, it: &InstanceType) -> KubeletNode {
        let max_pods = Some(max_pods::karpenter(it, &self.max_pods_settings()));
        KubeletNode {
            ami_family: self.ami_family,
            kubelet: KubeletSettings { max_pods, ..self.kubelet.clone() },
            root_volume_bytes: self.root_volume_bytes,
            instance_store_raid0: self.instance_store_raid0,
            ..KubeletNode::default()
        }
    }

    /// What decides `pods`.
    pub fn max_pods_settings(&self) -> MaxPodsSettings {
        MaxPodsSettings {
            reserved_enis: self.reserved_enis,
            efa_only_interfaces: self.efa_only_interfaces,
            ..MaxPodsSettings::of(self.ami_family, &self.kubelet)
        }
    }

    /// Capacity and allocatable of a new node of this type.
    pub fn resources(&self, it: &InstanceType) -> NodeResources {
        let capacity = self.capacity(it);
        let allocatable = self.allocatable(it, &capacity);
        NodeResources { capacity, allocatable }
    }

    /// What a new node of this type is said to have.
    pub fn capacity(&self, it: &InstanceType) -> Resources {
        let mut capacity = Resources {
            cpu_millis: i64::from(it.vcpus) * 1000,
            memory_bytes: self.memory_bytes(it),
            ephemeral_bytes: ephemeral_bytes(
                it,
                self.ami_family,
                self.root_volume_bytes,
                self.instance_store_raid0,
            ),
            pods: max_pods::karpenter(it, &self.max_pods_settings()).into(),
            extended: Vec::new(),
        };
        capacity.add(&devices(it));
        // Karpenter's table is the one that is embedded here: a type it does not know gets none.
        add_named(&mut capacity, "vpc.amazonaws.com/pod-eni", it.branch_interfaces.unwrap_or(0));
        if self.ami_family.is_windows() && it.arch == "amd64" {
            let addresses = it.ipv4_per_interface.saturating_sub(1);
            add_named(&mut capacity, "vpc.amazonaws.com/PrivateIPv4Address", addresses);
        }
        capacity
    }

    /// `capacity` minus what the node keeps. Huge pages in `capacity` (from a NodeOverlay) come out of memory.
    pub fn allocatable(&self, it: &InstanceType, capacity: &Resources) -> Resources {
        let unreserved = MaxPodsSettings {
            reserved_enis: 0,
            max_pods: None,
            pods_per_core: None,
            ..self.max_pods_settings()
        };
        let pods = match self.ami_family {
            AmiFamily::Al2 | AmiFamily::Al2023 | AmiFamily::Custom => max_pods::karpenter(it, &unreserved),
            _ => max_pods::karpenter(it, &self.max_pods_settings()),
        };
        let own_capacity = Resources {
            memory_bytes: self.memory_bytes(it),
            ephemeral_bytes: ephemeral_bytes(
                it,
                self.ami_family,
                self.root_volume_bytes,
                self.instance_store_raid0,
            ),
            ..Resources::ZERO
        };
        let mut allocatable = capacity.minus(&reserved::kube_reserved(it.vcpus, pods, &self.kubelet));
        allocatable.subtract(&reserved::system_reserved(&self.kubelet));
        allocatable.subtract(&reserved::eviction(&own_capacity, &self.kubelet));
        subtract_huge_pages(&mut allocatable, capacity);
        allocatable
    }

    /// Memory: the type's, minus 64 MiB on Graviton, minus the assumed overhead of the VM rounded up to a MiB.
    fn memory_bytes(&self, it: &InstanceType) -> i64 {
        let reserved = if it.arch == "arm64" { ARM_RESERVED_MIB } else { 0 };
        let memory = i64::try_from(it.memory_mib).unwrap_or(0).saturating_sub(reserved).saturating_mul(MIB);
        let overhead = reserved::share_rounded_up(memory, self.vm_memory_overhead_millipercent.into());
        memory.saturating_sub(overhead.saturating_add(MIB - 1) / MIB * MIB)
    }
}

/// Ephemeral storage: the local disks under RAID0, else the volume the node class names, else the family's own.
pub fn ephemeral_bytes(
    it: &InstanceType,
    family: AmiFamily,
    root_volume_bytes: Option<i64>,
    raid0: bool,
) -> i64 {
    if raid0 && it.local_storage_gb > 0 {
        return i64::try_from(it.local_storage_gb).unwrap_or(0).saturating_mul(1_000_000_000);
    }
    // Bottlerocket's 20 GiB are its data volume; the 4 GiB of its root hold no pods.
    root_volume_bytes.unwrap_or(if family.is_windows() { 50 * GIB } else { 20 * GIB })
}

/// Extended resources that device plugins publish: GPUs, Neuron, EFA. Karpenter promises them all.
pub fn devices(it: &InstanceType) -> Resources {
    let mut devices = Resources::ZERO;
    for gpu in &it.gpus {
        let resource = match gpu.manufacturer.as_str() {
            "NVIDIA" => "nvidia.com/gpu",
            "AMD" => "amd.com/gpu",
            "Habana" => "habana.ai/gaudi",
            _ => continue,
        };
        add_named(&mut devices, resource, gpu.count);
    }
    for device in &it.neuron {
        add_named(&mut devices, "aws.amazon.com/neuron", device.count);
        add_named(
            &mut devices,
            "aws.amazon.com/neuroncore",
            device.count.saturating_mul(device.cores_per_device),
        );
    }
    add_named(&mut devices, "vpc.amazonaws.com/efa", it.efa_interfaces);
    devices
}

/// Adds an amount of an extended resource.
fn add_named(resources: &mut Resources, name: &str, amount: u32) {
    if amount > 0 {
        resources.set(name, resources.get(name).saturating_add(amount.into()));
    }
}

/// Takes huge pages out of memory, to no less than nothing (Karpenter core `InstanceType.Allocatable`).
fn subtract_huge_pages(allocatable: &mut Resources, capacity: &Resources) {
    let is_huge = |name: &Name| name.starts_with("hugepages-");
    let huge: i64 = capacity.extended.iter().filter(|(name, _)| is_huge(name)).map(|(_, bytes)| *bytes).sum();
    if huge > 0 {
        allocatable.memory_bytes = allocatable.memory_bytes.saturating_sub(huge).max(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn named(name: &str) -> &'static InstanceType {
        Catalog::embedded().instance_type(name).unwrap()
    }

    fn kube_reserved_mib(node: &KarpenterNode, name: &str) -> i64 {
        let NodeResources { capacity, allocatable } = node.resources(named(name));
        (capacity.memory_bytes - allocatable.memory_bytes) / MIB - 100
    }

    #[test]
    fn the_published_reference() {
        let node = KarpenterNode::default().resources(named("m7g.large"));
        assert_eq!(node.capacity.memory_bytes, (8192 - 64 - 610) * MIB);
        assert_eq!(node.allocatable.memory_bytes, 6844 * MIB);
        assert_eq!((node.capacity.cpu_millis, node.allocatable.cpu_millis), (2000, 1930));
        assert_eq!((node.capacity.pods, node.allocatable.pods), (29, 29));
        assert_eq!(node.allocatable.get("vpc.amazonaws.com/pod-eni"), 9);
        assert_eq!(node.capacity.ephemeral_bytes, 20 * GIB);
        assert_eq!(node.allocatable.ephemeral_bytes, 20 * GIB - GIB - 2 * GIB);
        assert_eq!(KarpenterNode::default().resources(named("t4g.micro")).allocatable.pods, 4);
    }

    #[test]
    fn only_some_families_reserve_for_the_pods_they_have() {
        let mut node = KarpenterNode { reserved_enis: 1, ..KarpenterNode::default() };
        assert_eq!(kube_reserved_mib(&node, "t3.large"), 640);
        node.kubelet.max_pods = Some(10);
        assert_eq!(kube_reserved_mib(&node, "t3.large"), 640);
        node.ami_family = AmiFamily::Bottlerocket;
        assert_eq!(kube_reserved_mib(&node, "t3.large"), 11 * 10 + 255);
    }

    #[test]
    fn local_disks_hold_pods_under_raid0_only() {
        let mut node = KarpenterNode { root_volume_bytes: Some(50 * GIB), ..KarpenterNode::default() };
        assert_eq!(node.capacity(named("i4i.large")).ephemeral_bytes, 50 * GIB);
        node.instance_store_raid0 = true;
        assert_eq!(node.capacity(named("i4i.large")).ephemeral_bytes, 468_000_000_000);
        assert_eq!(node.capacity(named("m7g.large")).ephemeral_bytes, 50 * GIB);
    }

    #[test]
    fn devices_are_promised() {
        let node = KarpenterNode::default();
        let p5 = node.capacity(named("p5.48xlarge"));
        assert_eq!((p5.get("nvidia.com/gpu"), p5.get("vpc.amazonaws.com/efa")), (8, 32));
        let inf2 = node.capacity(named("inf2.24xlarge"));
        assert_eq!((inf2.get("aws.amazon.com/neuron"), inf2.get("aws.amazon.com/neuroncore")), (6, 12));
        assert_eq!(node.capacity(named("t3.large")).extended, Vec::new());
    }

    #[test]
    fn huge_pages_come_out_of_memory() {
        let node = KarpenterNode::default();
        let mut capacity = node.capacity(named("m7g.large"));
        capacity.set("hugepages-2Mi", 1024 * MIB);
        assert_eq!(node.allocatable(named("m7g.large"), &capacity).memory_bytes, (6844 - 1024) * MIB);
    }

    #[test]
    fn windows() {
        let node = KarpenterNode { ami_family: AmiFamily::Windows2022, ..KarpenterNode::default() };
        let m5 = node.capacity(named("m5.large"));
        assert_eq!((m5.pods, m5.get("vpc.amazonaws.com/PrivateIPv4Address")), (110, 9));
        assert_eq!(m5.ephemeral_bytes, 50 * GIB);
    }

    #[test]
    fn every_type_leaves_something_for_pods() {
        for it in Catalog::embedded().instance_types() {
            let node = KarpenterNode::default().resources(it);
            assert!(node.allocatable.cpu_millis > 0 && node.allocatable.ephemeral_bytes > 0, "{}", it.name);
            assert!(node.allocatable.memory_bytes < node.capacity.memory_bytes, "{}", it.name);
        }
    }
}
