//! Which node wants to be looked at when. One instant a node: setting it again replaces it.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{NodeId, Timestamp};

/// One instant for each node that wants one.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    of_node: BTreeMap<NodeId, Timestamp>,
    in_order: BTreeSet<(Timestamp, NodeId)>,
}

impl Agenda {
    /// Sets a node's instant, or clears it.
    pub fn set(&mut self, node: NodeId, at: Option<Timestamp>) {
        if let Some(known) = self.of_node.remove(&node) {
            self.in_order.remove(&(known, node));
        }
        if let Some(at) = at {
            self.of_node.insert(node, at);
            self.in_order.insert((at, node));
        }
    }

    /// The earliest instant.
    pub fn next(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(at, _)| *at)
    }

    /// Takes the nodes whose instant has come.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<NodeId> {
        let mut due = Vec::new();
        while let Some((at, node)) = self.in_order.first().copied().filter(|(at, _)| *at <= now) {
            self.in_order.remove(&(at, node));
            self.of_node.remove(&node);
            due.push(node);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_instant_replaces_an_earlier_one() {
        let mut agenda = Agenda::default();
        agenda.set(NodeId(1), Some(Timestamp(10)));
        agenda.set(NodeId(2), Some(Timestamp(20)));
        agenda.set(NodeId(1), Some(Timestamp(30)));
        assert_eq!(agenda.next(), Some(Timestamp(20)));
        assert_eq!(agenda.take_due(Timestamp(30)), [NodeId(2), NodeId(1)]);
        assert_eq!(agenda.next(), None);
        agenda.set(NodeId(1), Some(Timestamp(40)));
        agenda.set(NodeId(1), None);
        assert_eq!(agenda.next(), None);
    }
}
