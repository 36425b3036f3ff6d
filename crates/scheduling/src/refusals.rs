//! Nodes that refused a pod, one entry for each node; reasons and numbers are read when somebody asks.

use cluster::NodeId;

use crate::refusal::Refusal;

/// Why a node refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub refusal: Refusal,
    /// It refuses only while the pods count that it is kept for.
    pub crowded: bool,
    /// Where they are remembered.
    pub numbers: Option<Numbers>,
}

/// What is asked of a refusal when no node fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Removing pods may help.
    pub resolvable: bool,
    /// What the node lacks, as bits.
    pub lacking: u8,
}

/// Nodes that refused, in id order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    by_node: Vec<Option<Refused>>,
    /// How many they are.
    pub count: u32,
}

impl Refusals {
    /// None yet, of so many nodes.
    pub fn of(nodes: usize) -> Refusals {
        Refusals { by_node: vec![None; nodes], count: 0 }
    }

    /// Notes that a node refused.
    pub fn note(&mut self, node: NodeId, refused: Refused) {
        if let Some(slot) = self.by_node.get_mut(node.0 as usize) {
            self.count += u32::from(slot.is_none());
            *slot = Some(refused);
        }
    }

    /// Why a node refused, if it did.
    pub fn get(&self, node: NodeId) -> Option<Refused> {
        self.by_node.get(node.0 as usize).copied().flatten()
    }

    /// A node on which a filter ended in an error.
    pub fn error(&self) -> Option<NodeId> {
        self.iter().find(|(_, refused)| refused.refusal == Refusal::DeviceError).map(|(node, _)| node)
    }

    /// All of them, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Refused)> {
        (0..).map(NodeId).zip(&self.by_node).filter_map(|(node, refused)| Some((node, (*refused)?)))
    }
}
