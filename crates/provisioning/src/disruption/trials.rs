//! What taking nodes away comes to: where their pods would go, tried again and again on one cluster.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption/helpers.go` (`SimulateScheduling`) and
//! `consolidation.go` (`computeConsolidation`). Which nodes are tried is [`super::consolidation`]'s.

use std::collections::BTreeSet;

use cluster::change::ClaimOrNode;
use cluster::node_pool::DisruptionReason;
use cluster::{Cluster, NodeId, PodId};

use super::candidate::{Candidate, Held};
use super::consolidation::{cheaper, pods_of_leaving};
use super::pdb::PodBudgets;
use super::{Command, pods};
use crate::bits::Bits;
use crate::class::is_provisionable;
use crate::existing::View;
use crate::input::{Input, Purpose};
use crate::market::Market;
use crate::plan::PlannedClaim;
use crate::scheduler::solve_on;
use crate::survey::Survey;

static NOBODY: BTreeSet<NodeId> = BTreeSet::new();

/// A cluster in which nodes are taken away for trial, with what does not depend on which.
pub(super) struct Trials<'a> {
    pub cluster: &'a Cluster,
    pub held: Held<'a>,
    market: &'a Market,
    survey: Survey<'a>,
    budgets: PodBudgets<'a>,
    settling: BTreeSet<NodeId>,
    /// Pods that need a place in any case: those that wait, and those of nodes that go already.
    others: Vec<PodId>,
}

impl<'a> Trials<'a> {
    /// On a cluster; pods of the nodes that go may not move to those that are `settling`.
    pub fn of(
        cluster: &'a Cluster,
        market: &'a Market,
        held: Held<'a>,
        settling: BTreeSet<NodeId>,
    ) -> Trials<'a> {
        let budgets = PodBudgets::of(cluster);
        let going = pods_of_leaving(cluster, &budgets, held.going);
        let pending = cluster.pods.iter().filter(|pod| is_provisionable(cluster, pod)).map(|pod| pod.id);
        let others = pending.chain(going).collect();
        let survey = Survey::of(&Input {
            cluster,
            market,
            pods: &[],
            leaving: &NOBODY,
            settling: &NOBODY,
            policy: held.policy,
            purpose: Purpose::Disruption,
        });
        Trials { cluster, held, market, survey, budgets, settling, others }
    }

    /// What taking these nodes away comes to: nothing more needed, or one cheaper node.
    pub fn replace(&self, together: &[&Candidate<'_>]) -> Option<Command> {
        let nodes: Vec<NodeId> = together.iter().map(|candidate| candidate.node).collect();
        let mut claims = self.simulate(together)?.into_iter();
        let reason = DisruptionReason::Underutilized;
        match (claims.next(), claims.next()) {
            (None, _) => Some(Command { nodes, reason, replacements: Vec::new() }),
            (Some(claim), None) => {
                let replacements = vec![cheaper(self.cluster, claim, together)?];
                Some(Command { nodes, reason, replacements })
            }
            (Some(_), Some(_)) => None,
        }
    }

    /// The new claims that the pods of these nodes would need; `None` when some of them would find no place, or only
    /// one on a node that is not initialized.
    pub fn simulate(&self, together: &[&Candidate<'_>]) -> Option<Vec<PlannedClaim>> {
        let (cluster, now) = (self.cluster, self.cluster.now);
        let nodes = together.iter().map(|candidate| candidate.node);
        let leaving: BTreeSet<NodeId> = nodes.chain(self.held.going.iter().copied()).collect();
        let moved: Vec<PodId> = together.iter().flat_map(|candidate| &candidate.pods).copied().collect();
        let movable = |id: &PodId| {
            let pod = cluster.pod(*id);
            let shielded = pods::is_active(pod) && pods::do_not_disrupt(pod, now);
            !shielded && !self.budgets.blocks_for_ever(pod, now)
        };
        let moved: Vec<PodId> = moved.into_iter().filter(movable).collect();
        let mut all: Vec<PodId> = moved.iter().chain(&self.others).copied().collect();
        all.sort_unstable();
        all.dedup();
        let input = Input {
            cluster,
            market: self.market,
            pods: &all,
            leaving: &leaving,
            settling: &self.settling,
            policy: self.held.policy,
            purpose: Purpose::Disruption,
        };
        let solution = solve_on(&input, &self.survey);
        let counts: Bits = moved.iter().map(|pod| pod.0 as usize).collect();
        let waits = |pod: &PodId| is_provisionable(cluster, cluster.pod(*pod));
        let unsettled = |place: &ClaimOrNode| match place {
            ClaimOrNode::Claim(_) => true,
            ClaimOrNode::Node(node) => !View::of_node(cluster, cluster.node(*node)).is_initialized(),
        };
        let homeless = solution.refused.iter().any(|(pod, _)| !waits(pod));
        let hasty =
            solution.on_existing.iter().any(|(pod, place)| counts.has(pod.0 as usize) && unsettled(place));
        (!homeless && !hasty).then_some(solution.new_claims)
    }
}
