//! Nodes that are reserved: a pod must fit both with and without the pods for which a node is kept.
//!
//! Follows `framework/runtime/framework.go` `RunFilterPluginsWithNominatedPods`: only nominated pods of at least the
//! same priority count, and the second pass is made only if the first succeeded.

use cluster::rejection::FilterReason;
use cluster::{Cluster, NodeId, PodId};

use crate::filter;
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::{Moment, Query};
use crate::refusal::Refusal;

/// A node that refused, with its numbers where they must be read at once.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub node: NodeId,
    pub refusal: Refusal,
    /// Reasons and whether removing pods may help, read while the nominated pods were counted.
    pub detail: Option<(Vec<FilterReason>, bool)>,
}

/// The pods that a node is kept for and that the pod must respect.
pub(crate) fn respected(index: &Placements, query: &Query, node: NodeId) -> Vec<PodId> {
    let Some(pods) = index.nominated.get(&node) else { return Vec::new() };
    pods.iter()
        .copied()
        .filter(|pod| Some(*pod) != query.pod)
        .filter(|pod| index.node_of(*pod).is_none() && index.priority(*pod) >= query.template.priority)
        .collect()
}

/// Runs the filters over a node that is kept for `guests`, then without them. Leaves the index as it was. `rest` is
/// how spreading was counted before anything was tried.
pub(crate) fn refused(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    guests: &[PodId],
    node: NodeId,
    rest: &Rest,
) -> Option<Refused> {
    let place = node.0 as usize;
    let ports = index.ports[place].clone();
    guests.iter().for_each(|pod| index.add(*pod, place));
    let crowded = pass(index, cluster, query, node, rest);
    guests.iter().for_each(|pod| index.drop(*pod, place));
    index.ports[place] = ports;
    crowded.or_else(|| pass(index, cluster, query, node, rest))
}

fn pass(index: &Placements, cluster: &Cluster, query: &Query, node: NodeId, rest: &Rest) -> Option<Refused> {
    let moment = Moment::during(index, query, rest);
    let refusal = filter::refusal(index, cluster, query, &moment, node.0 as usize)?;
    let reasons = filter::reasons(index, cluster, query, refusal, node.0 as usize);
    let resolvable = is_resolvable(index, query, refusal, node);
    Some(Refused { node, refusal, detail: Some((reasons, resolvable)) })
}

/// Whether removing pods from the node may help.
pub(crate) fn is_resolvable(index: &Placements, query: &Query, refusal: Refusal, node: NodeId) -> bool {
    refusal.is_resolvable()
        && (refusal != Refusal::Resources
            || crate::plugins::node_resources_fit::is_resolvable(index, &query.request, node.0 as usize))
}
