//! What would be done, beside what is done by whoever leads: `plimsoll controller --shadow`.
//!
//! The ledger of a controller that changes nothing. It is told what was decided, and what became true of somebody
//! else's doing. Nodes are compared by rounds ([`round`]), removals by claim ([`removals`]). Pure.

mod removals;
mod round;

use std::collections::BTreeSet;

use autoscaler::{Autoscaler, Effect};
use cluster::node_claim::LaunchOption;
use cluster::node_pool::DisruptionReason;
use cluster::{Change, ClaimId, Cluster, PodId, Timestamp};
use provisioning::class::is_provisionable;
use provisioning::market::Offers;

use crate::metrics::registry::Registry;
use crate::metrics::shadow as metrics;

pub use removals::Removals;
use round::Round;
pub use round::{Bought, Rounds};

/// Everything that was compared so far.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How long it has watched, milliseconds.
    pub lasted_ms: i64,
    /// Nodes for pods.
    pub rounds: Rounds,
    /// Nodes taken away.
    pub removals: Removals,
}

/// The ledger.
#[derive(Clone, Debug, Default)]
pub struct Shadow {
    began: Timestamp,
    /// Rounds that are not closed, oldest first.
    open: Vec<Round>,
    /// Pods that a round was about, until they have a node.
    planned_for: BTreeSet<PodId>,
    /// The number of the last command that was noted.
    last_command: u32,
    rounds: Rounds,
    removals: Removals,
}

impl Shadow {
    /// Everything is read: what happens from now on is compared.
    pub fn begin(&mut self, cluster: &Cluster) {
        self.began = cluster.now;
    }

    /// Something became true; the cluster has it.
    pub fn learn(&mut self, cluster: &Cluster, change: &Change) {
        match change {
            Change::ClaimCreated(claim) => {
                match self.open.last_mut().filter(|round| round.takes(cluster.now)) {
                    Some(round) => round.bought(*claim, cluster.now),
                    None => self.rounds.unasked += 1,
                }
            }
            Change::ClaimDeleting(claim, why) => self.removals.done(cluster, *claim, *why),
            Change::PodBound(pod, _) | Change::PodGone(pod) => {
                self.planned_for.remove(pod);
            }
            _ => {}
        }
    }

    /// Something was decided, and will not be done. The mind still knows why.
    pub fn decided(&mut self, cluster: &Cluster, mind: &Autoscaler, effects: &[Effect]) {
        let mut fresh: BTreeSet<PodId> = BTreeSet::new();
        let mut bought = Bought::default();
        let mut in_commands: BTreeSet<ClaimId> = BTreeSet::new();
        for command in mind.commands_after(self.last_command) {
            self.last_command = command.id;
            let claims = command.nodes.iter().filter_map(|node| cluster.node(*node).claim);
            in_commands.extend(claims.clone());
            self.removals.want(cluster, claims, command.reason, command.replacements);
        }
        let proposed = mind.proposed().into_iter().flat_map(|(nodes, why)| {
            nodes.iter().filter_map(move |node| Some((cluster.node(*node).claim?, why)))
        });
        self.removals.propose(proposed.collect());
        for effect in effects {
            match effect {
                Effect::CreateClaim(new) => {
                    let pods = mind.planned_for(&new.name).iter().copied();
                    // A replacement's pods have a node; a static pool's claim is for none.
                    let waiting = pods.filter(|pod| is_provisionable(cluster, cluster.pod(*pod)));
                    let new_ones: Vec<PodId> =
                        waiting.filter(|pod| !self.planned_for.contains(pod)).collect();
                    if let Some(option) = cheapest(&new.options).filter(|_| !new_ones.is_empty()) {
                        bought.add(option);
                        fresh.extend(new_ones);
                    }
                }
                Effect::DeleteClaim(claim, Some(why)) if !in_commands.contains(claim) => {
                    self.removals.want(cluster, [*claim], *why, 0);
                }
                _ => {}
            }
        }
        if fresh.is_empty() {
            return;
        }
        tracing::info!(
            pods = fresh.len(),
            nodeclaims = bought.nodes,
            usd_per_hour = %bought.price(),
            types = %bought.types(),
            "would create nodeclaims"
        );
        self.planned_for.extend(&fresh);
        self.open.push(Round::new(cluster.now, fresh, bought));
    }

    /// Closes what can be compared by now.
    pub fn settle(&mut self, cluster: &Cluster, offers: &Offers) {
        let last = self.open.len().saturating_sub(1);
        let (closed, open) = std::mem::take(&mut self.open)
            .into_iter()
            .enumerate()
            .partition::<Vec<(usize, Round)>, _>(|(index, round)| round.is_over(cluster, *index == last));
        self.open = open.into_iter().map(|(_, round)| round).collect();
        closed.into_iter().for_each(|(_, round)| self.rounds.close(cluster, offers, &round));
        self.removals.settle(cluster);
    }

    /// What was compared so far.
    pub fn report(&self, cluster: &Cluster) -> Report {
        Report {
            lasted_ms: cluster.now.since_ms(self.began),
            rounds: self.rounds.clone(),
            removals: self.removals.clone(),
        }
    }

    /// As series.
    pub fn scrape(&self, registry: &mut Registry) {
        metrics::scrape(&self.rounds, &self.removals, registry);
    }
}

/// What would be launched.
fn cheapest(options: &[LaunchOption]) -> Option<&LaunchOption> {
    options.iter().min_by_key(|option| option.price_micro_usd)
}

/// Reasons in the order in which they are told.
pub const REASONS: [DisruptionReason; 5] = [
    DisruptionReason::Empty,
    DisruptionReason::Underutilized,
    DisruptionReason::Drifted,
    DisruptionReason::Expired,
    DisruptionReason::Unhealthy,
];
