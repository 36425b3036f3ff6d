//! How many pods a node accepts: what Karpenter computes, what the AMI computes, what EKS caps.
//!
//! Sources: aws/karpenter-provider-aws `pkg/providers/instancetype/types.go` (v1.14), awslabs/amazon-eks-ami
//! `nodeadm/internal/kubelet/eni_max_pods.go` and `templates/al2/runtime/max-pods-calculator.sh`,
//! aws/amazon-vpc-cni-k8s `misc/eni-max-pods.txt` (v1.23). None of them looks at the CNI in use, at prefix
//! delegation or at custom networking: whoever turns those on has to set `maxPods` too.

use cluster::node_class::{AmiFamily, KubeletSettings};

use crate::InstanceType;

/// The kubelet's own default, which Windows nodes and types unknown to the AMI get.
pub const KUBELET_DEFAULT: u32 = 110;

/// EKS's cap on managed node groups below [`CAP_VCPUS`] vCPUs.
pub const CAP_SMALL: u32 = 110;

/// EKS's cap on managed node groups from [`CAP_VCPUS`] vCPUs on.
pub const CAP_LARGE: u32 = 250;

/// Where the cap on managed node groups changes.
pub const CAP_VCPUS: u32 = 30;

/// What, besides the type, decides how many pods a node accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxPodsSettings {
    /// The AMI family.
    pub ami_family: AmiFamily,
    /// `maxPods` as set by the user.
    pub max_pods: Option<u32>,
    /// `podsPerCore` as set by the user.
    pub pods_per_core: Option<u32>,
    /// Karpenter's `RESERVED_ENIS`.
    pub reserved_enis: u32,
    /// EFA-only interfaces on card 0.
    pub efa_only_interfaces: u32,
    /// An EKS managed node group without a custom AMI.
    pub managed_group: bool,
}

impl MaxPodsSettings {
    /// The settings of a node class.
    pub fn of(ami_family: AmiFamily, kubelet: &KubeletSettings) -> MaxPodsSettings {
        MaxPodsSettings {
            ami_family,
            max_pods: kubelet.max_pods,
            pods_per_core: kubelet.pods_per_core,
            ..MaxPodsSettings::default()
        }
    }
}

/// `E·(I−1)+2`: interfaces of the default card, each with its primary address unused, and two host-network pods
/// (aws-node, kube-proxy). `reserved` interfaces do not count; without any left the answer is 0.
pub fn interface_limited(it: &InstanceType, reserved: u32) -> u32 {
    let interfaces = it.default_card_interfaces.saturating_sub(reserved);
    if interfaces == 0 {
        return 0;
    }
    interfaces.saturating_mul(it.ipv4_per_interface.saturating_sub(1)).saturating_add(2)
}

/// What the CNI could serve with prefix delegation, capped as EKS's `max-pods-calculator.sh` does. `reserved`
/// interfaces do not count (1 under custom networking).
pub fn with_prefix_delegation(it: &InstanceType, reserved: u32) -> u32 {
    let interfaces = it.default_card_interfaces.saturating_sub(reserved);
    let prefixes = interfaces.saturating_mul(it.ipv4_per_interface.saturating_sub(1));
    prefixes.saturating_mul(16).saturating_add(2).min(managed_group_cap(it))
}

/// EKS's cap on managed node groups: 110 below 30 vCPUs, 250 from there on.
pub fn managed_group_cap(it: &InstanceType) -> u32 {
    if it.vcpus < CAP_VCPUS { CAP_SMALL } else { CAP_LARGE }
}

/// The pods that Karpenter says a new node accepts; it also hands this number to the kubelet.
pub fn karpenter(it: &InstanceType, settings: &MaxPodsSettings) -> u32 {
    let reserved = settings.reserved_enis.saturating_add(settings.efa_only_interfaces);
    let pods = match settings.max_pods {
        Some(pods) => pods,
        None if settings.ami_family.is_windows() => KUBELET_DEFAULT,
        None => interface_limited(it, reserved),
    };
    per_core(it, settings).map_or(pods, |limit| limit.min(pods))
}

/// The pods that the kubelet of a node outside Karpenter's hands accepts.
pub fn kubelet(it: &InstanceType, settings: &MaxPodsSettings) -> u32 {
    let pods = match settings.max_pods {
        Some(pods) => pods,
        None if settings.ami_family.is_windows() => KUBELET_DEFAULT,
        None => interface_limited(it, 0),
    };
    let pods = if settings.managed_group { pods.min(managed_group_cap(it)) } else { pods };
    per_core(it, settings).map_or(pods, |limit| limit.min(pods))
}

/// The limit that `podsPerCore` sets; 0 and Bottlerocket ignore it.
fn per_core(it: &InstanceType, settings: &MaxPodsSettings) -> Option<u32> {
    let per_core = settings.pods_per_core.filter(|pods| *pods > 0)?;
    (settings.ami_family != AmiFamily::Bottlerocket).then(|| per_core.saturating_mul(it.vcpus))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn named(name: &str) -> &'static InstanceType {
        Catalog::embedded().instance_type(name).unwrap()
    }

    fn with(change: impl Fn(&mut MaxPodsSettings)) -> MaxPodsSettings {
        let mut settings = MaxPodsSettings::default();
        change(&mut settings);
        settings
    }

    #[test]
    fn known_rows_of_the_cni_table() {
        for (name, pods) in [
            ("m5.large", 29),
            ("m6i.large", 29),
            ("m7i.large", 29),
            ("m7a.large", 29),
            ("m7g.large", 29),
            ("m8g.large", 29),
            ("t4g.micro", 4),
            ("t3.micro", 4),
            ("t3.small", 11),
            ("t3a.small", 8),
            ("t4g.small", 11),
            ("t3.medium", 17),
            ("t3.large", 35),
            ("m7g.xlarge", 58),
            ("m4.large", 20),
            ("m6a.4xlarge", 234),
            ("m6a.32xlarge", 737),
            ("m6i.metal", 737),
            ("c6in.32xlarge", 394),
            ("p5.48xlarge", 100),
            ("p4d.24xlarge", 737),
        ] {
            assert_eq!(interface_limited(named(name), 0), pods, "{name}");
        }
    }

    #[test]
    fn the_formula() {
        for (default_card_interfaces, ipv4_per_interface, pods) in
            [(3, 6, 17), (6, 12, 68), (3, 10, 29), (4, 15, 58)]
        {
            let it = InstanceType { default_card_interfaces, ipv4_per_interface, ..InstanceType::default() };
            assert_eq!(interface_limited(&it, 0), pods);
        }
    }

    #[test]
    fn karpenter_settings() {
        let t3_large = named("t3.large");
        assert_eq!(karpenter(t3_large, &with(|_| ())), 35);
        assert_eq!(karpenter(t3_large, &with(|s| s.reserved_enis = 1)), 24);
        assert_eq!(karpenter(t3_large, &with(|s| s.reserved_enis = 1_000_000)), 0);
        assert_eq!(karpenter(t3_large, &with(|s| s.max_pods = Some(10))), 10);
        let both = with(|s| (s.pods_per_core, s.max_pods) = (Some(4), Some(20)));
        assert_eq!(karpenter(t3_large, &both), 8);
        assert_eq!(karpenter(named("m7g.8xlarge"), &both), 20);
        let bottlerocket = MaxPodsSettings { ami_family: AmiFamily::Bottlerocket, ..both };
        assert_eq!(karpenter(t3_large, &bottlerocket), 20);
        let windows = with(|s| s.ami_family = AmiFamily::Windows2022);
        assert_eq!(karpenter(t3_large, &windows), 110);
    }

    #[test]
    fn managed_groups_are_capped() {
        let managed = with(|s| s.managed_group = true);
        assert_eq!(kubelet(named("m7g.large"), &managed), 29);
        assert_eq!(kubelet(named("m6a.4xlarge"), &managed), 110);
        assert_eq!(kubelet(named("m6a.8xlarge"), &managed), 234);
        assert_eq!(kubelet(named("m6a.32xlarge"), &managed), 250);
        let asked = with(|s| (s.managed_group, s.max_pods) = (true, Some(400)));
        assert_eq!(kubelet(named("m7g.large"), &asked), 110);
        assert_eq!(kubelet(named("m7g.large"), &MaxPodsSettings { managed_group: false, ..asked }), 400);
    }

    #[test]
    fn prefixes_are_capped_too() {
        assert_eq!(with_prefix_delegation(named("m7g.large"), 0), 110);
        assert_eq!(with_prefix_delegation(named("t4g.micro"), 0), 34);
        assert_eq!(with_prefix_delegation(named("m6a.32xlarge"), 0), 250);
        assert_eq!(with_prefix_delegation(named("t3.medium"), 1), 110);
    }

    #[test]
    fn every_type_has_a_plausible_answer() {
        for it in Catalog::embedded().instance_types() {
            let pods = interface_limited(it, 0);
            assert!((4..=1514).contains(&pods), "{} {pods}", it.name);
            assert_eq!(pods - 2, it.default_card_interfaces * (it.ipv4_per_interface - 1), "{}", it.name);
            assert!(karpenter(it, &with(|s| s.reserved_enis = 1)) < pods, "{}", it.name);
        }
    }
}
