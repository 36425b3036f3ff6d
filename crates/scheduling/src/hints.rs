//! Which events are worth another attempt for a pod that was refused: upstream's queueing hints.
//!
//! Follows `EventsToRegister` and the hint functions of every plugin of the default profile, v1.36.3. A pod is tried
//! again only if a plugin that refused it says that the event may help.

use cluster::rejection::Plugin;
use cluster::{Cluster, NodeId, PodId};

use crate::class::{Class, ClassId, Wishes};
use crate::event::{Event, NodeDifference};
use crate::placements::Placements;
use crate::plugins;
use crate::room::Request;
use crate::rule::Cell;

/// A pod that waits for something to change.
pub struct Waiter<'a> {
    pub(crate) index: &'a Placements,
    pub(crate) cluster: &'a Cluster,
    pub(crate) pod: PodId,
    pub(crate) class_id: ClassId,
    pub(crate) pinned: Option<NodeId>,
    nothing: &'a Wishes,
}

impl Waiter<'_> {
    pub(crate) fn class(&self) -> &Class {
        &self.index.classes[self.class_id.0 as usize]
    }

    pub(crate) fn template(&self) -> &cluster::PodTemplate {
        &self.class().template
    }

    pub(crate) fn template_of(&self, class: ClassId) -> &cluster::PodTemplate {
        &self.index.classes[class.0 as usize].template
    }

    pub(crate) fn request(&self) -> &Request {
        &self.class().request
    }

    pub(crate) fn wishes(&self) -> &Wishes {
        self.class().wishes.as_deref().unwrap_or(self.nothing)
    }

    fn rule(&self) -> Option<usize> {
        self.class().rules[usize::from(self.pinned.is_some())].map(|rule| rule as usize)
    }

    /// What the pod's rule says of a node now.
    pub(crate) fn cell(&self, node: NodeId) -> Cell {
        let rule = self.rule().and_then(|rule| self.index.rules.get(rule));
        rule.and_then(|rule| rule.cells.get(node.0 as usize)).copied().unwrap_or_default()
    }

    /// What the pod's rule said of a node before it changed.
    pub(crate) fn cell_before(&self, before: &NodeDifference) -> Cell {
        self.rule().and_then(|rule| before.cells.get(rule)).copied().unwrap_or_default()
    }
}

/// Whether an event may make a pod schedulable that `plugins` refused. The pod must have been attempted before
/// with this index.
pub fn may_help(
    index: &Placements,
    cluster: &Cluster,
    pod: PodId,
    refused_by: &[Plugin],
    event: &Event,
) -> bool {
    let Some(tenant) = index.tenants.get(pod.0 as usize).and_then(Option::as_ref) else { return true };
    let nothing = Wishes::default();
    let waiter = Waiter {
        index,
        cluster,
        pod,
        class_id: ClassId(tenant.class),
        pinned: cluster.pod(pod).for_node,
        nothing: &nothing,
    };
    if let Event::PodDeleted { pod: gone, nominated_only: true, .. } = event
        && index.priority(pod) > index.priority(*gone)
    {
        return false;
    }
    refused_by.iter().any(|plugin| asks(&waiter, *plugin, event))
}

fn asks(waiter: &Waiter<'_>, plugin: Plugin, event: &Event) -> bool {
    match plugin {
        Plugin::NodeUnschedulable => plugins::node_unschedulable::may_help(waiter, event),
        Plugin::NodeName => plugins::node_name::may_help(event),
        Plugin::TaintToleration => plugins::taint_toleration::may_help(waiter, event),
        Plugin::NodeAffinity => plugins::node_affinity::may_help(waiter, event),
        Plugin::NodePorts => plugins::node_ports::may_help(waiter, event),
        Plugin::NodeResourcesFit => plugins::node_resources_fit::may_help(waiter, event),
        Plugin::VolumeRestrictions => plugins::volume_restrictions::may_help(waiter, event),
        Plugin::NodeVolumeLimits => plugins::node_volume_limits::may_help(waiter, event),
        Plugin::VolumeBinding => plugins::volume_binding::may_help(waiter, event),
        Plugin::VolumeZone => plugins::volume_zone::may_help(waiter, event),
        Plugin::PodTopologySpread => plugins::pod_topology_spread::may_help(waiter, event),
        Plugin::InterPodAffinity => plugins::inter_pod_affinity::may_help(waiter, event),
        Plugin::DynamicResources => plugins::dynamic_resources::may_help(waiter, event),
        Plugin::SchedulingGates | Plugin::DefaultPreemption => false,
    }
}
