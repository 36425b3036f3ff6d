//! Whether a node is one that a template or a volume names: `nodeSelector`, required node affinity, node terms.
//!
//! `k8s.io/component-helpers` v0.36 `scheduling/corev1/nodeaffinity`: a term without any requirement selects
//! nothing, terms are alternatives, and fields know `metadata.name` only.

use cluster::template::{NodeSelectorTerm, PodTemplate};
use cluster::{Labels, Node};

/// `GetRequiredNodeAffinity(pod).Match(node)`.
pub fn required_affinity_matches(template: &PodTemplate, node: &Node) -> bool {
    let selected = template.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value));
    selected && template.required_node_affinity.as_ref().is_none_or(|terms| any_term_matches(terms, node))
}

/// Whether any of `terms` selects the node.
pub fn any_term_matches(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| {
        let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
        !empty
            && term.match_expressions.iter().all(|requirement| requirement.matches(&node.labels))
            && term.match_fields.iter().all(|requirement| {
                let fields = Labels::from([("metadata.name".into(), node.name.clone())]);
                requirement.key == "metadata.name" && requirement.matches(&fields)
            })
    })
}
