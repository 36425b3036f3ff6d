//! Nodes that are reserved: a pod must fit both with and without the pods for which a node is kept.
//!
//! Follows `framework/runtime/framework.go` `RunFilterPluginsWithNominatedPods`: only nominated pods of at least the
//! same priority count, and the second pass is made only if the first succeeded.

use cluster::rejection::FilterReason;
use cluster::{Cluster, NodeId, PodId};

use crate::filter;
use crate::placements::Placements;
use crate::plugins::node_resources_fit;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::refusals::Refused;
use crate::trial::{self, Trial};

/// The pods that a node is kept for and that the pod must respect.
pub(crate) fn respected(index: &Placements, query: &Query, node: NodeId) -> Vec<PodId> {
    let counts = |pod: &PodId| {
        Some(*pod) != query.pod
            && index.node_of(*pod).is_none()
            && index.priority(*pod) >= query.template.priority
    };
    index.nominations.on(node).iter().copied().filter(counts).collect()
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
    let pass = |index: &mut Placements| trial::refusal(index, cluster, query, rest, place);
    if !guests.is_empty()
        && let Some(refusal) = with_guests(index, query, guests, place, pass)
    {
        return Some(Refused { refusal, crowded: true, numbers: None });
    }
    pass(index).map(|refusal| Refused { refusal, crowded: false, numbers: None })
}

/// What [`refused`] says, with its numbers.
pub(crate) fn reasons(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    node: NodeId,
    refused: Refused,
) -> Vec<FilterReason> {
    let place = node.0 as usize;
    let read = |index: &mut Placements| filter::reasons(index, cluster, query, refused.refusal, place);
    if refused.crowded {
        let guests = respected(index, query, node);
        return with_guests(index, query, &guests, place, read);
    }
    read(index)
}

/// Does something while guests are on the node.
fn with_guests<T>(
    index: &mut Placements,
    query: &Query,
    guests: &[PodId],
    node: usize,
    act: impl Fn(&mut Placements) -> T,
) -> T {
    let trial = Trial::begin(index, query, node);
    guests.iter().for_each(|pod| trial.add(index, *pod));
    let done = act(index);
    guests.iter().for_each(|pod| trial.drop(index, *pod));
    trial.end(index);
    done
}

/// Whether removing pods from the node may help.
pub(crate) fn is_resolvable(index: &Placements, query: &Query, refusal: Refusal, node: NodeId) -> bool {
    refusal.is_resolvable()
        && (refusal != Refusal::Resources
            || node_resources_fit::is_resolvable(index, &query.request, node.0 as usize))
}
