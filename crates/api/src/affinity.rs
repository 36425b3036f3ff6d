//! Node affinity, pod (anti-)affinity and topology spread constraints.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/validation` `validateAffinity`,
//! `validateTopologySpreadConstraints` and `pkg/registry/core/pod/strategy.go` `mutatePodAffinity` /
//! `applySchedulingGatedCondition` for `matchLabelKeys`.

use cluster::template::{NodeSelectorTerm, PodAffinity, PodAffinityTerm, TopologySpread};
use cluster::{FieldPath, LabelSelector, Labels, Name, SelectorOperator, SelectorRequirement};
use k8s_openapi::api::core::v1 as core;

use crate::code;
use crate::problem::Reporter;
use crate::requirement;
use crate::selector::{label_selector, names, node_term};

/// Required terms (any may hold), and preferred ones with their weights.
pub(crate) type NodeAffinity = (Option<Vec<NodeSelectorTerm>>, Vec<(i32, NodeSelectorTerm)>);

/// `affinity.nodeAffinity`.
pub(crate) fn node_affinity(
    wire: Option<&core::NodeAffinity>,
    subject: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> NodeAffinity {
    let Some(wire) = wire else { return (None, Vec::new()) };
    let required = wire.required_during_scheduling_ignored_during_execution.as_ref().map(|selector| {
        let path = path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
        if selector.node_selector_terms.is_empty() {
            reporter.error(
                &path,
                code::MISSING_FIELD,
                format!("{path}: must have at least one node selector term"),
                "",
            );
        }
        let terms = selector.node_selector_terms.iter().enumerate();
        let mut read = Vec::new();
        for (index, term) in terms {
            if !subject.live {
                check_values(term, &path.child(index), reporter);
            }
            read.push(node_term(term, &path.child(index), reporter));
        }
        read
    });
    let path = path.child("preferredDuringSchedulingIgnoredDuringExecution");
    let mut preferred = Vec::new();
    for (index, term) in
        wire.preferred_during_scheduling_ignored_during_execution.iter().flatten().enumerate()
    {
        weight(term.weight, &path.child(index), reporter);
        preferred.push((
            term.weight,
            node_term(&term.preference, &path.child(index).child("preference"), reporter),
        ));
    }
    (required, preferred)
}

/// Values of required terms are label values; those of preferred ones are not looked at.
fn check_values(term: &core::NodeSelectorTerm, path: &FieldPath, reporter: &mut Reporter<'_>) {
    for (index, expression) in term.match_expressions.iter().flatten().enumerate() {
        let values = expression.values.iter().flatten().enumerate();
        for (place, value) in values.filter(|(_, value)| !requirement::is_label_value(value)) {
            let at = path.child("matchExpressions").child(index).child("values").child(place);
            reporter.error(&at, code::BAD_VALUE, format!("{at}: {value:?} is not a label value"), "");
        }
    }
}

/// `matchLabelKeys` and `mismatchLabelKeys` of one term, against the selector that they are merged into.
fn check_label_keys(
    (matched, mismatched): (&[String], &[String]),
    selector: Option<&LabelSelector>,
    pod: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    if pod.live || matched.is_empty() && mismatched.is_empty() {
        return;
    }
    let at = path.child("matchLabelKeys");
    let Some(selector) = selector else {
        let message = format!("{at}: must not be specified when labelSelector is not set");
        reporter.error(&at, code::EXCLUSIVE_FIELDS, message, "write a labelSelector");
        return;
    };
    for key in matched {
        let own = selector.requirements.iter().filter(|requirement| requirement.key == *key).count();
        let message = if own + usize::from(pod.labels.contains_key(key.as_str())) > 1 {
            format!("{at}: {key:?} exists in both matchLabelKeys and labelSelector")
        } else if mismatched.contains(key) {
            format!("{at}: {key:?} exists in both matchLabelKeys and mismatchLabelKeys")
        } else {
            continue;
        };
        reporter.error(&at, code::EXCLUSIVE_FIELDS, message, "name the label in one of the two");
    }
}

fn weight(weight: i32, path: &FieldPath, reporter: &mut Reporter<'_>) {
    if !(1..=100).contains(&weight) {
        let at = path.child("weight");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: {weight} is not in the range 1-100"),
            "write a weight from 1 to 100",
        );
    }
}

/// The pod whose affinity is read.
pub(crate) struct Subject<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a Name,
    /// Its labels.
    pub(crate) labels: &'a Labels,
    /// It was accepted already, whatever the rules are today.
    pub(crate) live: bool,
}

/// `affinity.podAffinity` and `affinity.podAntiAffinity`, given as their two lists.
pub(crate) fn pod_affinity(
    required: Option<&[core::PodAffinityTerm]>,
    preferred: Option<&[core::WeightedPodAffinityTerm]>,
    subject: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> PodAffinity {
    let mut affinity = PodAffinity::default();
    let at = path.child("requiredDuringSchedulingIgnoredDuringExecution");
    for (index, wire) in required.unwrap_or_default().iter().enumerate() {
        affinity.required.push(pod_term(wire, subject, &at.child(index), reporter));
    }
    let at = path.child("preferredDuringSchedulingIgnoredDuringExecution");
    for (index, wire) in preferred.unwrap_or_default().iter().enumerate() {
        weight(wire.weight, &at.child(index), reporter);
        let path = at.child(index).child("podAffinityTerm");
        affinity.preferred.push((wire.weight, pod_term(&wire.pod_affinity_term, subject, &path, reporter)));
    }
    affinity
}

fn pod_term(
    wire: &core::PodAffinityTerm,
    subject: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> PodAffinityTerm {
    if wire.topology_key.is_empty() {
        let at = path.child("topologyKey");
        reporter.error(
            &at,
            code::MISSING_FIELD,
            format!("{at}: required value: can not be empty"),
            "such as kubernetes.io/hostname",
        );
    }
    let mut selector = wire
        .label_selector
        .as_ref()
        .map(|selector| label_selector(selector, &path.child("labelSelector"), reporter));
    let keys = (wire.match_label_keys.as_deref(), wire.mismatch_label_keys.as_deref());
    let keys = (keys.0.unwrap_or_default(), keys.1.unwrap_or_default());
    check_label_keys(keys, selector.as_ref(), subject, path, reporter);
    if let Some(selector) = &mut selector {
        let keys = [
            (&wire.match_label_keys, SelectorOperator::In),
            (&wire.mismatch_label_keys, SelectorOperator::NotIn),
        ];
        for (keys, operator) in keys {
            for key in keys.iter().flatten() {
                let Some(value) = subject.labels.get(key.as_str()) else { continue };
                let values = vec![value.clone()];
                selector.requirements.push(SelectorRequirement {
                    key: key.as_str().into(),
                    operator,
                    values,
                    min_values: None,
                });
            }
        }
    }
    let mut namespaces = names(wire.namespaces.as_deref());
    if namespaces.is_empty() && wire.namespace_selector.is_none() {
        namespaces.push(subject.namespace.clone());
    }
    let namespace_selector = wire
        .namespace_selector
        .as_ref()
        .map(|selector| label_selector(selector, &path.child("namespaceSelector"), reporter));
    PodAffinityTerm {
        selector,
        namespaces,
        namespace_selector,
        topology_key: wire.topology_key.as_str().into(),
    }
}

/// `topologySpreadConstraints`.
pub(crate) fn topology_spread(
    list: Option<&[core::TopologySpreadConstraint]>,
    subject: &Subject<'_>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Vec<TopologySpread> {
    let mut constraints = Vec::new();
    for (index, wire) in list.unwrap_or_default().iter().enumerate() {
        let path = path.child(index);
        check_spread(wire, &path, reporter);
        let selector = wire
            .label_selector
            .as_ref()
            .map(|selector| label_selector(selector, &path.child("labelSelector"), reporter));
        let keys = wire.match_label_keys.as_deref().unwrap_or_default();
        check_label_keys((keys, &[]), selector.as_ref(), subject, &path, reporter);
        constraints.push(TopologySpread {
            max_skew: wire.max_skew,
            min_domains: wire.min_domains,
            topology_key: wire.topology_key.as_str().into(),
            required: wire.when_unsatisfiable == "DoNotSchedule",
            selector,
            match_label_keys: names(wire.match_label_keys.as_deref()),
            honor_node_affinity: wire.node_affinity_policy.as_deref().unwrap_or("Honor") == "Honor",
            honor_node_taints: wire.node_taints_policy.as_deref() == Some("Honor"),
        });
    }
    constraints
}

fn check_spread(wire: &core::TopologySpreadConstraint, path: &FieldPath, reporter: &mut Reporter<'_>) {
    let mut refuse = |field: &str, message: String| {
        let at = path.child(field);
        reporter.error(&at, code::BAD_VALUE, format!("{at}: {message}"), "");
    };
    if wire.max_skew <= 0 {
        refuse("maxSkew", format!("{} must be greater than zero", wire.max_skew));
    }
    if wire.topology_key.is_empty() {
        refuse("topologyKey", "required value: can not be empty".to_owned());
    }
    if !matches!(wire.when_unsatisfiable.as_str(), "DoNotSchedule" | "ScheduleAnyway") {
        refuse(
            "whenUnsatisfiable",
            format!("{:?} is not one of DoNotSchedule, ScheduleAnyway", wire.when_unsatisfiable),
        );
    }
    match wire.min_domains {
        Some(domains) if domains <= 0 => refuse("minDomains", format!("{domains} must be greater than zero")),
        Some(_) if wire.when_unsatisfiable == "ScheduleAnyway" => {
            refuse("minDomains", "can only be used with whenUnsatisfiable DoNotSchedule".to_owned());
        }
        _ => {}
    }
    for (field, policy) in
        [("nodeAffinityPolicy", &wire.node_affinity_policy), ("nodeTaintsPolicy", &wire.node_taints_policy)]
    {
        if let Some(policy) = policy.as_deref().filter(|policy| !matches!(*policy, "Honor" | "Ignore")) {
            refuse(field, format!("{policy:?} is not one of Honor, Ignore"));
        }
    }
}
