//! Warm targets: a small reserve of addresses in place of whole interfaces, where nodes hold what others lack.
//!
//! `WARM_IP_TARGET` and `MINIMUM_IP_TARGET` of amazon-vpc-cni-k8s (docs/eni-and-ip-target.md): the minimum is what a
//! node of the cluster usually needs, so that it is fetched with one call when the node starts.

use cluster::network::Cni;

use super::Case;
use crate::remedy::Remedy;

/// Addresses in reserve: enough for a pod or two at once, as the CNI's documentation has it.
const WARM: u32 = 2;
/// The least that a node starts with: fewer makes a call to EC2 for nearly every pod.
const LEAST: u32 = 10;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let Cni::VpcCni(settings) = &case.declared.cni else { return Vec::new() };
    let hoards = case.drained_subnets().into_iter().any(|subnet| case.idle_addresses(subnet.id) > 0);
    if settings.warm_ip_target.is_some() || settings.prefix_delegation || !hoards {
        return Vec::new();
    }
    let minimum = usual_pods(case).max(LEAST);
    let variables = [("WARM_IP_TARGET", WARM.to_string()), ("MINIMUM_IP_TARGET", minimum.to_string())];
    let edits = case.vpc_cni_env(&variables);
    let remedy = edits.map(|edits| Remedy {
        id: "warm-targets",
        title: format!(
            "keep a small reserve of addresses on each node: WARM_IP_TARGET {WARM} and MINIMUM_IP_TARGET {minimum} of the VPC CNI"
        ),
        edits,
        operation: None,
        cost: 0,
    });
    remedy.into_iter().collect()
}

/// Addresses that half of the nodes do not use more of.
fn usual_pods(case: &Case<'_>) -> u32 {
    let mut used: Vec<u32> = case.told.run.cluster.live_nodes().map(|node| node.network.assigned()).collect();
    used.sort_unstable();
    used.get(used.len() / 2).copied().unwrap_or(0)
}
