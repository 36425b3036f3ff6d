//! Runs the filters of the default profile over one node, in upstream's order; the first refusal counts.

use cluster::rejection::FilterReason;
use cluster::{Cluster, NodeId};

use crate::placements::Placements;
use crate::plugins::{
    dynamic_resources, inter_pod_affinity, node_ports, node_resources_fit, node_volume_limits,
    pod_topology_spread, taint_toleration, volume_binding, volume_zone,
};
use crate::query::{Moment, Query};
use crate::refusal::Refusal;

/// The first filter that refuses a node; `None` if the pod fits.
pub(crate) fn refusal(
    index: &Placements,
    cluster: &Cluster,
    query: &Query,
    moment: &Moment,
    node: usize,
) -> Option<Refusal> {
    let refusal = local(index, query, node);
    if refusal.is_some() || query.local {
        return refusal;
    }
    volumes(index, cluster, query, node)
        .or_else(|| spread(index, query, moment, node))
        .or_else(|| inter_pod_affinity::refuses(index, &query.wishes, &moment.felt, node))
        .or_else(|| dynamic_resources::refuses(index, cluster, query, node))
}

/// The filters that look at nothing but the node and its room.
pub(crate) fn local(index: &Placements, query: &Query, node: usize) -> Option<Refusal> {
    let refusal = index.rules[query.rule].cells[node].refusal;
    if refusal.is_some() {
        return refusal;
    }
    if !query.template.host_ports.is_empty()
        && node_ports::refuses(&query.template.host_ports, &index.ports[node])
    {
        return Some(Refusal::HostPort);
    }
    node_resources_fit::refuses(index, &query.request, node).then_some(Refusal::Resources)
}

fn volumes(index: &Placements, cluster: &Cluster, query: &Query, node: usize) -> Option<Refusal> {
    let plan = query.volumes.as_ref()?;
    if plan.exclusive.refuses(index) {
        return Some(Refusal::ClaimInUse);
    }
    let node = &cluster.nodes[node];
    if node_volume_limits::refuses(index, plan, cluster, node) {
        return Some(Refusal::VolumeLimit);
    }
    if let Some(refusal) = volume_binding::refuses(plan, cluster, node) {
        return Some(refusal);
    }
    volume_zone::refuses(plan, cluster, node).then_some(Refusal::VolumeZoneConflict)
}

fn spread(index: &Placements, query: &Query, moment: &Moment, node: usize) -> Option<Refusal> {
    let constraints = &query.wishes.hard_spread;
    let counted = (moment.minima.as_slice(), &moment.rest);
    pod_topology_spread::refuses(index, constraints, counted, query.pinned.is_some(), node)
}

/// All refusals of a node, not only the first: one for each plugin.
pub(crate) fn all_refusals(
    index: &Placements,
    cluster: &Cluster,
    query: &Query,
    moment: &Moment,
    id: NodeId,
) -> Vec<Refusal> {
    let (node, spec) = (id.0 as usize, cluster.node(id));
    let key = &index.rules[query.rule].key;
    let cell = index.rules[query.rule].cells[node];
    let plan = query.volumes.as_ref();
    let here = query.pinned.is_none_or(|pinned| pinned == id);
    let found = [
        crate::plugins::node_unschedulable::refuses(spec, &key.tolerations).then_some(Refusal::Unschedulable),
        crate::plugins::node_name::refuses(key.node_name.as_ref(), spec).then_some(Refusal::NodeName),
        (!cell.tolerated).then_some(Refusal::Taint),
        (!cell.affine || !here).then_some(Refusal::NodeAffinity),
        node_ports::refuses(&query.template.host_ports, &index.ports[node]).then_some(Refusal::HostPort),
        node_resources_fit::refuses(index, &query.request, node).then_some(Refusal::Resources),
        plan.filter(|plan| plan.exclusive.refuses(index)).map(|_| Refusal::ClaimInUse),
        plan.filter(|plan| node_volume_limits::refuses(index, plan, cluster, spec))
            .map(|_| Refusal::VolumeLimit),
        plan.and_then(|plan| volume_binding::refuses(plan, cluster, spec)),
        plan.filter(|plan| volume_zone::refuses(plan, cluster, spec)).map(|_| Refusal::VolumeZoneConflict),
        spread(index, query, moment, node),
        inter_pod_affinity::refuses(index, &query.wishes, &moment.felt, node),
        dynamic_resources::refuses(index, cluster, query, node),
    ];
    found.into_iter().flatten().collect()
}

/// A refusal with its numbers.
pub(crate) fn reasons(
    index: &Placements,
    cluster: &Cluster,
    query: &Query,
    refusal: Refusal,
    node: usize,
) -> Vec<FilterReason> {
    vec![match refusal {
        Refusal::Resources => return node_resources_fit::reasons(index, &query.request, node),
        Refusal::VolumeConflictAndNoVolume => {
            return vec![FilterReason::VolumeNodeConflict, FilterReason::NoVolumeToBind];
        }
        Refusal::Taint => {
            let tolerations = &index.rules[query.rule].key.tolerations;
            match taint_toleration::untolerated(&cluster.nodes[node].taints, tolerations) {
                Some(taint) => FilterReason::Taint(taint.clone()),
                None => return Vec::new(),
            }
        }
        Refusal::Unschedulable => FilterReason::Unschedulable,
        Refusal::NodeName => FilterReason::NodeName,
        Refusal::NodeAffinity => FilterReason::NodeAffinity,
        Refusal::HostPort => FilterReason::HostPort,
        Refusal::ClaimInUse => FilterReason::ClaimInUse,
        Refusal::VolumeLimit => FilterReason::VolumeLimit,
        Refusal::VolumeNodeConflict => FilterReason::VolumeNodeConflict,
        Refusal::NoVolumeToBind => FilterReason::NoVolumeToBind,
        Refusal::VolumeZoneConflict => FilterReason::VolumeZoneConflict,
        Refusal::SpreadLabelMissing => FilterReason::SpreadLabelMissing,
        Refusal::SpreadSkew => FilterReason::SpreadSkew,
        Refusal::PodAffinity => FilterReason::PodAffinity,
        Refusal::PodAntiAffinity => FilterReason::PodAntiAffinity,
        Refusal::ExistingAntiAffinity => FilterReason::ExistingAntiAffinity,
        Refusal::DevicesElsewhere => FilterReason::DevicesElsewhere,
        Refusal::DevicesUnavailable => FilterReason::DevicesUnavailable,
        Refusal::DevicePoolsInvalid => FilterReason::DevicePoolsInvalid,
        Refusal::DeviceError => {
            FilterReason::DeviceError(dynamic_resources::error(index, cluster, query, node))
        }
    }]
}
