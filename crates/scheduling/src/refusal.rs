//! The ways in which a filter can refuse a node, one byte each; numbers are filled in only when somebody asks.

use cluster::rejection::Plugin;

/// Why a node is refused, by the plugin that comes first in the default profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the reason of the same name in `cluster::rejection::FilterReason`")]
pub(crate) enum Refusal {
    Unschedulable,
    NodeName,
    Taint,
    NodeAffinity,
    HostPort,
    Resources,
    ClaimInUse,
    VolumeLimit,
    VolumeNodeConflict,
    NoVolumeToBind,
    VolumeConflictAndNoVolume,
    VolumeZoneConflict,
    SpreadLabelMissing,
    SpreadSkew,
    PodAffinity,
    PodAntiAffinity,
    ExistingAntiAffinity,
    DevicesElsewhere,
    DevicesUnavailable,
    DevicePoolsInvalid,
    DeviceError,
}

impl Refusal {
    /// Whose refusal it is.
    pub fn plugin(self) -> Plugin {
        match self {
            Refusal::Unschedulable => Plugin::NodeUnschedulable,
            Refusal::NodeName => Plugin::NodeName,
            Refusal::Taint => Plugin::TaintToleration,
            Refusal::NodeAffinity => Plugin::NodeAffinity,
            Refusal::HostPort => Plugin::NodePorts,
            Refusal::Resources => Plugin::NodeResourcesFit,
            Refusal::ClaimInUse => Plugin::VolumeRestrictions,
            Refusal::VolumeLimit => Plugin::NodeVolumeLimits,
            Refusal::VolumeNodeConflict | Refusal::NoVolumeToBind | Refusal::VolumeConflictAndNoVolume => {
                Plugin::VolumeBinding
            }
            Refusal::VolumeZoneConflict => Plugin::VolumeZone,
            Refusal::SpreadLabelMissing | Refusal::SpreadSkew => Plugin::PodTopologySpread,
            Refusal::PodAffinity | Refusal::PodAntiAffinity | Refusal::ExistingAntiAffinity => {
                Plugin::InterPodAffinity
            }
            Refusal::DevicesElsewhere
            | Refusal::DevicesUnavailable
            | Refusal::DevicePoolsInvalid
            | Refusal::DeviceError => Plugin::DynamicResources,
        }
    }

    /// `Unschedulable` rather than `UnschedulableAndUnresolvable`: removing pods from the node may help. For
    /// [`Refusal::Resources`] it also takes a node that is large enough when empty.
    pub fn is_resolvable(self) -> bool {
        matches!(
            self,
            Refusal::HostPort
                | Refusal::Resources
                | Refusal::ClaimInUse
                | Refusal::VolumeLimit
                | Refusal::SpreadSkew
                | Refusal::PodAntiAffinity
                | Refusal::ExistingAntiAffinity
        )
    }
}
