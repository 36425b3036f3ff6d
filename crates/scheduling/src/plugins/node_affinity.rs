//! `NodeAffinity`: node selector, required and preferred node affinity, and the nodes that terms name.
//!
//! Follows `plugins/nodeaffinity/node_affinity.go` and `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.

use std::collections::BTreeSet;

use cluster::template::NodeSelectorTerm;
use cluster::{Labels, Name, Node, SelectorOperator};

use crate::event::Event;
use crate::hints::Waiter;

/// The only field that terms can select by.
const NAME_FIELD: &str = "metadata.name";

/// Whether the node selector and one of the required terms hold. `None` requires nothing; no term at all holds
/// nowhere.
pub(crate) fn matches(selector: &Labels, terms: Option<&[NodeSelectorTerm]>, node: &Node) -> bool {
    selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
        && terms.is_none_or(|terms| any_term(terms, node))
}

/// Whether one of the terms holds on a node.
pub(crate) fn any_term(terms: &[NodeSelectorTerm], node: &Node) -> bool {
    terms.iter().any(|term| term_matches(term, node))
}

/// An empty term holds nowhere.
fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let fields = Labels::from([(NAME_FIELD.into(), node.name.clone())]);
    !(term.match_expressions.is_empty() && term.match_fields.is_empty())
        && term.match_expressions.iter().all(|requirement| requirement.matches(&node.labels))
        && term.match_fields.iter().all(|requirement| requirement.matches(&fields))
}

/// The sum of the weights of the preferred terms that hold.
pub(crate) fn preference(preferred: &[(i32, NodeSelectorTerm)], node: &Node) -> i32 {
    preferred
        .iter()
        .filter(|(_, term)| term_matches(term, node))
        .fold(0, |sum: i32, (weight, _)| sum.saturating_add(*weight))
}

/// Which nodes the required terms name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Some term names none: every node is looked at.
    Any,
    /// Only these are looked at.
    Only(BTreeSet<Name>),
    /// The terms' names exclude each other.
    Conflict,
}

/// The nodes named by `matchFields`, terms joined, requirements of one term intersected.
pub(crate) fn named(terms: &[NodeSelectorTerm]) -> Named {
    let mut names = BTreeSet::new();
    for term in terms {
        let lists = term
            .match_fields
            .iter()
            .filter(|requirement| {
                requirement.key == NAME_FIELD && requirement.operator == SelectorOperator::In
            })
            .map(|requirement| requirement.values.iter().cloned().collect::<BTreeSet<Name>>());
        match lists.reduce(|a, b| &a & &b) {
            Some(list) => names.extend(list),
            None => return Named::Any,
        }
    }
    match (terms.is_empty(), names.is_empty()) {
        (true, _) => Named::Any,
        (false, true) => Named::Conflict,
        (false, false) => Named::Only(names),
    }
}

/// A queueing hint: the node matches, and did not before.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    let here = |node| waiter.pinned.is_none_or(|pinned| pinned == node);
    match event {
        Event::NodeAdded(node) => here(*node) && waiter.cell(*node).affine,
        Event::NodeUpdated(before) => {
            here(before.node) && waiter.cell(before.node).affine && !waiter.cell_before(before).affine
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use cluster::SelectorRequirement;

    use super::*;
    use crate::testing::node;

    fn requirement(key: &str, operator: SelectorOperator, values: &[&str]) -> SelectorRequirement {
        let values = values.iter().map(|value| Name::from(*value)).collect();
        SelectorRequirement { key: key.into(), operator, values, min_values: None }
    }

    fn by_label(requirement: SelectorRequirement) -> NodeSelectorTerm {
        NodeSelectorTerm { match_expressions: vec![requirement], match_fields: vec![] }
    }

    fn by_name(names: &[&str]) -> NodeSelectorTerm {
        NodeSelectorTerm {
            match_expressions: vec![],
            match_fields: vec![requirement(NAME_FIELD, SelectorOperator::In, names)],
        }
    }

    #[test]
    fn terms_are_alternatives_and_selector_is_required_as_well() {
        let mut n = node("n");
        n.labels = Labels::from([("disk".into(), "ssd".into()), ("cores".into(), "8".into())]);
        let more = by_label(requirement("cores", SelectorOperator::Gt, &["4"]));
        let gpu = by_label(requirement("gpu", SelectorOperator::Exists, &[]));
        let no_gpu = by_label(requirement("gpu", SelectorOperator::NotIn, &["a100"]));
        assert!(matches(&Labels::new(), None, &n));
        assert!(matches(&Labels::new(), Some(&[gpu.clone(), more.clone()]), &n));
        assert!(!matches(&Labels::new(), Some(std::slice::from_ref(&gpu)), &n));
        assert!(matches(&Labels::new(), Some(&[no_gpu]), &n));
        assert!(!matches(&Labels::from([("disk".into(), "hdd".into())]), Some(&[more]), &n));
        assert!(!matches(&Labels::new(), Some(&[]), &n));
        assert!(!matches(&Labels::new(), Some(&[NodeSelectorTerm::default()]), &n));
        assert!(matches(&Labels::new(), Some(&[by_name(&["n"])]), &n));
        assert!(!matches(&Labels::new(), Some(&[by_name(&["m"])]), &n));
    }

    #[test]
    fn weights_of_matching_terms_add_up() {
        let mut n = node("n");
        n.labels = Labels::from([("disk".into(), "ssd".into())]);
        let ssd = by_label(requirement("disk", SelectorOperator::In, &["ssd"]));
        let gpu = by_label(requirement("gpu", SelectorOperator::Exists, &[]));
        assert_eq!(
            preference(&[(10, ssd.clone()), (5, gpu), (7, ssd), (100, NodeSelectorTerm::default())], &n),
            17
        );
    }

    #[test]
    fn names_of_terms_join_and_conflict() {
        let both = NodeSelectorTerm {
            match_expressions: vec![],
            match_fields: vec![
                requirement(NAME_FIELD, SelectorOperator::In, &["a", "b"]),
                requirement(NAME_FIELD, SelectorOperator::In, &["b", "c"]),
            ],
        };
        assert_eq!(named(&[both, by_name(&["d"])]), Named::Only(BTreeSet::from(["b".into(), "d".into()])));
        let label = by_label(requirement("x", SelectorOperator::Exists, &[]));
        assert_eq!(named(&[by_name(&["d"]), label]), Named::Any);
        let never = NodeSelectorTerm {
            match_expressions: vec![],
            match_fields: vec![
                requirement(NAME_FIELD, SelectorOperator::In, &["a"]),
                requirement(NAME_FIELD, SelectorOperator::In, &["b"]),
            ],
        };
        assert_eq!(named(&[never]), Named::Conflict);
    }
}
