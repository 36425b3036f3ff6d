//! Karpenter's NodePool (`karpenter.sh/v1`).

use crate::arrival::Arrival;
use crate::labels::{Labels, SelectorRequirement};
use crate::location::Location;
use crate::node_claim::TemplateHash;
use crate::{Name, Resources, Taint};

/// A NodePool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePool {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// When it arrives.
    pub arrival: Arrival,
    /// `spec.weight`; 0 when unset.
    pub weight: i32,
    /// `spec.template.metadata.labels`.
    pub labels: Labels,
    /// Its template as an API server remembers it, in `metadata.annotations`.
    pub template_hash: Option<TemplateHash>,
    /// `spec.template.metadata.annotations`.
    pub annotations: Labels,
    /// `spec.template.spec.requirements`, with `minValues`.
    pub requirements: Vec<SelectorRequirement>,
    /// `spec.template.spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.template.spec.startupTaints`.
    pub startup_taints: Vec<Taint>,
    /// `spec.template.spec.nodeClassRef.name`.
    pub node_class: Name,
    /// `spec.template.spec.expireAfter` in milliseconds; `None` is `Never`.
    pub expire_after_ms: Option<i64>,
    /// `spec.template.spec.terminationGracePeriod` in milliseconds.
    pub termination_grace_period_ms: Option<i64>,
    /// `spec.disruption.consolidationPolicy`.
    pub consolidation: ConsolidationPolicy,
    /// `spec.disruption.consolidateAfter` in milliseconds; `None` is `Never`.
    pub consolidate_after_ms: Option<i64>,
    /// `spec.disruption.budgets`; one of 10 % where none is written.
    pub budgets: Vec<Budget>,
    /// `spec.limits`: only the resources named there; `None` when unset. Units as in [`Resources::get`].
    pub limits: Vec<(Name, i64)>,
    /// `spec.replicas` of a static pool.
    pub replicas: Option<u32>,
}

impl NodePool {
    /// Whether both make the same nodes, requirements apart (`NodePool.Hash`, sigs.k8s.io/karpenter v1.14.1
    /// `pkg/apis/v1/nodepool.go`): the order of taints is no difference.
    pub fn has_template_of(&self, other: &NodePool) -> bool {
        let same = |own: &[Taint], others: &[Taint]| {
            own.iter().all(|taint| others.contains(taint)) && others.iter().all(|taint| own.contains(taint))
        };
        (&self.labels, &self.annotations, &self.node_class)
            == (&other.labels, &other.annotations, &other.node_class)
            && (self.expire_after_ms, self.termination_grace_period_ms)
                == (other.expire_after_ms, other.termination_grace_period_ms)
            && same(&self.taints, &other.taints)
            && same(&self.startup_taints, &other.startup_taints)
    }

    /// What is left under `limits` when `used` is taken: only limited resources.
    pub fn limit(&self, resource: &str) -> Option<i64> {
        self.limits.iter().find(|(name, _)| name == resource).map(|(_, amount)| *amount)
    }

    /// The first limited resource of which `used` has reached or passed the limit, with the limit.
    pub fn exceeded_limit(&self, used: &Resources) -> Option<(&Name, i64)> {
        self.limits.iter().find(|(name, limit)| used.get(name) > *limit).map(|(name, limit)| (name, *limit))
    }
}

/// When nodes are consolidated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are Karpenter's own names")]
pub enum ConsolidationPolicy {
    WhenEmpty,
    WhenEmptyOrUnderutilized,
    Balanced,
}

/// A disruption budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many nodes at once.
    pub nodes: BudgetNodes,
    /// Which reasons it limits; empty is all.
    pub reasons: Vec<DisruptionReason>,
    /// Cron schedule in UTC and duration in milliseconds: when it is in force; `None` is always.
    pub schedule: Option<(Name, i64)>,
}

/// A count or a percentage (rounded up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum BudgetNodes {
    Count(u32),
    Percent(u32),
}

/// Why a node is disrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs, reason = "the variants are Karpenter's own names")]
pub enum DisruptionReason {
    Empty,
    Underutilized,
    Drifted,
    Expired,
    Unhealthy,
}

impl DisruptionReason {
    /// As Karpenter's API and events have it.
    pub fn as_str(self) -> &'static str {
        match self {
            DisruptionReason::Empty => "Empty",
            DisruptionReason::Underutilized => "Underutilized",
            DisruptionReason::Drifted => "Drifted",
            DisruptionReason::Expired => "Expired",
            DisruptionReason::Unhealthy => "Unhealthy",
        }
    }
}
