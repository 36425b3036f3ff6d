//! How many volumes a node takes: what the EBS CSI driver publishes in `CSINode`.
//!
//! Follows kubernetes-sigs/aws-ebs-csi-driver `pkg/driver/node.go` (`getVolumesLimit`, v1.5x): where volumes and
//! interfaces share slots, the interfaces attached *when the driver starts* are taken off once; later ones are
//! not, so a node can promise more volumes than it can attach. `EbsInfo.MaximumEbsAttachments` of a shared type
//! already leaves out the first interface and the local NVMe disks.

use crate::InstanceType;

/// Slots of a type without Nitro, of which the driver knows no better.
const XEN_SLOTS: u32 = 39;

/// What is attached to a node apart from the volumes of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Network interfaces, the primary one included, when the CSI driver starts.
    pub interfaces: u32,
    /// Volumes of the node's own, the root volume included (`--reserved-volume-attachments`).
    pub volumes: u32,
}

impl Default for Attached {
    /// A fresh node: the primary interface and the root volume.
    fn default() -> Attached {
        Attached { interfaces: 1, volumes: 1 }
    }
}

/// Volumes of pods that a node of this type takes at once; at least 1.
pub fn attach_limit(it: &InstanceType, attached: Attached) -> u32 {
    let slots = if !it.is_nitro() {
        it.ebs_attachments.min(XEN_SLOTS)
    } else if it.ebs_attachments_shared {
        it.ebs_attachments.saturating_sub(attached.interfaces.saturating_sub(1))
    } else {
        it.ebs_attachments
    };
    slots.saturating_sub(attached.volumes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;

    fn limit(name: &str, interfaces: u32, volumes: u32) -> u32 {
        attach_limit(Catalog::embedded().instance_type(name).unwrap(), Attached { interfaces, volumes })
    }

    #[test]
    fn shared_slots_lose_interfaces_and_the_root_volume() {
        assert_eq!(limit("m5.large", 1, 1), 26);
        assert_eq!(limit("m5.large", 2, 1), 25);
        assert_eq!(limit("i4i.large", 2, 1), 24);
        assert_eq!(limit("g5.xlarge", 1, 2), 23);
    }

    #[test]
    fn dedicated_slots_lose_volumes_only() {
        assert_eq!(limit("m7i.large", 1, 1), 31);
        assert_eq!(limit("m7i.large", 3, 1), 31);
    }

    #[test]
    fn xen_counts_volumes_only_and_one_always_remains() {
        assert_eq!(limit("m4.large", 2, 1), 38);
        assert_eq!(limit("m5.large", 20, 50), 1);
    }
}
