//! Karpenter's requirements algebra: what values a label may still take.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/scheduling/{requirement,requirements}.go` and
//! `pkg/apis/v1/labels.go`, with the well-known labels that aws/karpenter-provider-aws v1.14.1
//! `pkg/apis/v1/labels.go` adds. Values only: nothing here knows pools, types or nodes.

use std::collections::BTreeMap;
use std::fmt;

use crate::labels::{Labels, SelectorOperator, SelectorRequirement};
use crate::template::{NodeSelectorTerm, PodTemplate};
use crate::{Name, labels};

/// Labels that Karpenter with the AWS provider knows: a pod may ask for one that a pool does not mention, because
/// the instance types define it. In byte order.
pub const WELL_KNOWN_LABELS: [&str; 36] = [
    "karpenter.k8s.aws/capacity-reservation-id",
    "karpenter.k8s.aws/capacity-reservation-interruptible",
    "karpenter.k8s.aws/capacity-reservation-type",
    "karpenter.k8s.aws/instance-accelerator-count",
    "karpenter.k8s.aws/instance-accelerator-manufacturer",
    "karpenter.k8s.aws/instance-accelerator-name",
    "karpenter.k8s.aws/instance-capability-flex",
    "karpenter.k8s.aws/instance-category",
    "karpenter.k8s.aws/instance-cpu",
    "karpenter.k8s.aws/instance-cpu-manufacturer",
    "karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz",
    "karpenter.k8s.aws/instance-ebs-bandwidth",
    "karpenter.k8s.aws/instance-encryption-in-transit-supported",
    "karpenter.k8s.aws/instance-family",
    "karpenter.k8s.aws/instance-generation",
    "karpenter.k8s.aws/instance-gpu-count",
    "karpenter.k8s.aws/instance-gpu-manufacturer",
    "karpenter.k8s.aws/instance-gpu-memory",
    "karpenter.k8s.aws/instance-gpu-name",
    "karpenter.k8s.aws/instance-hypervisor",
    "karpenter.k8s.aws/instance-local-nvme",
    "karpenter.k8s.aws/instance-memory",
    "karpenter.k8s.aws/instance-network-bandwidth",
    "karpenter.k8s.aws/instance-size",
    "karpenter.k8s.aws/instance-tenancy",
    "karpenter.k8s.aws/placement-group-id",
    "karpenter.k8s.aws/placement-group-partition",
    "karpenter.sh/capacity-type",
    "karpenter.sh/nodepool",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "node.kubernetes.io/instance-type",
    "node.kubernetes.io/windows-build",
    "topology.k8s.aws/zone-id",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Labels that Karpenter's KWOK provider adds (`kwok/apis/v1alpha1/labels.go`).
const KWOK_LABELS: [&str; 4] = [
    "karpenter.kwok.sh/instance-cpu",
    "karpenter.kwok.sh/instance-family",
    "karpenter.kwok.sh/instance-memory",
    "karpenter.kwok.sh/instance-size",
];

/// Whether Karpenter knows this label: [`WELL_KNOWN_LABELS`], or one of KWOK's.
pub fn is_well_known(key: &str) -> bool {
    WELL_KNOWN_LABELS.binary_search(&key).is_ok() || KWOK_LABELS.contains(&key)
}

/// The stable key for a deprecated one; other keys as they are.
pub fn normalized_key(key: &str) -> &str {
    match key {
        "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
        other => other,
    }
}

/// What values one label may take: a set, or everything but a set, within integer bounds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key, normalized.
    pub key: Name,
    /// `values` are those that are excluded.
    pub complement: bool,
    /// Sorted, distinct.
    pub values: Vec<Name>,
    /// Inclusive lower bound: the value must be an integer.
    pub at_least: Option<i64>,
    /// Inclusive upper bound: the value must be an integer.
    pub at_most: Option<i64>,
    /// How many distinct values the instance types must still offer.
    pub min_values: Option<u32>,
}

/// A requirement's shape, as Karpenter's compatibility rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own operator names")]
pub enum Shape {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Requirement {
    /// From an operator and its values. `Gt` and `Lt` become inclusive bounds.
    pub fn new<V: AsRef<str>>(key: &str, operator: SelectorOperator, values: &[V]) -> Requirement {
        let bound = || values.first().and_then(|value| value.as_ref().parse::<i64>().ok()).unwrap_or(0);
        let mut requirement = Requirement {
            key: normalized_key(key).into(),
            complement: !matches!(operator, SelectorOperator::In | SelectorOperator::DoesNotExist),
            values: Vec::new(),
            at_least: None,
            at_most: None,
            min_values: None,
        };
        match operator {
            SelectorOperator::In | SelectorOperator::NotIn => {
                requirement.values = values.iter().map(|value| Name::from(value.as_ref())).collect();
                requirement.values.sort_unstable();
                requirement.values.dedup();
            }
            SelectorOperator::Exists | SelectorOperator::DoesNotExist => {}
            SelectorOperator::Gt => match bound().checked_add(1) {
                Some(least) => requirement.at_least = Some(least),
                None => requirement.complement = false,
            },
            SelectorOperator::Lt => match bound().checked_sub(1) {
                Some(most) => requirement.at_most = Some(most),
                None => requirement.complement = false,
            },
            SelectorOperator::Gte => requirement.at_least = Some(bound()),
            SelectorOperator::Lte => requirement.at_most = Some(bound()),
        }
        requirement
    }

    /// `In` with one value.
    pub fn equal_to(key: &str, value: &str) -> Requirement {
        Requirement::new(key, SelectorOperator::In, &[value])
    }

    /// `In` with the value of a label; shares both texts.
    fn of_label(key: &Name, value: &Name) -> Requirement {
        let normalized = normalized_key(key);
        Requirement {
            key: if normalized == key.as_str() { key.clone() } else { normalized.into() },
            complement: false,
            values: vec![value.clone()],
            at_least: None,
            at_most: None,
            min_values: None,
        }
    }

    /// Any value.
    pub fn exists(key: &str) -> Requirement {
        Requirement::new::<&str>(key, SelectorOperator::Exists, &[])
    }

    /// No value.
    pub fn does_not_exist(key: &str) -> Requirement {
        Requirement::new::<&str>(key, SelectorOperator::DoesNotExist, &[])
    }

    /// Whether this value is allowed.
    pub fn has(&self, value: &str) -> bool {
        self.contains(value) != self.complement && within(value, self.at_least, self.at_most)
    }

    /// What kind of set it is. Bounded sets count as `Exists`.
    pub fn shape(&self) -> Shape {
        match (self.complement, self.values.is_empty()) {
            (true, true) => Shape::Exists,
            (true, false) => Shape::NotIn,
            (false, true) => Shape::DoesNotExist,
            (false, false) => Shape::In,
        }
    }

    /// `NotIn` or `DoesNotExist`: holds for a label that is not there.
    pub fn allows_absence(&self) -> bool {
        matches!(self.shape(), Shape::NotIn | Shape::DoesNotExist)
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Requirement) -> Requirement {
        let complement = self.complement && other.complement;
        let at_least = self.at_least.max(other.at_least);
        let at_most = smaller(self.at_most, other.at_most);
        let min_values = self.min_values.max(other.min_values);
        let key = self.key.clone();
        if matches!((at_least, at_most), (Some(least), Some(most)) if least > most) {
            return Requirement { min_values, ..Requirement::does_not_exist(&key) };
        }
        let mut values: Vec<Name> = match (self.complement, other.complement) {
            (true, true) => self.values.iter().chain(&other.values).cloned().collect(),
            (true, false) => other.values.iter().filter(|v| !self.contains(v)).cloned().collect(),
            (false, true) => self.values.iter().filter(|v| !other.contains(v)).cloned().collect(),
            (false, false) => self.values.iter().filter(|v| other.contains(v)).cloned().collect(),
        };
        values.retain(|value| within(value, at_least, at_most));
        values.sort_unstable();
        values.dedup();
        let (at_least, at_most) = if complement { (at_least, at_most) } else { (None, None) };
        Requirement { key, complement, values, at_least, at_most, min_values }
    }

    /// Whether some value is allowed by both, without making the set.
    pub fn has_intersection(&self, other: &Requirement) -> bool {
        let at_least = self.at_least.max(other.at_least);
        let at_most = smaller(self.at_most, other.at_most);
        if matches!((at_least, at_most), (Some(least), Some(most)) if least > most) {
            return false;
        }
        let fits = |value: &Name| within(value, at_least, at_most);
        match (self.complement, other.complement) {
            (true, true) => true,
            (true, false) => other.values.iter().any(|v| !self.contains(v) && fits(v)),
            (false, true) => self.values.iter().any(|v| !other.contains(v) && fits(v)),
            (false, false) => self.values.iter().any(|v| other.contains(v) && fits(v)),
        }
    }

    /// Whether two requirements on the same key can hold together: they share a value, or both hold for a label
    /// that is not there.
    pub fn agrees_with(&self, incoming: &Requirement) -> bool {
        self.has_intersection(incoming) || self.allows_absence() && incoming.allows_absence()
    }

    /// As a selector requirement, for messages and NodeClaims; a range loses its upper bound.
    pub fn to_selector(&self) -> SelectorRequirement {
        let (operator, values) = match (self.at_least, self.at_most, self.shape()) {
            (Some(least), _, _) => (SelectorOperator::Gte, vec![Name::from(least.to_string())]),
            (None, Some(most), _) => (SelectorOperator::Lte, vec![Name::from(most.to_string())]),
            (None, None, Shape::In) => (SelectorOperator::In, self.values.clone()),
            (None, None, Shape::NotIn) => (SelectorOperator::NotIn, self.values.clone()),
            (None, None, Shape::Exists) => (SelectorOperator::Exists, Vec::new()),
            (None, None, Shape::DoesNotExist) => (SelectorOperator::DoesNotExist, Vec::new()),
        };
        SelectorRequirement { key: self.key.clone(), operator, values, min_values: self.min_values }
    }

    fn contains(&self, value: &str) -> bool {
        self.values.binary_search_by(|own| own.as_str().cmp(value)).is_ok()
    }
}

impl From<&SelectorRequirement> for Requirement {
    fn from(selector: &SelectorRequirement) -> Requirement {
        let requirement = Requirement::new(&selector.key, selector.operator, &selector.values);
        Requirement { min_values: selector.min_values, ..requirement }
    }
}

/// `kubernetes.io/arch In [amd64]`; at most five values are listed.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.key, self.shape())?;
        if !self.values.is_empty() {
            let listed: Vec<&str> = self.values.iter().take(5).map(Name::as_str).collect();
            write!(f, " [{}", listed.join(", "))?;
            if self.values.len() > 5 {
                write!(f, " and {} others", self.values.len() - 5)?;
            }
            f.write_str("]")?;
        }
        self.at_least.map_or(Ok(()), |least| write!(f, " >={least}"))?;
        self.at_most.map_or(Ok(()), |most| write!(f, " <={most}"))?;
        self.min_values.map_or(Ok(()), |min| write!(f, " minValues {min}"))
    }
}

fn within(value: &str, at_least: Option<i64>, at_most: Option<i64>) -> bool {
    if at_least.is_none() && at_most.is_none() {
        return true;
    }
    value.parse::<i64>().is_ok_and(|number| {
        at_least.is_none_or(|least| number >= least) && at_most.is_none_or(|most| number <= most)
    })
}

fn smaller(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Requirements on several labels, one a key, in key order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirements {
    entries: BTreeMap<Name, Requirement>,
}

/// Whether a label that one side does not mention may be asked for by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undefined {
    /// Never: for nodes that exist, whose labels are all known.
    Denied,
    /// Well-known labels may: for nodes to come, whose instance types define them.
    WellKnownAllowed,
}

/// Why two sets of requirements cannot hold together: the first key, in key order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incompatible {
    /// What was asked for.
    pub wanted: Requirement,
    /// What is there; `None` when the label is not known.
    pub offered: Option<Requirement>,
}

impl Requirements {
    /// No requirements.
    pub fn new() -> Requirements {
        Requirements::default()
    }

    /// Each label `In` its one value.
    pub fn of_labels(labels: &Labels) -> Requirements {
        let all = labels.iter().map(|(key, value)| Requirement::of_label(key, value));
        if labels.keys().any(|key| normalized_key(key) != key.as_str()) {
            return all.collect();
        }
        // Every key once and in order: no need to narrow what is there.
        Requirements { entries: all.map(|own| (own.key.clone(), own)).collect() }
    }

    /// From selector requirements.
    pub fn of_selectors<'s>(selectors: impl IntoIterator<Item = &'s SelectorRequirement>) -> Requirements {
        selectors.into_iter().map(Requirement::from).collect()
    }

    /// A pod's requirements on nodes with preferences taken as requirements: `nodeSelector`, the heaviest
    /// preferred term, and the first of the required terms (others are tried by whoever relaxes).
    pub fn of_pod(template: &PodTemplate) -> Requirements {
        let required = template.required_node_affinity.as_deref().unwrap_or_default();
        Requirements::of_node_affinity(&template.node_selector, required, &template.preferred_node_affinity)
    }

    /// A pod's requirements on nodes without its preferences.
    pub fn of_pod_strict(template: &PodTemplate) -> Requirements {
        let required = template.required_node_affinity.as_deref().unwrap_or_default();
        Requirements::of_node_affinity(&template.node_selector, required, &[])
    }

    /// See [`Requirements::of_pod`]; of several heaviest preferences the first counts.
    pub fn of_node_affinity(
        node_selector: &labels::Labels,
        required: &[NodeSelectorTerm],
        preferred: &[(i32, NodeSelectorTerm)],
    ) -> Requirements {
        let mut requirements = Requirements::of_labels(node_selector);
        let heaviest = preferred.iter().rev().max_by_key(|(weight, _)| *weight).map(|(_, term)| term);
        for term in heaviest.into_iter().chain(required.first()) {
            requirements.extend(term.match_expressions.iter().map(Requirement::from));
        }
        requirements
    }

    /// Narrows the requirement on the same key.
    pub fn add(&mut self, requirement: Requirement) {
        let narrowed = match self.entries.get(&requirement.key) {
            Some(existing) => requirement.intersection(existing),
            None => requirement,
        };
        self.entries.insert(narrowed.key.clone(), narrowed);
    }

    /// Narrows by all of `other`.
    pub fn add_all(&mut self, other: &Requirements) {
        self.extend(other.iter().cloned());
    }

    /// Replaces the requirement on the same key.
    pub fn set(&mut self, requirement: Requirement) {
        self.entries.insert(requirement.key.clone(), requirement);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Requirement> {
        self.entries.remove(key)
    }

    /// The requirement on a key.
    pub fn get(&self, key: &str) -> Option<&Requirement> {
        self.entries.get(key)
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In key order.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.entries.values()
    }

    /// Whether any key asks for a number of values.
    pub fn has_min_values(&self) -> bool {
        self.iter().any(|requirement| requirement.min_values.is_some())
    }

    /// Whether `incoming` can be met: custom labels must be known here (or be asked to be absent), and what both
    /// mention must agree.
    pub fn compatible(&self, incoming: &Requirements, undefined: Undefined) -> Result<(), Box<Incompatible>> {
        for wanted in incoming.iter() {
            let waived = undefined == Undefined::WellKnownAllowed && is_well_known(&wanted.key);
            if !waived && self.get(&wanted.key).is_none() && !wanted.allows_absence() {
                return Err(Box::new(Incompatible { wanted: wanted.clone(), offered: None }));
            }
        }
        match self.conflict(incoming) {
            Some((offered, wanted)) => {
                Err(Box::new(Incompatible { wanted: wanted.clone(), offered: Some(offered.clone()) }))
            }
            None => Ok(()),
        }
    }

    /// Whether a thing with these labels satisfies all of it, with [`Undefined::Denied`].
    pub fn hold_for(&self, labels: &Labels) -> bool {
        self.iter().all(|wanted| match labels.get(&wanted.key) {
            Some(value) => wanted.has(value),
            None => wanted.allows_absence(),
        })
    }

    /// Whether what both mention agrees.
    pub fn intersects(&self, incoming: &Requirements) -> bool {
        self.conflict(incoming).is_none()
    }

    /// The first key on which they do not agree: what is there, and what is asked for.
    fn conflict<'a>(&'a self, incoming: &'a Requirements) -> Option<(&'a Requirement, &'a Requirement)> {
        let both = incoming.iter().filter_map(|wanted| Some((self.get(&wanted.key)?, wanted)));
        both.into_iter().find(|(offered, wanted)| !offered.agrees_with(wanted))
    }
}

impl Extend<Requirement> for Requirements {
    fn extend<I: IntoIterator<Item = Requirement>>(&mut self, requirements: I) {
        for requirement in requirements {
            self.add(requirement);
        }
    }
}

impl FromIterator<Requirement> for Requirements {
    fn from_iter<I: IntoIterator<Item = Requirement>>(requirements: I) -> Requirements {
        let mut all = Requirements::new();
        all.extend(requirements);
        all
    }
}

#[cfg(test)]
mod tests;
