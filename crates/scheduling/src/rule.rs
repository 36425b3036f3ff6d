//! What of a pod's fate on a node depends on neither other pods nor the node's load: `nodeName`, node selector and
//! affinity, tolerations. Pods that agree in these share a [`Rule`], whose verdict on every node is computed once
//! and again when the node changes.

use cluster::template::{NodeSelectorTerm, PodTemplate};
use cluster::{Labels, Name, Node, Toleration};

use crate::plugins::{node_affinity, node_name, node_unschedulable, taint_toleration};
use crate::refusal::Refusal;

/// The parts of a template that a rule is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleKey {
    pub node_name: Option<Name>,
    pub node_selector: Labels,
    /// `None` as well for DaemonSet pods, whose terms the controller replaces by the node's name.
    pub terms: Option<Vec<NodeSelectorTerm>>,
    pub preferred: Vec<(i32, NodeSelectorTerm)>,
    pub tolerations: Vec<Toleration>,
}

impl RuleKey {
    /// The rule of a template; `pinned` for pods that are made for one node.
    pub fn of(template: &PodTemplate, pinned: bool) -> RuleKey {
        RuleKey {
            node_name: template.node_name.clone(),
            node_selector: template.node_selector.clone(),
            terms: if pinned { None } else { template.required_node_affinity.clone() },
            preferred: template.preferred_node_affinity.clone(),
            tolerations: template.tolerations.clone(),
        }
    }

    /// What the rule says of a node.
    pub fn cell(&self, node: &Node) -> Cell {
        let affine = node_affinity::matches(&self.node_selector, self.terms.as_deref(), node);
        let tolerated = taint_toleration::untolerated(&node.taints, &self.tolerations).is_none();
        let refusal = if node_unschedulable::refuses(node, &self.tolerations) {
            Some(Refusal::Unschedulable)
        } else if node_name::refuses(self.node_name.as_ref(), node) {
            Some(Refusal::NodeName)
        } else if !tolerated {
            Some(Refusal::Taint)
        } else if !affine {
            Some(Refusal::NodeAffinity)
        } else {
            None
        };
        Cell {
            refusal,
            affine,
            tolerated,
            disliked: taint_toleration::disliked(&node.taints, &self.tolerations),
            preferred: node_affinity::preference(&self.preferred, node),
        }
    }
}

/// A rule's verdict on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The first filter that refuses, in the order of the default profile.
    pub refusal: Option<Refusal>,
    /// The node selector and the required affinity match.
    pub affine: bool,
    /// Every `NoSchedule` and `NoExecute` taint is tolerated.
    pub tolerated: bool,
    /// `PreferNoSchedule` taints that are not tolerated.
    pub disliked: u16,
    /// Weights of the preferred terms that match.
    pub preferred: i32,
}

/// A rule with its verdicts.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub key: RuleKey,
    /// By node index.
    pub cells: Vec<Cell>,
}
