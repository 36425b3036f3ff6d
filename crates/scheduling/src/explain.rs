//! What every plugin thinks of every node, and whether one pod fits one node.

use cluster::rejection::{FilterReason, Plugin};
use cluster::{Cluster, NodeId, PodId};

use crate::attempt::prefilter;
use crate::filter;
use crate::nominated;
use crate::placements::Placements;
use crate::query::{Incoming, Moment};

/// What the filters say of a pod on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The node.
    pub node: NodeId,
    /// Every plugin that refuses, in the order in which the scheduler asks them; empty if the pod fits. The
    /// scheduler itself only hears the first.
    pub refusals: Vec<(Plugin, Vec<FilterReason>)>,
    /// Pods for which the node is kept and that the pod must respect.
    pub kept_for: Vec<PodId>,
}

impl NodeVerdict {
    /// No plugin refuses.
    pub fn fits(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// Node by node, what every filter says of a pod. Pods that the nodes are kept for are listed, not counted.
pub fn explain(index: &mut Placements, cluster: &Cluster, pod: PodId) -> Vec<NodeVerdict> {
    index.order.refresh();
    index.tenant(cluster, pod);
    let mut nodes = index.order.list().to_vec();
    nodes.sort();
    let incoming = Incoming::of(cluster.pod(pod));
    nodes.into_iter().map(|node| fits(index, cluster, &incoming, node)).collect()
}

/// What every filter says of a pod, existing or not, on one node that is there.
pub fn fits(index: &mut Placements, cluster: &Cluster, pod: &Incoming, node: NodeId) -> NodeVerdict {
    let (query, before) = match prefilter(index, cluster, pod) {
        Ok((query, named)) => {
            let outside = named.is_some_and(|names| !names.contains(&cluster.node(node).name));
            (query, outside.then_some((Plugin::NodeAffinity, FilterReason::NotSelected { also: None })))
        }
        Err(excluded) => {
            let (query, plugin, reason) = *excluded;
            (query, Some((plugin, reason)))
        }
    };
    let moment = Moment::new(index, &query);
    let found = filter::all_refusals(index, cluster, &query, &moment, node).into_iter();
    let mut refusals: Vec<(Plugin, Vec<FilterReason>)> = found
        .map(|refusal| (refusal.plugin(), filter::reasons(index, cluster, &query, refusal, node.0 as usize)))
        .collect();
    if let Some((plugin, reason)) = before {
        refusals.retain(|(other, _)| *other != plugin);
        refusals.push((plugin, vec![reason]));
        refusals.sort_by_key(|(plugin, _)| *plugin);
    }
    NodeVerdict { node, refusals, kept_for: nominated::respected(index, &query, node) }
}
