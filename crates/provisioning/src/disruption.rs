//! Which nodes can go?
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption`. Candidates ([`candidate`]) are nodes whose
//! pods may all be moved; budgets ([`budget`]) say how many may go at once; emptiness and consolidation
//! ([`consolidation`]) and drift ([`drift`]) say which. Nothing here waits: the 15 seconds before a command is checked
//! again, and the order of taint, replacement and deletion, are the caller's. Of what there is to do about static
//! pools only their drift ([`static_drift`]) is here.

pub mod budget;
pub mod candidate;
pub mod consolidation;
pub mod drift;
pub mod pdb;
pub mod pods;
pub mod static_drift;
mod trials;

use cluster::node_pool::DisruptionReason;
use cluster::{Cluster, NodeId};

use self::candidate::{Candidate, Held};
use self::trials::Trials;
use crate::buffers::Imagined;
use crate::market::Market;
use crate::plan::PlannedClaim;

/// Nodes to take away, and what has to come first.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which nodes.
    pub nodes: Vec<NodeId>,
    /// Why.
    pub reason: DisruptionReason,
    /// The nodes that replace them; all must be initialized before they go. Consolidation has one at most.
    pub replacements: Vec<PlannedClaim>,
}

impl Command {
    /// Whether it is carried out without a second look (`controller.go`: only emptiness and consolidation validate).
    pub fn is_final(&self) -> bool {
        self.reason == DisruptionReason::Drifted
    }
}

/// The first thing that can be done: empty nodes all at once, then drifted ones of static pools, each by a command of
/// its own, then another drifted one, then several nodes for which there is a cheaper place, then one. None: nothing,
/// as long as nothing changes.
///
/// Pods of CapacityBuffers wait like others, and are in no command.
pub fn commands(cluster: &Cluster, market: &Market, held: Held<'_>) -> Vec<Command> {
    let Some(imagined) = Imagined::of(cluster) else { return commands_in(cluster, market, held) };
    let mut commands = commands_in(&imagined.cluster, market, held);
    for claim in commands.iter_mut().flat_map(|command| &mut command.replacements) {
        claim.pods.retain(|pod| !imagined.has(*pod));
    }
    commands
}

fn commands_in(cluster: &Cluster, market: &Market, held: Held<'_>) -> Vec<Command> {
    let due = consolidation::due(cluster, market, held);
    if let Some(empty) = consolidation::empty(cluster, &due, held) {
        return vec![empty];
    }
    let of_static = static_drift::commands(cluster, market, held);
    if !of_static.is_empty() {
        return of_static;
    }
    let full = || {
        if due.iter().all(Candidate::is_empty) {
            return None;
        }
        let trials = Trials::of(cluster, market, held);
        consolidation::several(&trials, &due).or_else(|| consolidation::single(&trials, &due))
    };
    drift::command(cluster, market, held).or_else(full).into_iter().collect()
}

#[cfg(test)]
pub(crate) mod tests;
