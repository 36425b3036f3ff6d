//! Why a pod went where it went, or nowhere: its last scheduling attempt, node by node, in the scheduler's words.

use catalog::Catalog;
use cluster::{Cluster, Name, Timestamp};
use simulation::asked::{Answer, Question};
use sources::Inputs;

use crate::branch::Branch;
use crate::play::Play;
use crate::trial::{Stock, Trial};

/// The last scheduling attempt of a pod.
#[derive(Clone, Debug)]
pub struct Why {
    /// `namespace/name`.
    pub pod: Name,
    /// When it was tried.
    pub at: Timestamp,
    /// How often it has been tried.
    pub attempts: u32,
    /// What kept it off every node before any was looked at: plugin and reasons.
    pub everywhere: Option<Refusal>,
    /// Node by node, in the order of their names.
    pub nodes: Vec<NodeWhy>,
    /// The node that it got.
    pub chosen: Option<Name>,
    /// The message of its `FailedScheduling` event, when it got none.
    pub message: Option<String>,
    /// Why each NodePool makes no node for it; empty when one does, or it waits for none.
    pub pools: Vec<(Name, String)>,
}

/// What one node says.
#[derive(Clone, Debug)]
pub struct NodeWhy {
    /// The node.
    pub node: Name,
    /// Every filter that refuses, in the scheduler's order; empty when the pod fits.
    pub refusals: Vec<Refusal>,
    /// Weighted scores by plugin; empty when the node was not scored.
    pub scores: Vec<(&'static str, i64)>,
}

/// A plugin that refuses, and its reasons in its own words.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The plugin.
    pub plugin: String,
    /// Why.
    pub reasons: Vec<String>,
}

impl NodeWhy {
    /// The sum of the scores; `None` when the node was not scored.
    pub fn total(&self) -> Option<i64> {
        (!self.scores.is_empty()).then(|| self.scores.iter().map(|(_, score)| score).sum())
    }
}

/// Boots `inputs` under `branch` again and asks about a pod, `NAMESPACE/NAME` or `NAME`, or about a workload: then
/// about its first pod that has no node, else its first. `None`: no such pod was ever tried.
pub fn why(
    inputs: &Inputs,
    catalog: &Catalog,
    options: crate::Options,
    branch: &Branch,
    pod: &str,
) -> Option<Why> {
    let play = Play::new(inputs, catalog);
    let stock = Stock {
        provisioner: options.provisioner,
        question: Some(Question::parse(pod)),
        ..Stock::of(catalog)
    };
    let trial = Trial::new(&play, &stock, branch.clone(), options.seed, false);
    let answers = &trial.run.answers;
    let waits = |answer: &&Answer| answer.chosen.is_none();
    let answer = answers.iter().find(waits).or(answers.first())?;
    Some(of(answer, &trial.run.cluster))
}

fn of(answer: &Answer, cluster: &Cluster) -> Why {
    let trace = &answer.trace;
    let name = |node: cluster::NodeId| cluster.node(node).name.clone();
    let scores = |node: cluster::NodeId| {
        let scored = trace.feasible.iter().find(|(other, _)| *other == node);
        scored.map(|(_, scores)| scores.clone()).unwrap_or_default()
    };
    // What is kept for other pods refuses too, though no filter does by itself.
    let kept = |node: cluster::NodeId| trace.refused.iter().find(|(other, _)| *other == node);
    let mut nodes: Vec<NodeWhy> = trace
        .filters
        .iter()
        .map(|(node, said)| {
            let said = if said.is_empty() {
                kept(*node).map(|(_, said)| said).into_iter().collect()
            } else {
                said.iter().collect::<Vec<_>>()
            };
            let refusals = said
                .into_iter()
                .map(|said| Refusal { plugin: format!("{:?}", said.plugin), reasons: said.words() })
                .collect();
            NodeWhy { node: name(*node), refusals, scores: scores(*node) }
        })
        .collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    let everywhere = trace
        .everywhere
        .as_ref()
        .map(|said| Refusal { plugin: format!("{:?}", said.plugin), reasons: said.words() });
    let refused = cluster.refusals.get(&answer.pod).filter(|_| answer.chosen.is_none());
    let pools = refused.map(|refusal| refusal.pools.as_slice()).unwrap_or_default();
    Why {
        pod: cluster.pod_name(answer.pod),
        at: answer.at,
        attempts: answer.attempts,
        everywhere,
        nodes,
        chosen: answer.chosen.map(name),
        message: answer.message.clone(),
        pools: pools.iter().map(|pool| (pool.pool.clone(), findings::pool_reason(&pool.reason))).collect(),
    }
}
