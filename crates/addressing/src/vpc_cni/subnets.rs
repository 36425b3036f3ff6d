//! Which subnets a node's new interface may go to.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/awsutils/awsutils.go` `getVpcSubnets`, `validTag` (subnet
//! discovery) and `pkg/eniconfig/eniconfig.go` (custom networking).

use cluster::Node;
use cluster::network::{Subnet, SubnetId, VpcCniSettings};

const ROLE_TAG: &str = "kubernetes.io/role/cni";
const CLUSTER_TAG_PREFIX: &str = "cni.networking.k8s.aws/cluster/";

/// Candidates for a node's new interface, in the order in which they are tried. A subnet that is not known is
/// `None`; an empty answer is ipamd's "no valid subnets available for ENI creation".
pub fn candidates(
    node: &Node,
    settings: &VpcCniSettings,
    subnets: &[Subnet],
    cluster_name: &str,
) -> Vec<Option<SubnetId>> {
    if settings.custom_networking {
        return eni_config_subnet(node, settings, subnets).into_iter().collect();
    }
    let Some(own) = node.network.subnet.and_then(|id| subnets.get(id.0 as usize)) else { return vec![None] };
    if !settings.subnet_discovery {
        return vec![Some(own.id)];
    }
    let qualifies = |subnet: &&Subnet| match subnet.tags.get(ROLE_TAG) {
        None => subnet.id == own.id,
        Some(value) => value != "0" && open_to_cluster(subnet, cluster_name),
    };
    let mut found: Vec<&Subnet> =
        subnets.iter().filter(|subnet| subnet.zone == own.zone).filter(qualifies).collect();
    found.sort_by_key(|subnet| (std::cmp::Reverse(subnet.space.free), subnet.id));
    found.into_iter().map(|subnet| Some(subnet.id)).collect()
}

/// Without any cluster tag a subnet is for everybody; with some, only for the clusters named.
fn open_to_cluster(subnet: &Subnet, cluster_name: &str) -> bool {
    let mut named = subnet.tags.keys().filter_map(|key| key.strip_prefix(CLUSTER_TAG_PREFIX)).peekable();
    named.peek().is_none() || named.any(|name| name == cluster_name)
}

/// The pods' subnet under custom networking: that of the node's ENIConfig, if it is in the node's zone. `None` when
/// there is no such ENIConfig; `Some(None)` when its subnet is not in the input.
#[allow(
    clippy::option_option,
    reason = "the outer one says that there is none, the inner one that it is unknown"
)]
fn eni_config_subnet(node: &Node, settings: &VpcCniSettings, subnets: &[Subnet]) -> Option<Option<SubnetId>> {
    let name = settings.eni_config_name(&node.labels, &node.annotations);
    let (_, wanted) = settings.eni_configs.iter().find(|(config, _)| *config == name)?;
    match subnets.iter().find(|subnet| subnet.name == *wanted) {
        None => Some(None),
        Some(subnet) if subnet.zone == node.zone => Some(Some(subnet.id)),
        Some(_) => None,
    }
}
