//! What preemption would do on each node, remembered until the node or who is on it changes.

use cluster::NodeId;
use cluster::rejection::{FilterReason, Plugin};

use crate::plugins::default_preemption::victims::{Budgets, Candidate, Failure, Rank};

/// What came of trying a node.
#[derive(Clone, Debug, Default)]
enum Tried {
    #[default]
    Not,
    Candidate(Box<(Rank, Candidate)>),
    Failure(Box<Failure>),
}

/// What came of trying nodes for the pods of one class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tries {
    /// By node: the version of its row then.
    nodes: Vec<(u32, Tried)>,
    /// What budgets allowed then.
    allowed: Vec<(usize, u32)>,
}

impl Tries {
    /// Forgets what was tried when budgets allowed something else.
    pub fn suit(&mut self, budgets: &Budgets<'_>, nodes: usize) {
        if self.allowed != budgets.allowed {
            self.allowed.clone_from(&budgets.allowed);
            self.nodes.clear();
        }
        if self.nodes.len() < nodes {
            self.nodes.resize(nodes, (0, Tried::Not));
        }
    }

    /// How many evictions on a node budgets do not allow; `None` if it is no candidate. `try_it` if that is not known.
    pub fn violations(
        &mut self,
        node: NodeId,
        version: u32,
        try_it: impl FnOnce() -> Result<(Rank, Candidate), Failure>,
    ) -> Option<u32> {
        let known = self.nodes.get_mut(node.0 as usize)?;
        if known.0 != version || matches!(known.1, Tried::Not) {
            let tried = match try_it() {
                Ok(found) => Tried::Candidate(Box::new(found)),
                Err(failure) => Tried::Failure(Box::new(failure)),
            };
            *known = (version, tried);
        }
        match &known.1 {
            Tried::Candidate(found) => Some(found.1.violations),
            Tried::Not | Tried::Failure(_) => None,
        }
    }

    fn found(&self, node: NodeId) -> Option<&(Rank, Candidate)> {
        match &self.nodes.get(node.0 as usize)?.1 {
            Tried::Candidate(found) => Some(found),
            Tried::Not | Tried::Failure(_) => None,
        }
    }

    /// The candidate that was found on a node.
    pub fn candidate(&self, node: NodeId) -> Option<&Candidate> {
        self.found(node).map(|(_, candidate)| candidate)
    }

    /// How good it is.
    pub fn rank(&self, node: NodeId) -> Option<Rank> {
        self.found(node).map(|(rank, _)| *rank)
    }

    /// Why a node is no candidate.
    pub fn failure(&self, node: NodeId) -> &[(Plugin, FilterReason)] {
        match self.nodes.get(node.0 as usize) {
            Some((_, Tried::Failure(failure))) => failure,
            _ => &[],
        }
    }
}
