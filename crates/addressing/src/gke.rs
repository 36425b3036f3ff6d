//! Ranges fixed per node: GKE, and a line for Azure.
//!
//! GKE Standard, VPC-native: a node gets the smallest block with at least twice its max pods, when its pool is
//! created; there is no warm pool and nothing is given back. Source: Google Kubernetes Engine documentation,
//! "Configure maximum Pods per node" (2026). The Azure figures are from general knowledge of Azure CNI.

use cluster::network::PREFIX_ADDRESSES;

/// Max pods of a GKE Standard node when nothing is said.
pub const GKE_DEFAULT_MAX_PODS: u32 = 110;
/// Max pods of an Azure CNI node when nothing is said.
pub const AZURE_DEFAULT_MAX_PODS: u32 = 30;

/// The prefix length of a GKE node's pod range: 8 pods /28, 30 /26, 110 /24, 256 /23.
pub fn node_prefix_length(max_pods: u32) -> u8 {
    let addresses = max_pods.clamp(8, 256).saturating_mul(2).next_power_of_two();
    u8::try_from(32 - addresses.trailing_zeros()).unwrap_or(32)
}

/// Addresses in a range of this prefix length.
pub fn addresses(prefix_length: u8) -> u32 {
    1u32.checked_shl(32u32.saturating_sub(u32::from(prefix_length))).unwrap_or(u32::MAX)
}

/// How many nodes a pod range feeds: a /14 with /24 nodes 1,024, a /20 with /24 nodes 16.
pub fn max_nodes(pod_range_length: u8, node_length: u8) -> u32 {
    match node_length.checked_sub(pod_range_length) {
        None => 0,
        Some(bits) => 1u32.checked_shl(u32::from(bits)).unwrap_or(u32::MAX),
    }
}

/// How an Azure CNI node takes pod addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureMode {
    /// One for the node and one a possible pod, up front, from the node's subnet.
    NodeSubnet,
    /// A private /24 a node, for 250 pods at the most.
    Overlay,
    /// Batches of sixteen from a pod subnet, as they are needed.
    PodSubnet,
    /// Whole /28 blocks for all possible pods, up front.
    StaticBlock,
}

/// Addresses that an Azure node takes when it may run `max_pods` and runs `pods`.
pub fn azure_node_addresses(mode: AzureMode, max_pods: u32, pods: u32) -> u32 {
    match mode {
        AzureMode::NodeSubnet => max_pods.saturating_add(1),
        AzureMode::Overlay => 256,
        AzureMode::PodSubnet => pods.div_ceil(PREFIX_ADDRESSES).max(1).saturating_mul(PREFIX_ADDRESSES),
        AzureMode::StaticBlock => max_pods.div_ceil(PREFIX_ADDRESSES).saturating_mul(PREFIX_ADDRESSES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_ranges() {
        let table = [(8, 28), (9, 27), (16, 27), (17, 26), (30, 26), (32, 26), (33, 25), (64, 25), (65, 24)];
        for (max_pods, length) in table.into_iter().chain([(110, 24), (128, 24), (129, 23), (256, 23)]) {
            assert_eq!(node_prefix_length(max_pods), length, "{max_pods}");
        }
        assert_eq!(addresses(24), 256);
    }

    #[test]
    fn nodes_of_a_pod_range() {
        assert_eq!(max_nodes(14, 24), 1024);
        assert_eq!(max_nodes(20, 24), 16);
        assert_eq!(max_nodes(24, 20), 0);
    }

    #[test]
    fn azure() {
        assert_eq!(azure_node_addresses(AzureMode::NodeSubnet, AZURE_DEFAULT_MAX_PODS, 1), 31);
        assert_eq!(azure_node_addresses(AzureMode::PodSubnet, 250, 17), 32);
        assert_eq!(azure_node_addresses(AzureMode::StaticBlock, 30, 1), 32);
    }
}
