//! What one part of the cluster does for the others, and can fail to do.

use std::fmt;

use crate::{Name, ObjectKey};

/// Something that others wait for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Names resolve for `ClusterFirst` pods: at least one ready DNS pod.
    ClusterDns,
    /// Nodes are added for pending pods.
    Provisioning,
    /// Interfaces and addresses are allocated (the Cilium operator; ipamd does it per node).
    AddressAllocation,
    /// Volumes of this driver are created and attached.
    Volumes(Name),
    /// An admission webhook answers; the key is its configuration object.
    Webhook(ObjectKey),
    /// An AWS service can be reached: `sts`, `ec2`, …
    AwsService(Name),
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Capability::ClusterDns => f.write_str("cluster DNS"),
            Capability::Provisioning => f.write_str("the provisioner"),
            Capability::AddressAllocation => f.write_str("address allocation"),
            Capability::Volumes(driver) => write!(f, "volumes of {driver}"),
            Capability::Webhook(key) => write!(f, "{key}"),
            Capability::AwsService(service) => write!(f, "the {service} endpoint"),
        }
    }
}
