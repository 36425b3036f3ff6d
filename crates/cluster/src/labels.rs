//! Labels and the selectors over them.

use std::collections::BTreeMap;

use crate::Name;

/// Labels or annotations, in key order.
pub type Labels = BTreeMap<Name, Name>;

/// Operators of label selectors, node selectors and NodePool requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own operator names")]
pub enum SelectorOperator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
    Gte,
    Lte,
}

impl SelectorOperator {
    /// Parses the operator as written in a manifest.
    pub fn parse(text: &str) -> Option<SelectorOperator> {
        Some(match text {
            "In" => SelectorOperator::In,
            "NotIn" => SelectorOperator::NotIn,
            "Exists" => SelectorOperator::Exists,
            "DoesNotExist" => SelectorOperator::DoesNotExist,
            "Gt" => SelectorOperator::Gt,
            "Lt" => SelectorOperator::Lt,
            "Gte" => SelectorOperator::Gte,
            "Lte" => SelectorOperator::Lte,
            _ => return None,
        })
    }

    /// The operator as it is written in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            SelectorOperator::In => "In",
            SelectorOperator::NotIn => "NotIn",
            SelectorOperator::Exists => "Exists",
            SelectorOperator::DoesNotExist => "DoesNotExist",
            SelectorOperator::Gt => "Gt",
            SelectorOperator::Lt => "Lt",
            SelectorOperator::Gte => "Gte",
            SelectorOperator::Lte => "Lte",
        }
    }
}

/// One requirement on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectorRequirement {
    /// The label's key.
    pub key: Name,
    /// How the values are compared.
    pub operator: SelectorOperator,
    /// The values as written.
    pub values: Vec<Name>,
    /// NodePool requirements only: how many distinct values must stay possible.
    pub min_values: Option<u32>,
}

impl SelectorRequirement {
    /// Whether `labels` satisfy this requirement, by `k8s.io/apimachinery/pkg/labels` `Requirement.Matches`:
    /// `NotIn` and `DoesNotExist` hold for a missing key; the numeric operators need an integer on both sides.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        // A sign makes a value that is no label value, with which upstream matches nothing.
        let bound =
            || self.values.first().filter(|v| !v.starts_with(['-', '+'])).and_then(|v| v.parse::<i64>().ok());
        let compare =
            |holds: fn(i64, i64) -> bool| matches!((number(), bound()), (Some(n), Some(b)) if holds(n, b));
        match self.operator {
            SelectorOperator::In => value.is_some_and(|v| self.values.contains(v)),
            SelectorOperator::NotIn => value.is_none_or(|v| !self.values.contains(v)),
            SelectorOperator::Exists => value.is_some(),
            SelectorOperator::DoesNotExist => value.is_none(),
            SelectorOperator::Gt => compare(|n, b| n > b),
            SelectorOperator::Lt => compare(|n, b| n < b),
            SelectorOperator::Gte => compare(|n, b| n >= b),
            SelectorOperator::Lte => compare(|n, b| n <= b),
        }
    }
}

/// `metav1.LabelSelector`: all of it must hold; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector {
    /// `matchLabels` and `matchExpressions`, as requirements.
    pub requirements: Vec<SelectorRequirement>,
}

impl LabelSelector {
    /// Whether every requirement holds.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
}
