//! A node as its kubelet reports it once it runs.
//!
//! Reservations follow awslabs/amazon-eks-ami (`nodeadm/internal/kubelet/config.go`, 2026-07; AL2's
//! `bootstrap.sh`) and bottlerocket-os/bottlerocket (`schnauzer`). The memory that an instance really has is
//! published by nobody: it is **estimated** here, from the overheads that the Karpenter AWS provider's repository
//! once recorded from registered nodes (`zz_generated.memory_overhead.go`, 2023), as a fixed part and a share of
//! the size. On Nitro that is 140 MiB and 3.4 % (within 60 MiB for most types up to 64 GiB; a few large Intel ones
//! have 1 % more than this says), on bare metal and Xen 125 MiB and 1.7 %. Karpenter assumes 7.5 % instead.
//! Extended resources appear only once something publishes them, which the callers know and say.

use cluster::node_class::{AmiFamily, KubeletSettings};
use cluster::profile::NodeGroup;
use cluster::{Name, Resources};

use crate::karpenter_node::ephemeral_bytes;
use crate::max_pods::{self, MaxPodsSettings};
use crate::max_pods_expression::{self, Variables};
use crate::reserved::{self, MIB};
use crate::{InstanceType, NodeResources};

/// Overhead of a virtual machine on Nitro: MiB, and thousandths of a per cent of the size.
const NITRO_OVERHEAD: (i64, i64) = (140, 3_400);

/// Overhead of bare metal and of Xen.
const OTHER_OVERHEAD: (i64, i64) = (125, 1_700);

/// The settings, besides the type, that decide what the kubelet reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletNode {
    /// The AMI family.
    pub ami_family: AmiFamily,
    /// The kubelet's settings. On a node that Karpenter made, `max_pods` is the number Karpenter computed: it
    /// always hands it over.
    pub kubelet: KubeletSettings,
    /// nodeadm's `spec.kubelet.maxPodsExpression` (AL2023): replaces the formula, also for what is reserved; one
    /// that has no value leaves the formula.
    pub max_pods_expression: Option<Name>,
    /// The size of the volume that holds ephemeral storage; `None`: the family's default.
    pub root_volume_bytes: Option<i64>,
    /// The local disks are one RAID0 volume for pods.
    pub instance_store_raid0: bool,
    /// An EKS managed node group without a custom AMI.
    pub managed_group: bool,
    /// Kube-reserved and system-reserved together, where somebody measured them: CPU in millis, memory in bytes.
    pub reserved: Option<(i64, i64)>,
}

impl KubeletNode {
    /// A node of a group of the profile.
    pub fn of_group(group: &NodeGroup) -> KubeletNode {
        KubeletNode {
            ami_family: group.ami_family,
            kubelet: KubeletSettings { max_pods: group.max_pods, ..KubeletSettings::default() },
            managed_group: group.managed,
            reserved: group.reserved,
            ..KubeletNode::default()
        }
    }

    /// Pods that the kubelet accepts.
    pub fn max_pods(&self, it: &InstanceType) -> u32 {
        max_pods::kubelet(it, &self.max_pods_settings(it))
    }

    /// Capacity and allocatable; memory is estimated.
    pub fn resources(&self, it: &InstanceType) -> NodeResources {
        let capacity = Resources {
            cpu_millis: i64::from(it.vcpus) * 1000,
            memory_bytes: estimated_memory_bytes(it),
            ephemeral_bytes: ephemeral_bytes(
                it,
                self.ami_family,
                self.root_volume_bytes,
                self.instance_store_raid0,
            ),
            pods: self.max_pods(it).into(),
            extended: Vec::new(),
        };
        let allocatable = self.allocatable(it, &capacity);
        NodeResources { capacity, allocatable }
    }

    /// What decides `pods`.
    fn max_pods_settings(&self, it: &InstanceType) -> MaxPodsSettings {
        let max_pods = self.kubelet.max_pods.or_else(|| self.expressed_pods(it));
        let settings = MaxPodsSettings::of(self.ami_family, &self.kubelet);
        MaxPodsSettings { managed_group: self.managed_group, max_pods, ..settings }
    }

    /// What the expression gives, where there is one and the family evaluates it.
    fn expressed_pods(&self, it: &InstanceType) -> Option<u32> {
        let expression =
            self.max_pods_expression.as_ref().filter(|_| self.ami_family == AmiFamily::Al2023)?;
        max_pods_expression::evaluate(expression, &Variables::of(it)).ok()
    }

    /// The pods that memory is reserved for: AL2's script and nodeadm go by the formula or the expression, whatever
    /// maxPods says.
    fn reserved_for_pods(&self, it: &InstanceType) -> u32 {
        match self.ami_family {
            AmiFamily::Al2 | AmiFamily::Al2023 | AmiFamily::Custom => {
                self.expressed_pods(it).unwrap_or_else(|| max_pods::interface_limited(it, 0))
            }
            _ => self.max_pods(it),
        }
    }

    /// `capacity` minus what the node keeps. The kubelet never reports less than nothing.
    fn allocatable(&self, it: &InstanceType, capacity: &Resources) -> Resources {
        let mut kept = reserved::kube_reserved(it.vcpus, self.reserved_for_pods(it), &self.kubelet);
        kept.add(&reserved::system_reserved(&self.kubelet));
        if let Some((cpu_millis, memory_bytes)) = self.reserved {
            (kept.cpu_millis, kept.memory_bytes) = (cpu_millis, memory_bytes);
        }
        kept.add(&reserved::eviction(capacity, &self.kubelet));
        let mut allocatable = capacity.minus(&kept);
        allocatable.raise_to(&Resources::ZERO);
        allocatable
    }
}

/// Memory that the kernel reports on a type, **estimated**.
pub fn estimated_memory_bytes(it: &InstanceType) -> i64 {
    let memory = i64::try_from(it.memory_mib).unwrap_or(0).saturating_mul(MIB);
    let virtual_nitro = it.is_nitro() && !it.bare_metal;
    let (fixed_mib, share) = if virtual_nitro { NITRO_OVERHEAD } else { OTHER_OVERHEAD };
    memory.saturating_sub(fixed_mib * MIB).saturating_sub(reserved::share_rounded_up(memory, share)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;
    use crate::karpenter_node::KarpenterNode;
    use cluster::{Kind, Location, ObjectKey};

    fn named(name: &str) -> &'static InstanceType {
        Catalog::embedded().instance_type(name).unwrap()
    }

    fn kept_mib(node: &KubeletNode, name: &str) -> i64 {
        let NodeResources { capacity, allocatable } = node.resources(named(name));
        (capacity.memory_bytes - allocatable.memory_bytes) / MIB
    }

    /// Overheads in bytes that were once recorded from registered nodes.
    #[test]
    fn memory_is_near_what_was_recorded() {
        for (name, recorded) in [
            ("m7g.large", 439_844_864),
            ("m7g.xlarge", 735_551_488),
            ("m6i.large", 424_321_024),
            ("m6i.4xlarge", 2_380_177_408),
            ("m6a.large", 470_466_560),
            ("c6i.large", 285_917_184),
            ("c6g.medium", 218_644_480),
            ("m4.large", 278_482_944),
            ("m4.2xlarge", 718_897_152),
            ("m6i.metal", 8_923_189_248),
        ] {
            let size = i64::try_from(named(name).memory_mib).unwrap() * MIB;
            let off = (size - recorded - estimated_memory_bytes(named(name))).abs();
            assert!(off < size / 100, "{name} is {} MiB off", off / MIB);
        }
    }

    #[test]
    fn more_memory_than_karpenter_assumes_and_the_same_pods() {
        for it in Catalog::embedded().instance_types() {
            let real = KubeletNode::default().resources(it);
            let expected = KarpenterNode::default().resources(it);
            assert_eq!(real.capacity.pods, expected.capacity.pods, "{}", it.name);
            assert_eq!(real.allocatable.cpu_millis, expected.allocatable.cpu_millis, "{}", it.name);
            if it.memory_mib >= 4096 {
                assert!(real.allocatable.memory_bytes > expected.allocatable.memory_bytes, "{}", it.name);
            }
        }
    }

    #[test]
    fn families_reserve_for_different_numbers_of_pods() {
        let mut node = KubeletNode::default();
        assert_eq!(kept_mib(&node, "m7g.large"), 574 + 100);
        node.kubelet.max_pods = Some(110);
        assert_eq!(kept_mib(&node, "m7g.large"), 574 + 100);
        node.ami_family = AmiFamily::Bottlerocket;
        assert_eq!(kept_mib(&node, "m7g.large"), 11 * 110 + 255 + 100);
    }

    #[test]
    fn nodeadm_reserves_for_what_the_expression_gives() {
        let of = |expression: &str, max_pods| {
            let kubelet = KubeletSettings { max_pods, ..KubeletSettings::default() };
            KubeletNode { max_pods_expression: Some(expression.into()), kubelet, ..KubeletNode::default() }
        };
        let custom = of("((default_enis-1)*(ips_per_eni-1))+2", None);
        assert_eq!((custom.max_pods(named("m7g.xlarge")), kept_mib(&custom, "m7g.xlarge")), (44, 739 + 100));
        let overridden = of("max_pods+2", Some(1));
        assert_eq!(
            (overridden.max_pods(named("m7g.xlarge")), kept_mib(&overridden, "m7g.xlarge")),
            (1, 915 + 100)
        );
        let unreadable = of("99 - fake", None);
        assert_eq!(unreadable.max_pods(named("m7g.xlarge")), 58);
    }

    #[test]
    fn karpenter_hands_its_own_number_over() {
        let node = KarpenterNode { reserved_enis: 1, ..KarpenterNode::default() };
        assert_eq!(node.launched(named("m7g.large")).resources(named("m7g.large")).capacity.pods, 20);
        assert_eq!(kept_mib(&node.launched(named("m7g.large")), "m7g.large"), 574 + 100);
    }

    #[test]
    fn a_managed_group_is_capped_and_measured_reservations_win() {
        let node =
            KubeletNode { managed_group: true, reserved: Some((70, 900 * MIB)), ..KubeletNode::default() };
        let m6a = node.resources(named("m6a.4xlarge"));
        assert_eq!(m6a.allocatable.pods, 110);
        assert_eq!(m6a.allocatable.cpu_millis, 16_000 - 70);
        assert_eq!(kept_mib(&node, "m6a.4xlarge"), 1000);
    }

    #[test]
    fn what_a_group_says_reaches_the_node() {
        let mut profile_group = group();
        let m6a = named("m6a.4xlarge");
        assert_eq!(KubeletNode::of_group(&profile_group).max_pods(m6a), 234);
        profile_group.managed = true;
        assert_eq!(KubeletNode::of_group(&profile_group).max_pods(m6a), 110);
        profile_group.max_pods = Some(58);
        assert_eq!(KubeletNode::of_group(&profile_group).max_pods(m6a), 58);
        profile_group.reserved = Some((100, 0));
        assert_eq!(KubeletNode::of_group(&profile_group).resources(m6a).allocatable.cpu_millis, 15_900);
    }

    fn group() -> NodeGroup {
        NodeGroup {
            name: "system".into(),
            location: Location::object(ObjectKey::new(Kind::Cluster, "", "test")),
            node_pool: Name::default(),
            min: 1,
            max: 1,
            autoscaled: false,
            managed: false,
            instance_type: "m6a.4xlarge".into(),
            count: 1,
            ami_family: AmiFamily::Al2023,
            max_pods: None,
            labels: Default::default(),
            taints: Vec::new(),
            startup_taints: Vec::new(),
            subnets: Vec::new(),
            address_mode: None,
            held: None,
            reserved: None,
        }
    }

    #[test]
    fn nothing_is_below_zero() {
        let node = KubeletNode { reserved: Some((i64::MAX, i64::MAX)), ..KubeletNode::default() };
        let t4g = node.resources(named("t4g.nano")).allocatable;
        assert_eq!((t4g.cpu_millis, t4g.memory_bytes), (0, 0));
    }
}
