//! Counts reasons over nodes: what a rejection says.

use cluster::rejection::{FilterReason, NodeReason, Plugin};
use cluster::{Cluster, NodeId};

use crate::nominated;
use crate::placements::Placements;
use crate::plugins::node_resources_fit;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::refusals::{Refusals, Refused};

/// Reasons, in the order in which they turned up.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<NodeReason>);

impl Tally {
    /// Counts a reason of a node. Shortages of one resource are one reason, with the numbers of the first node.
    pub fn count(&mut self, plugin: Plugin, reason: &FilterReason, node: NodeId) -> usize {
        let known = self.0.iter().position(|known| known.plugin == plugin && same(&known.reason, reason));
        let place = known.unwrap_or_else(|| {
            self.0.push(NodeReason { plugin, reason: reason.clone(), nodes: 0, example: Some(node) });
            self.0.len() - 1
        });
        self.0[place].nodes += 1;
        place
    }

    pub fn into_reasons(self) -> Vec<NodeReason> {
        self.0
    }
}

fn same(a: &FilterReason, b: &FilterReason) -> bool {
    match (a, b) {
        (FilterReason::Insufficient { resource: a, .. }, FilterReason::Insufficient { resource: b, .. }) => {
            a == b
        }
        _ => a == b,
    }
}

/// Refusals by reason, each with its count and its first node. `absent` nodes were not looked at because the pod names
/// others; `also` refused the reserved node.
pub(crate) fn refusals(
    index: &mut Placements,
    cluster: &Cluster,
    query: &Query,
    refused: &Refusals,
    (absent, also): (u32, Option<Plugin>),
) -> Vec<NodeReason> {
    let mut tally = Tally::default();
    let mut kinds: Vec<(Kind, Vec<usize>, u32)> = Vec::new();
    for (node, refused) in refused.iter() {
        let kind = Kind::of(index, query, node, refused);
        if let Some((_, _, more)) = kinds.iter_mut().find(|(known, _, _)| kind == Some(*known)) {
            *more += 1;
            continue;
        }
        let reasons = nominated::reasons(index, cluster, query, node, refused);
        let plugin = refused.refusal.plugin();
        let places = reasons.iter().map(|reason| tally.count(plugin, reason, node)).collect();
        kinds.extend(kind.map(|kind| (kind, places, 0)));
    }
    for (_, places, more) in kinds {
        places.into_iter().for_each(|place| tally.0[place].nodes += more);
    }
    let mut reasons = tally.into_reasons();
    if absent > 0 {
        let (plugin, reason) = (Plugin::NodeAffinity, FilterReason::NotSelected { also });
        reasons.push(NodeReason { plugin, reason, nodes: absent, example: None });
    }
    reasons
}

/// More extended resources than this are not told apart by bits.
const EXTENDED_AT_MOST: usize = 60;

/// Nodes of one kind count for the same reasons; those of none are asked one by one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    refusal: Refusal,
    /// What the node lacks, as bits.
    lacking: u64,
}

impl Kind {
    fn of(index: &Placements, query: &Query, node: NodeId, refused: Refused) -> Option<Kind> {
        let refusal = refused.refusal;
        match refusal {
            _ if refused.crowded => None,
            Refusal::Taint => None,
            Refusal::Resources if query.request.extended.len() > EXTENDED_AT_MOST => None,
            Refusal::Resources => {
                let read = || node_resources_fit::lacking(index, &query.request, node.0 as usize);
                let lacking = refused.numbers.map_or_else(read, |numbers| u64::from(numbers.lacking));
                Some(Kind { refusal, lacking })
            }
            _ => Some(Kind { refusal, lacking: 0 }),
        }
    }
}
