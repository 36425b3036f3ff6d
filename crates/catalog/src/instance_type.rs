//! One EC2 instance type.

use cluster::Name;

/// An EC2 instance type: the fields of `DescribeInstanceTypes` that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceType {
    /// `m7g.large`.
    pub name: Name,
    /// `arm64` or `amd64`, as Kubernetes says it.
    pub arch: &'static str,
    /// `VCpuInfo.DefaultVCpus`.
    pub vcpus: u32,
    /// `MemoryInfo.SizeInMiB`.
    pub memory_mib: u64,
    /// Interfaces over all network cards: what Karpenter advertises against.
    pub max_interfaces: u32,
    /// Interfaces of the default network card: what ipamd and max-pods use.
    pub default_card_interfaces: u32,
    /// IPv4 addresses an interface holds, its primary included.
    pub ipv4_per_interface: u32,
    /// `nitro`, `xen`, or empty on bare metal.
    pub hypervisor: Name,
    /// Bare metal.
    pub bare_metal: bool,
    /// `EbsInfo.MaximumEbsAttachments`.
    pub ebs_attachments: u32,
    /// Whether volumes and interfaces share the attachment slots.
    pub ebs_attachments_shared: bool,
}
