//! What the program in a pod is known to be. Known programs do something in the cluster, and need something.

use std::fmt;

use crate::Name;

/// A known program, found by its image's repository name; its version is the image's tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role {
    /// Which program.
    pub program: Program,
    /// The image's tag, as written (`v1.8.6`); empty when unknown.
    pub version: Name,
}

/// The programs that the simulation acts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Program {
    /// Anything else: starts, becomes ready, needs nothing.
    #[default]
    Application,
    /// Karpenter's controller: adds nodes. Needs name resolution, STS and EC2.
    Karpenter,
    /// The cluster autoscaler: grows node groups.
    ClusterAutoscaler,
    /// CoreDNS / kube-dns: resolves names for `ClusterFirst` pods.
    ClusterDns,
    /// `aws-node`: the VPC CNI's ipamd.
    VpcCni,
    /// The Cilium agent.
    CiliumAgent,
    /// The Cilium operator: in ENI mode allocates interfaces and addresses.
    CiliumOperator,
    /// `kube-proxy`.
    KubeProxy,
    /// The EBS CSI controller: creates and attaches volumes.
    EbsCsiController,
    /// The EBS CSI node plugin: registers the driver on a node.
    EbsCsiNode,
    /// The VPC resource controller runs in the EKS control plane; this is a self-managed one.
    VpcResourceController,
    /// AWS node termination handler.
    NodeTerminationHandler,
    /// A job that fetches a registry token and writes it into a pull secret.
    RegistryTokenRefresher,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Program::Application => "application",
            Program::Karpenter => "Karpenter",
            Program::ClusterAutoscaler => "cluster autoscaler",
            Program::ClusterDns => "cluster DNS",
            Program::VpcCni => "VPC CNI",
            Program::CiliumAgent => "Cilium agent",
            Program::CiliumOperator => "Cilium operator",
            Program::KubeProxy => "kube-proxy",
            Program::EbsCsiController => "EBS CSI controller",
            Program::EbsCsiNode => "EBS CSI node plugin",
            Program::VpcResourceController => "VPC resource controller",
            Program::NodeTerminationHandler => "node termination handler",
            Program::RegistryTokenRefresher => "registry token refresher",
        })
    }
}
