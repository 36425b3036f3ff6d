//! What an offering costs: the only place that asks for prices.

use catalog::InstanceType;
use cluster::Cluster;

/// The price in millionths of a US dollar an hour: the profile's, where it says one, else an estimate from the
/// type's size, so that types keep their order from small to large. `None`: not offered.
pub fn micro_usd(cluster: &Cluster, it: &InstanceType, zone: &str, capacity_type: &str) -> Option<i64> {
    let stated = cluster.declared.profile.aws.prices.iter().find(|price| {
        price.instance_type == it.name
            && price.capacity_type == capacity_type
            && (price.zone.is_empty() || price.zone == zone)
    });
    Some(stated.map_or_else(|| estimate(it, capacity_type), |price| price.price_micro_usd))
}

fn estimate(it: &InstanceType, capacity_type: &str) -> i64 {
    let memory_mib = i64::try_from(it.memory_mib).unwrap_or(i64::MAX);
    let on_demand = i64::from(it.vcpus).saturating_mul(30_000).saturating_add(memory_mib.saturating_mul(4));
    if capacity_type == "spot" { on_demand / 10 * 4 } else { on_demand }
}
