//! One scheduling cycle in full: what every filter says of every node, every score, every preemption candidate.
//!
//! For people who ask why, and for comparing with kube-scheduler itself. Runs the same code as [`crate::attempt`]
//! and decides nothing: the index is as before, its caches apart.

use cluster::rejection::{FilterReason, Plugin};
use cluster::{Cluster, NodeId, PodId};

use crate::attempt::prefilter;
use crate::filter;
use crate::message;
use crate::nominated;
use crate::placements::Placements;
use crate::plugins::{default_preemption, dynamic_resources};
use crate::query::{Incoming, Moment, Query};
use crate::refusal::Refusal;
use crate::score;
use crate::survey::{Survey, survey};

/// What a plugin says where it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The plugin.
    pub plugin: Plugin,
    /// `Unschedulable`: removing pods may help; otherwise `UnschedulableAndUnresolvable`.
    pub resolvable: bool,
    /// Why, with numbers.
    pub reasons: Vec<FilterReason>,
}

impl Said {
    /// The reasons in kube-scheduler's words.
    pub fn words(&self) -> Vec<String> {
        self.reasons.iter().map(|reason| message::words(self.plugin, reason)).collect()
    }
}

/// A node that fits, with its weighted scores by plugin; none if it is the only one.
pub type Scored = (NodeId, Vec<(&'static str, i64)>);

/// A cycle in full.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// `PreFilter` keeps the pod off every node.
    pub everywhere: Option<Said>,
    /// Every filter that refuses, for each node that `PreFilter` left; nominated pods do not count.
    pub filters: Vec<(NodeId, Vec<Said>)>,
    /// The first filter that refuses, for each node that was looked at; nominated pods count.
    pub refused: Vec<(NodeId, Said)>,
    /// Nodes that fit.
    pub feasible: Vec<Scored>,
    /// Preemption candidates: node, victims, budget violations.
    pub candidates: Vec<(NodeId, Vec<PodId>, u32)>,
    /// The candidates that are equally good and better than the others.
    pub best: Vec<NodeId>,
}

/// The cycle that [`crate::attempt`] would run now.
pub fn trace(index: &mut Placements, cluster: &Cluster, pod: PodId) -> Trace {
    index.order.refresh();
    index.tenant(cluster, pod);
    let mut trace = Trace::default();
    let (query, named) = match prefilter(index, cluster, &Incoming::of(cluster.pod(pod))) {
        Ok(prepared) => prepared,
        Err(excluded) => {
            let (_, plugin, reason) = *excluded;
            trace.everywhere = Some(Said { plugin, resolvable: false, reasons: vec![reason] });
            return trace;
        }
    };
    let moment = Moment::new(index, &query);
    for node in index.order.list().to_vec() {
        if named.as_ref().is_none_or(|names| names.contains(&cluster.node(node).name)) {
            let found = filter::all_refusals(index, cluster, &query, &moment, node).into_iter();
            let said = found.map(|refusal| said(index, cluster, &query, refusal, node)).collect();
            trace.filters.push((node, said));
        }
    }
    let Survey { feasible, refused, .. } = survey(index, cluster, &query, named.as_ref());
    for (node, refused) in refused.iter() {
        let reasons = nominated::reasons(index, cluster, &query, node, refused);
        let resolvable = nominated::is_resolvable(index, &query, refused.refusal, node);
        trace.refused.push((node, Said { plugin: refused.refusal.plugin(), resolvable, reasons }));
    }
    let mut scores = if feasible.len() > 1 { score::by_plugin(index, &query, &feasible) } else { Vec::new() };
    if feasible.len() > 1
        && let Some(points) = dynamic_resources::score(index, cluster, &query, &feasible)
    {
        scores.push(("DynamicResources", points));
    }
    let of_node = |place: usize| scores.iter().map(|(name, values)| (*name, values[place])).collect();
    trace.feasible =
        feasible.iter().enumerate().map(|(place, node)| (NodeId(*node), of_node(place))).collect();
    if feasible.is_empty() {
        let (candidates, best) = default_preemption::candidates(index, cluster, &query, &refused);
        trace.candidates =
            candidates.into_iter().map(|found| (found.node, found.victims, found.violations)).collect();
        trace.best = best;
    }
    trace
}

fn said(index: &Placements, cluster: &Cluster, query: &Query, refusal: Refusal, node: NodeId) -> Said {
    Said {
        plugin: refusal.plugin(),
        resolvable: nominated::is_resolvable(index, query, refusal, node),
        reasons: filter::reasons(index, cluster, query, refusal, node.0 as usize),
    }
}
