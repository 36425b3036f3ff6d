//! One EC2 instance type: plain fields and what follows directly from them. No table, no node arithmetic.
//!
//! Fields are those of EC2's `DescribeInstanceTypes`; what is derived from the name follows the Karpenter AWS
//! provider (`pkg/providers/instancetype/types.go`, v1.14).

use cluster::Name;

/// An EC2 instance type: the fields of `DescribeInstanceTypes` that decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceType {
    /// `m7g.large`.
    pub name: Name,
    /// `arm64` or `amd64`, as Kubernetes says it.
    pub arch: &'static str,
    /// `ProcessorInfo.SupportedArchitectures` as EC2 says it: `arm64`, `x86_64`, also `i386` on a few old ones.
    pub supported_archs: Vec<Name>,
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
    /// IPv6 addresses an interface holds.
    pub ipv6_per_interface: u32,
    /// `NetworkInfo.Ipv6Supported`.
    pub ipv6: bool,
    /// Network cards.
    pub network_cards: u32,
    /// `nitro`, `xen`, or empty on bare metal.
    pub hypervisor: Name,
    /// Bare metal.
    pub bare_metal: bool,
    /// `EbsInfo.MaximumEbsAttachments`.
    pub ebs_attachments: u32,
    /// Whether volumes and interfaces share the attachment slots.
    pub ebs_attachments_shared: bool,
    /// The letters the name starts with: `m`, `inf`, `hpc`.
    pub category: Name,
    /// The name before the dot: `m7g`, `c7i-flex`.
    pub family: Name,
    /// The number in the family: 7 for `m7g`.
    pub generation: u32,
    /// The name after the dot: `large`, `metal-24xl`.
    pub size: Name,
    /// `intel`, `amd` or `aws`.
    pub cpu_manufacturer: Name,
    /// `ProcessorInfo.SustainedClockSpeedInGhz` in MHz; 0 when EC2 does not say.
    pub clock_mhz: u32,
    /// `BurstablePerformanceSupported` (the t families).
    pub burstable: bool,
    /// `CurrentGeneration`.
    pub current_generation: bool,
    /// `NetworkInfo.EncryptionInTransitSupported`.
    pub encryption_in_transit: bool,
    /// How it can be bought.
    pub usage: UsageClasses,
    /// Sustained network bandwidth over all cards, in Mbit/s; 0 when EC2 does not say.
    pub network_baseline_mbps: u32,
    /// Peak network bandwidth over all cards, in Mbit/s; 0 when EC2 does not say.
    pub network_peak_mbps: u32,
    /// `EfaInfo.MaximumEfaInterfaces`.
    pub efa_interfaces: u32,
    /// Sustained EBS bandwidth in Mbit/s; 0 when it is not EBS-optimized.
    pub ebs_baseline_mbps: u32,
    /// Peak EBS bandwidth in Mbit/s; 0 when it is not EBS-optimized.
    pub ebs_max_mbps: u32,
    /// `EbsOptimizedSupport: default`.
    pub ebs_optimized_by_default: bool,
    /// `InstanceStorageInfo.TotalSizeInGB`: local disks, decimal gigabytes; 0 without.
    pub local_storage_gb: u64,
    /// Whether the local disks are NVMe.
    pub local_storage_nvme: bool,
    /// How many local disks there are.
    pub local_disks: u32,
    /// `GpuInfo.Gpus`.
    pub gpus: Vec<Gpu>,
    /// `InferenceAcceleratorInfo.Accelerators`.
    pub accelerators: Vec<Accelerator>,
    /// `NeuronInfo.NeuronDevices`.
    pub neuron: Vec<NeuronDevice>,
    /// Branch interfaces (security groups for pods), 0 without a trunk; `None` when no table knows.
    pub branch_interfaces: Option<u32>,
    /// What Karpenter labels its nodes with as network bandwidth, in Mbit/s; `None` when its table has no number.
    pub label_mbps: Option<u32>,
}

/// The ways of buying a type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageClasses {
    /// `on-demand`.
    pub on_demand: bool,
    /// `spot`.
    pub spot: bool,
    /// `capacity-block`.
    pub capacity_block: bool,
}

/// One kind of GPU of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// `T4`.
    pub name: Name,
    /// `NVIDIA`, `AMD`, `Habana`.
    pub manufacturer: Name,
    /// Whole GPUs; 0 where the type has a fraction of one.
    pub count: u32,
    /// GPUs that the operating system sees.
    pub logical_count: u32,
    /// Memory of one, in MiB.
    pub memory_mib: u64,
}

/// One kind of inference accelerator of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerator {
    /// `Inferentia`.
    pub name: Name,
    /// `AWS`.
    pub manufacturer: Name,
    /// How many.
    pub count: u32,
}

/// One kind of Neuron device of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeuronDevice {
    /// `Trainium`.
    pub name: Name,
    /// Devices.
    pub count: u32,
    /// Cores of one device.
    pub cores_per_device: u32,
}

impl InstanceType {
    /// On the Nitro system: virtual or bare metal. Address prefixes and trunk interfaces need it
    /// (amazon-vpc-cni-k8s `pkg/awsutils`, `IsPrefixDelegationSupported`).
    pub fn is_nitro(&self) -> bool {
        self.bare_metal || self.hypervisor == "nitro"
    }

    /// Comes with so little memory that its images set up a swap volume, with which the kubelet does not start
    /// (Amazon EC2 user guide, "Instance store swap volumes").
    pub fn has_swap_volume(&self) -> bool {
        matches!(self.name.as_str(), "c1.medium" | "m1.small")
    }

    /// A `-flex` type: full CPU performance 95 % of the time.
    pub fn is_flex(&self) -> bool {
        self.family.contains("-flex")
    }
}
