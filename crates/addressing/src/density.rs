//! How many nodes some pods need when addresses and the kubelet's maxPods are all that counts.
//!
//! Small types are bound by interfaces long before CPU or memory: a t4g.micro has two addresses for pods. A rolling
//! update needs room for its surge on top.

/// Pods of which each needs an address that one node takes: what its addresses and its maxPods leave after
/// host-network pods (which take no address) and DaemonSet pods (which take both).
pub fn pods_per_node(addresses: u32, max_pods: u32, host_network_pods: u32, daemon_pods: u32) -> u32 {
    addresses.min(max_pods.saturating_sub(host_network_pods)).saturating_sub(daemon_pods)
}

/// Nodes for that many pods; `None` when a node takes none at all.
pub fn nodes_needed(pods: u32, per_node: u32) -> Option<u32> {
    if pods == 0 { Some(0) } else { (per_node > 0).then(|| pods.div_ceil(per_node)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cilium::Operator;
    use crate::testing::{cilium, ipamd, limits, network, vpc_cni};
    use crate::vpc_cni::plan::settled;

    #[test]
    fn fifteen_services_on_t4g_micro() {
        // Two interfaces of two addresses: two pods, and aws-node and kube-proxy on the host network.
        let settings = vpc_cni();
        let micro = ipamd(&settings, 2, 2);
        assert_eq!((settled(&micro, 2).addresses, micro.max_pods), (2, 4));
        let per_node = pods_per_node(2, micro.max_pods, 2, 0);
        assert_eq!(nodes_needed(15, per_node), Some(8));
        assert_eq!(nodes_needed(30, per_node), Some(15), "all at once: old and new side by side");
        assert_eq!(nodes_needed(18, per_node), Some(9), "three at a time");
        assert_eq!(nodes_needed(15, pods_per_node(2, 4, 2, 1)), Some(15), "a DaemonSet halves the node");
        assert_eq!(nodes_needed(15, pods_per_node(2, 4, 2, 2)), None);
    }

    #[test]
    fn t4g_micro_has_no_pod_address_under_cilium() {
        let settings = cilium();
        let operator = Operator { settings: &settings, limits: limits(2, 2) };
        let addresses = operator.capacity(&network(false, &[&[]])).saturating_sub(settings.own_endpoints);
        assert_eq!(addresses, 0);
        assert_eq!(nodes_needed(1, pods_per_node(addresses, 4, 2, 0)), None);
    }

    #[test]
    fn two_bootstrap_nodes_and_a_catalog_of_sixty() {
        // m7g.large under Cilium: 27 addresses, 25 for pods; maxPods 29 is no help.
        let settings = cilium();
        let operator = Operator { settings: &settings, limits: limits(3, 10) };
        let addresses = operator.capacity(&network(false, &[&[]])) - settings.own_endpoints;
        let per_node = pods_per_node(addresses, 110, 4, 0);
        assert_eq!((per_node, 60 - 2 * per_node), (25, 10));
        assert_eq!(pods_per_node(addresses, 29, 3, 0), 25, "26 slots and 25 addresses: one pod is stuck");
    }
}
