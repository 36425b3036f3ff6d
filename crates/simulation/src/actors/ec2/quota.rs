//! The account's vCPU quotas: `onDemandVcpus` and `spotVcpus` of the profile.

use catalog::Catalog;
use cluster::node_claim::{ClaimStage, LaunchFailure};
use cluster::{Cluster, Name};

/// Why an instance more is too much; `None` when the quota allows it, or the profile does not say.
pub fn exceeded(
    cluster: &Cluster,
    catalog: &Catalog,
    instance_type: &str,
    spot: bool,
) -> Option<LaunchFailure> {
    let quota = if spot { "spotVcpus" } else { "onDemandVcpus" };
    let (_, limit) = cluster.declared.profile.aws.quotas.iter().find(|(name, _)| name == quota)?;
    let wanted = vcpus(catalog, instance_type);
    let used = used_vcpus(cluster, catalog, spot);
    (used.saturating_add(wanted) > *limit)
        .then(|| LaunchFailure::QuotaExceeded { quota: quota.into(), limit: *limit })
}

/// Instances that run, those of node groups (on demand) and those that have not joined yet included.
fn used_vcpus(cluster: &Cluster, catalog: &Catalog, spot: bool) -> i64 {
    let claims = cluster.claims.iter().filter(|claim| claim.stage != ClaimStage::Gone);
    let launched = claims.filter_map(|claim| claim.launched.as_ref()).map(|launched| &launched.option);
    let of_claims: i64 = launched
        .filter(|option| (option.capacity_type == "spot") == spot)
        .map(|option| vcpus(catalog, &option.instance_type))
        .sum();
    let unmanaged =
        cluster.live_nodes().filter(|node| node.claim.is_none() && !node.instance_type.is_empty());
    let is_spot = |node: &cluster::Node| {
        let label = |key: &str| node.labels.get(key).map(Name::as_str);
        label("eks.amazonaws.com/capacityType") == Some("SPOT")
            || label("karpenter.sh/capacity-type") == Some("spot")
    };
    let of_groups: i64 =
        unmanaged.filter(|node| is_spot(node) == spot).map(|node| vcpus(catalog, &node.instance_type)).sum();
    of_claims.saturating_add(of_groups)
}

fn vcpus(catalog: &Catalog, instance_type: &str) -> i64 {
    catalog.instance_type(instance_type).map_or(0, |it| i64::from(it.vcpus))
}
