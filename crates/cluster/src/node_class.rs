//! Karpenter's EC2NodeClass (`karpenter.k8s.aws/v1`).

use crate::arrival::Arrival;
use crate::labels::Labels;
use crate::location::Location;
use crate::{Name, Resources};

/// An EC2NodeClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeClass {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// When it arrives.
    pub arrival: Arrival,
    /// `spec.amiFamily`, or the family of the alias.
    pub ami_family: AmiFamily,
    /// `spec.subnetSelectorTerms`: any may match.
    pub subnets: Vec<SelectorTerm>,
    /// `spec.securityGroupSelectorTerms`: any may match.
    pub security_groups: Vec<SelectorTerm>,
    /// `spec.role`.
    pub role: Option<Name>,
    /// `spec.instanceProfile`.
    pub instance_profile: Option<Name>,
    /// `spec.kubelet`.
    pub kubelet: KubeletSettings,
    /// The root volume's size in bytes, where `blockDeviceMappings` names one.
    pub root_volume_bytes: Option<i64>,
    /// `spec.instanceStorePolicy: RAID0`.
    pub instance_store_raid0: bool,
    /// `spec` without its selectors and `amiFamily`, in a form in which only a difference that matters is one.
    pub fixed: Name,
    /// `spec.amiSelectorTerms` in the same form.
    pub images: Name,
}

/// `spec.kubelet`: `None` where the AMI family's own value holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletSettings {
    /// `maxPods`.
    pub max_pods: Option<u32>,
    /// `podsPerCore`.
    pub pods_per_core: Option<u32>,
    /// `kubeReserved`, resource by resource.
    pub kube_reserved: Vec<(Name, i64)>,
    /// `systemReserved`, resource by resource.
    pub system_reserved: Vec<(Name, i64)>,
    /// `evictionHard`, signal to amount as written (`100Mi`, `10%`).
    pub eviction_hard: Vec<(Name, Name)>,
}

/// One selector term over subnets or security groups: everything in it must match. A tag with the value `*`
/// only has to exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectorTerm {
    /// Tags.
    pub tags: Labels,
    /// The id.
    pub id: Option<Name>,
    /// The name (security groups).
    pub name: Option<Name>,
}

impl SelectorTerm {
    /// Whether something with this id, name and tags is selected.
    pub fn matches(&self, id: &str, name: &str, tags: &Labels) -> bool {
        self.id.as_ref().is_none_or(|wanted| wanted == id)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self
                .tags
                .iter()
                .all(|(key, wanted)| tags.get(key).is_some_and(|tag| wanted == "*" || wanted == tag))
    }
}

/// AMI families; they differ in reservations and in who computes maxPods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs, reason = "the variants are Karpenter's own names")]
pub enum AmiFamily {
    Al2,
    #[default]
    Al2023,
    Bottlerocket,
    Custom,
    Windows2019,
    Windows2022,
    Windows2025,
}

impl AmiFamily {
    /// Parses `AL2023`, `Bottlerocket`, …; case does not matter.
    pub fn parse(text: &str) -> Option<AmiFamily> {
        Some(match text.to_ascii_lowercase().as_str() {
            "al2" => AmiFamily::Al2,
            "al2023" => AmiFamily::Al2023,
            "bottlerocket" => AmiFamily::Bottlerocket,
            "custom" => AmiFamily::Custom,
            "windows2019" => AmiFamily::Windows2019,
            "windows2022" => AmiFamily::Windows2022,
            "windows2025" => AmiFamily::Windows2025,
            _ => return None,
        })
    }

    /// Whether its nodes run Windows.
    pub fn is_windows(self) -> bool {
        matches!(self, AmiFamily::Windows2019 | AmiFamily::Windows2022 | AmiFamily::Windows2025)
    }
}

impl NodeClass {
    /// Kubelet reservations written here, as resources: `kube` plus `system`, only what is named.
    pub fn reserved(&self) -> Resources {
        let mut reserved = Resources::ZERO;
        for (name, amount) in self.kubelet.kube_reserved.iter().chain(&self.kubelet.system_reserved) {
            reserved.set(name, reserved.get(name).saturating_add(*amount));
        }
        reserved
    }
}
