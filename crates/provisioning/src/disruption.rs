//! Which nodes can go?
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/disruption`. Candidates ([`candidate`]) are nodes whose
//! pods may all be moved; budgets ([`budget`]) say how many may go at once; emptiness and consolidation
//! ([`consolidation`]) say which. Nothing here waits: the 15 seconds before a command is checked again, and the order
//! of taint, replacement and deletion, are the caller's.

pub mod budget;
pub mod candidate;
pub mod consolidation;
pub mod pdb;
pub mod pods;
mod trials;

use cluster::NodeId;
use cluster::node_pool::DisruptionReason;

use crate::plan::PlannedClaim;

/// Nodes to take away, and what has to come first.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which nodes.
    pub nodes: Vec<NodeId>,
    /// Why.
    pub reason: DisruptionReason,
    /// The node that replaces them; it must be initialized before they go.
    pub replacement: Option<PlannedClaim>,
}

#[cfg(test)]
mod tests;
