//! Looking at nodes until enough fit.
//!
//! Follows `pkg/scheduler/schedule_one.go` v1.36.3 `findNodesThatFitPod`, one node after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::rejection::Plugin;
use cluster::{Cluster, NodeId};

use crate::filter;
use crate::glance::Glances;
use crate::nominated;
use crate::placements::Placements;
use crate::plugins::pod_topology_spread::Rest;
use crate::query::{Moment, Query};
use crate::refusal::Refusal;
use crate::refusals::{Refusals, Refused};

/// Below this many nodes all are looked at (`minFeasibleNodesToFind`).
const SEARCH_AT_LEAST: usize = 100;
/// `minFeasibleNodesPercentageToFind`.
const SEARCH_PERCENT_AT_LEAST: usize = 5;

/// What came of looking at nodes.
pub(crate) struct Survey {
    /// Nodes that fit.
    pub feasible: Vec<u32>,
    /// Nodes that do not.
    pub refused: Refusals,
    /// How many the search looked at: none if the reserved node still fits.
    pub searched: u32,
    /// Who refused the reserved node.
    pub reserved: Option<Plugin>,
    /// A filter ended in an error on this node: nothing else counts.
    pub error: Option<NodeId>,
}

/// Looks at the node that is reserved for the pod, and if that does not fit at all others.
pub(crate) fn survey(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    named: Option<&BTreeSet<cluster::Name>>,
) -> Survey {
    let node = query.pod.and_then(|pod| index.nominated_to(pod));
    let mut first = None;
    // Even where the pod names other nodes.
    if let Some(node) = node.filter(|node| is_candidate(index, cluster, None, *node)) {
        let moment = Moment::new(index, query);
        let Some(refused) = look(index, cluster, query, &moment, node) else {
            let refused = Refusals::default();
            return Survey { feasible: vec![node.0], refused, searched: 0, reserved: None, error: None };
        };
        first = Some((node, refused));
    }
    let reserved = first.map(|(_, refused)| refused.refusal.plugin());
    let nodes = candidates(index, cluster, named);
    let (feasible, mut refused) = search(index, cluster, query, &nodes);
    if let Some((node, why)) = first.filter(|(node, _)| !is_candidate(index, cluster, named, *node)) {
        refused.note(node, why);
    }
    let searched = u32::try_from(feasible.len()).unwrap_or(u32::MAX).saturating_add(refused.count);
    let error = query.devices.as_ref().and_then(|_| refused.error());
    Survey { feasible, refused, searched, reserved, error }
}

fn is_candidate(
    index: &Placements,
    cluster: &Cluster,
    named: Option<&BTreeSet<cluster::Name>>,
    node: NodeId,
) -> bool {
    index.rows.get(node.0 as usize).is_some_and(|row| row.live)
        && named.is_none_or(|names| names.contains(&cluster.node(node).name))
}

/// The nodes to look at, in order.
fn candidates(
    index: &Placements,
    cluster: &Cluster,
    named: Option<&BTreeSet<cluster::Name>>,
) -> Arc<[NodeId]> {
    let all = index.order.shared();
    match named {
        None => all,
        Some(_) => all.iter().copied().filter(|node| is_candidate(index, cluster, named, *node)).collect(),
    }
}

/// Looks at nodes from where the last search ended until enough fit.
fn search(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    nodes: &[NodeId],
) -> (Vec<u32>, Refusals) {
    let moment = Moment::new(index, query);
    let enough = enough(nodes.len());
    let (mut feasible, mut refused) = (Vec::with_capacity(enough), Refusals::of(index.rows.len()));
    let (later, sooner) = nodes.split_at(index.next_start.checked_rem(nodes.len()).unwrap_or(0));
    let mut glances = Glances::lend(index, query);
    for node in sooner.iter().chain(later) {
        let answer = match &mut glances {
            Some(glances) if index.nominations.on(*node).is_empty() => {
                glances.look(index, query, node.0 as usize)
            }
            _ => look(index, cluster, query, &moment, *node),
        };
        match answer {
            Some(refusal) => {
                refused.note(*node, refusal);
                if refusal.refusal == Refusal::DeviceError {
                    break;
                }
            }
            None => feasible.push(node.0),
        }
        if feasible.len() >= enough {
            break;
        }
    }
    if let Some(glances) = glances {
        index.classes[query.class.0 as usize].glances = glances;
    }
    (feasible, refused)
}

fn look(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    moment: &Moment,
    node: NodeId,
) -> Option<Refused> {
    if !index.nominations.is_empty() {
        let guests = nominated::respected(index, query, node);
        if !guests.is_empty() {
            let rest = Rest::new(index, &query.wishes.hard_spread);
            return nominated::refused(index, cluster, query, &guests, node, &rest);
        }
    }
    let refusal = filter::refusal(index, cluster, query, moment, node.0 as usize)?;
    Some(Refused { refusal, crowded: false, numbers: None })
}

/// `numFeasibleNodesToFind`: all of up to 100 nodes, a shrinking share of more.
fn enough(nodes: usize) -> usize {
    if nodes < SEARCH_AT_LEAST {
        return nodes;
    }
    let percent = 50usize.saturating_sub(nodes / 125).max(SEARCH_PERCENT_AT_LEAST);
    (nodes * percent / 100).max(SEARCH_AT_LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_nodes_to_find_shrinks() {
        // `schedule_one_test.go` TestNumFeasibleNodesToFind.
        for (nodes, wanted) in [(10, 10), (99, 99), (100, 100), (1000, 420), (5000, 500), (6000, 300)] {
            assert_eq!(enough(nodes), wanted, "{nodes}");
        }
    }
}
