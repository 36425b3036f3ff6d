//! Whether a node is one that a template or a volume names: `nodeSelector`, required node affinity, node terms.
//!
//! `k8s.io/component-helpers` v0.36 `scheduling/corev1/nodeaffinity`: a term without any requirement selects
//! nothing, terms are alternatives, and fields know `metadata.name` only. Which nodes a DaemonSet's pods are for is
//! `k8s.io/kubernetes` v1.36 `pkg/controller/daemon/daemon_controller.go`.

use crate::taint::{Effect, untolerated};
use crate::template::{NodeSelectorTerm, PodTemplate};
use crate::{Labels, Node};

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

/// `NodeShouldRunDaemonPod`: whether a pod of `template` (with the added tolerations) should be started on the
/// node, and whether one that is there may stay.
pub fn should_run(template: &PodTemplate, node: &Node) -> (bool, bool) {
    let named = template.node_name.as_ref().is_none_or(|name| *name == node.name);
    if !node.exists() || !named || !required_affinity_matches(template, node) {
        return (false, false);
    }
    let hard = [Effect::NoSchedule, Effect::NoExecute];
    if untolerated(&node.taints, &template.tolerations, &hard).is_none() {
        return (true, true);
    }
    (false, untolerated(&node.taints, &template.tolerations, &[Effect::NoExecute]).is_none())
}
