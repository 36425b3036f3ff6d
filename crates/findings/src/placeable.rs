//! Which labels nodes have or can have: what a pod asks for beyond them, nobody can ever give.
//!
//! Follows kubernetes v1.36 `pkg/scheduler/framework/plugins/nodeaffinity` (terms are alternatives) and
//! `sigs.k8s.io/karpenter` v1.14.1 `pkg/scheduling/requirements.go` (custom labels must be defined by the pool).
//! Labels that an agent adds to nodes later are not known here.

use std::collections::{BTreeMap, BTreeSet};

use cluster::requirements::{Requirement, Requirements, Undefined, is_well_known};
use cluster::{Cluster, Kind, Name, PodTemplate, SelectorOperator, SelectorRequirement};

use crate::provisioner;

/// The label that arch-specific findings are about.
pub(crate) const ARCH: &str = "kubernetes.io/arch";

/// Labels of the nodes that there are or could be.
pub(crate) struct Placeable {
    /// Values by key, of nodes and of node groups.
    labels: BTreeMap<Name, BTreeSet<Name>>,
    pools: Vec<(Name, Requirements)>,
    /// Something could make nodes with labels that are not known.
    open: bool,
    /// Some group grows by itself: well-known labels depend on its type.
    scales: bool,
}

/// A label that no node has and no pool gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchLabel {
    /// What the pods ask for.
    pub wanted: SelectorRequirement,
    /// It is written in `nodeSelector`; otherwise in the required node affinity.
    pub in_selector: bool,
    /// What comes nearest, as `key=value`.
    pub nearest: Vec<Name>,
}

impl Placeable {
    pub(crate) fn new(cluster: &Cluster) -> Placeable {
        let declared = &cluster.declared;
        let mut labels: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        let groups = &declared.profile.node_groups;
        let of_nodes = cluster.live_nodes().map(|node| &node.labels);
        for (key, value) in of_nodes.chain(groups.iter().map(|group| &group.labels)).flatten() {
            if !labels.get(key).is_some_and(|values| values.contains(value)) {
                labels.entry(key.clone()).or_default().insert(value.clone());
            }
        }
        let pools = declared.node_pools.iter().map(|pool| {
            let mut offered = Requirements::of_labels(&pool.labels);
            offered.extend(pool.requirements.iter().map(Requirement::from));
            offered.add(Requirement::equal_to("karpenter.sh/nodepool", &pool.name));
            (pool.name.clone(), offered)
        });
        let no_labels = labels.is_empty();
        Placeable {
            labels,
            pools: pools.collect(),
            open: (no_labels && declared.node_pools.is_empty())
                || !declared.profile.fargate.is_empty()
                || !unusable(cluster, &Kind::NodePool).is_empty(),
            scales: groups.iter().any(|group| group.autoscaled),
        }
    }

    /// The first label that makes every alternative of the pod's node selector and required affinity impossible.
    pub(crate) fn impossible(&self, template: &PodTemplate) -> Option<NoSuchLabel> {
        // A provisioner without a node waits for itself: that is its own story.
        let provisions = provisioner::adds_nodes(template.role.program);
        if self.open || provisions || template.node_name.is_some() {
            return None;
        }
        let selector = Requirements::of_labels(&template.node_selector);
        if let Some(wanted) = selector.iter().find(|wanted| !self.can_be(wanted)) {
            return Some(self.no_such(wanted, true));
        }
        let terms = template.required_node_affinity.as_deref()?;
        let mut first = None;
        for term in terms {
            if !term.match_fields.is_empty() {
                return None;
            }
            let own = Requirements::of_selectors(&term.match_expressions);
            let wanted = own.iter().find(|wanted| !self.can_be(wanted))?.clone();
            first.get_or_insert(wanted);
        }
        first.map(|wanted| self.no_such(&wanted, false))
    }

    fn can_be(&self, wanted: &Requirement) -> bool {
        let some_node =
            self.labels.get(&wanted.key).is_some_and(|values| values.iter().any(|v| wanted.has(v)));
        // Which pools refuse an architecture is said by a finding of its own.
        let told_elsewhere = wanted.key == ARCH && !self.pools.is_empty();
        let alone: Requirements = [wanted.clone()].into_iter().collect();
        let some_pool =
            || self.pools.iter().any(|(_, own)| own.compatible(&alone, Undefined::WellKnownAllowed).is_ok());
        let grown = || self.scales && is_well_known(&wanted.key);
        wanted.allows_absence() || some_node || told_elsewhere || some_pool() || grown()
    }

    fn no_such(&self, wanted: &Requirement, in_selector: bool) -> NoSuchLabel {
        NoSuchLabel { wanted: wanted.to_selector(), in_selector, nearest: self.nearest(wanted) }
    }

    /// Other values of the same key; without any, the same value under another key.
    fn nearest(&self, wanted: &Requirement) -> Vec<Name> {
        let mut same_key: BTreeSet<Name> = self.labels.get(&wanted.key).cloned().unwrap_or_default();
        let of_pools = self.pools.iter().filter_map(|(_, own)| own.get(&wanted.key));
        let listed = of_pools.filter(|own| own.to_selector().operator == SelectorOperator::In);
        same_key.extend(listed.flat_map(|own| own.to_selector().values));
        let said = |key: &Name, value: &Name| Name::from(format!("{key}={value}"));
        if !same_key.is_empty() {
            let asked = wanted.to_selector().values;
            let mut values: Vec<Name> = same_key.into_iter().collect();
            values.sort_by_key(|value| asked.iter().map(|own| distance(own, value)).min());
            return values.iter().take(3).map(|value| said(&wanted.key, value)).collect();
        }
        let nodes = self.labels.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let selector = wanted.to_selector();
        let same_value = nodes.filter(|(_, value)| selector.values.contains(value) && value.len() > 2);
        same_value.take(3).map(|(key, value)| said(key, value)).collect()
    }
}

/// How far two values are apart, in letters; those that are too long to be labels are far.
fn distance(one: &str, other: &str) -> usize {
    if one.len().max(other.len()) > 100 { usize::MAX } else { strsim::osa_distance(one, other) }
}

/// Objects of a kind that are in the input and that the API server, or whoever reads them, refuses for their own
/// mistakes: each is a problem of the input.
pub(crate) fn unusable(cluster: &Cluster, kind: &Kind) -> Vec<cluster::ObjectKey> {
    let declared = &cluster.declared;
    let known = |name: &Name| match kind {
        Kind::NodePool => declared.node_pools.iter().any(|pool| pool.name == *name),
        Kind::Ec2NodeClass => declared.node_class(name).is_some(),
        _ => true,
    };
    declared.objects.keys().filter(|key| key.kind == *kind && !known(&key.name)).cloned().collect()
}
