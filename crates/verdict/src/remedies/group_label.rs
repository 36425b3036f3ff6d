//! Labels of node groups: the label that waiting pods select, given to a group that the profile owns.
//!
//! Labels of Kubernetes and of its providers are what the kubelet and the cloud make them: nobody gives those by hand
//! (`k8s.io/kubernetes` `plugin/pkg/admission/noderestriction`).

use std::collections::BTreeSet;

use cluster::SelectorOperator;
use findings::Why;
use serde_json::json;

use super::requirement::is_reserved;
use super::{Case, child, set};
use crate::remedy::Remedy;

/// More proposals than this would only crowd out others.
const MAX: usize = 4;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let mut seen = BTreeSet::new();
    let mut remedies = Vec::new();
    for (_, wait) in case.workload_waits() {
        let Why::NoSuchLabel(label) = &wait.why else { continue };
        let (key, wanted) = (&label.wanted.key, &label.wanted);
        let value = match (wanted.operator, wanted.values.first()) {
            (SelectorOperator::In, Some(first)) => first.as_str(),
            (SelectorOperator::Exists, _) => "",
            _ => continue,
        };
        let groups = case.declared.profile.node_groups.iter().filter(|group| group.node_pool.is_empty());
        for group in groups.filter(|group| group.count > 0 && !is_reserved(key)) {
            // A group that has another value of the key was labelled on purpose.
            if group.labels.contains_key(key) || !seen.insert((&group.name, key, value)) {
                continue;
            }
            remedies.push(Remedy {
                id: "group-label",
                title: format!("label the nodes of group {} {key}={value}", group.name),
                edits: vec![set(child(&group.location.at("/labels"), key), json!(value))],
                operation: Some(format!(
                    "set the label where group {} is defined; nodes that are there already: kubectl label node NODE {key}={value}",
                    group.name
                )),
                cost: 1,
            });
        }
    }
    remedies.truncate(MAX);
    remedies
}
