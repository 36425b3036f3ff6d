//! `VolumeZone`: zone and region labels of a volume must be met by the node's.
//!
//! Follows `plugins/volumezone/volume_zone.go`. Volumes of CSI drivers carry node affinity instead.

use std::collections::BTreeSet;

use cluster::{Cluster, Node};

use crate::event::Event;
use crate::hints::Waiter;
use crate::plugins::volume_binding::{VolumePlan, uses};

/// The labels that count, each with the name that replaced it.
const LABELS: [(&str, &str); 4] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("topology.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// Whether a bound volume is in another zone or region. Nodes without any such label take every volume.
pub(crate) fn refuses(plan: &VolumePlan, cluster: &Cluster, node: &Node) -> bool {
    if !LABELS.iter().any(|(label, _)| node.labels.contains_key(*label)) {
        return false;
    }
    let volumes = plan.bound.iter().filter_map(|volume| cluster.volumes.get(*volume as usize));
    volumes.into_iter().any(|volume| {
        LABELS.iter().any(|(label, replacement)| {
            let Some(zones) = volume.labels.get(*label).and_then(|value| zones(value)) else { return false };
            let here = node.labels.get(*label).or_else(|| node.labels.get(*replacement));
            !here.is_some_and(|zone| zones.contains(zone.as_str()))
        })
    })
}

/// Zones are joined by `__`; a label with an empty part is ignored.
fn zones(value: &str) -> Option<BTreeSet<&str>> {
    let zones: BTreeSet<&str> = value.split("__").map(str::trim).collect();
    (!zones.contains("")).then_some(zones)
}

/// A queueing hint.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::StorageClassAdded | Event::VolumeChanged | Event::NodeAdded(_) => true,
        Event::NodeUpdated(before) => before.labels_changed,
        Event::ClaimChanged { claim, .. } => uses(waiter, *claim, false),
        _ => false,
    }
}
