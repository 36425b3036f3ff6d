//! Pods that the scheduler cannot tell apart: one template, namespace, owner and revision.
//!
//! A cluster has as many classes as it has workloads, not pods; everything that depends on selectors is worked out
//! once for each class.

use std::sync::Arc;

use cluster::rejection::Rejection;
use cluster::{Name, PodTemplate, WorkloadId};

use crate::counter::PodFacts;
use crate::glance::Glances;
use crate::plugins::default_preemption::Tries;
use crate::room::Request;

/// A class's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub(crate) u32);

/// A class of pods.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub namespace: Name,
    pub template: Arc<PodTemplate>,
    /// The workload and revision that the pods count for.
    pub owner: Option<(WorkloadId, u32)>,
    /// Rules for pods that may go anywhere, and for those made for one node.
    pub rules: [Option<u32>; 2],
    pub request: Arc<Request>,
    /// Score cache of its request.
    pub shape: u32,
    /// Counters that count pods of this class.
    pub counters: Vec<u32>,
    /// Owned terms (of pods that are placed) that match pods of this class.
    pub hit_by: Vec<u32>,
    /// What the class asks of other pods; worked out at its first attempt.
    pub wishes: Option<Arc<Wishes>>,
    /// Why its last pod found no node, and the index's version then: the next pod would hear the same.
    pub refused: Option<(u64, Arc<Rejection>)>,
    /// What nodes say by their room alone.
    pub glances: Glances,
    /// What preemption would do for it on each node.
    pub tries: Tries,
}

impl Class {
    pub fn facts(&self) -> PodFacts<'_> {
        PodFacts { namespace: &self.namespace, labels: &self.template.labels, owner: self.owner }
    }
}

/// What pods of a class ask of where other pods are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// `DoNotSchedule` constraints.
    pub hard_spread: Vec<HardSpread>,
    /// `ScheduleAnyway` constraints, the cluster's defaults included.
    pub soft_spread: Vec<SoftSpread>,
    /// Keys that a node must have to be scored by soft constraints; empty for the cluster's defaults.
    pub soft_keys: Vec<u32>,
    /// Required affinity terms: for each a group and its key.
    pub affinity: Vec<(u32, u32)>,
    /// Pods of the class satisfy their own affinity terms.
    pub likes_itself: bool,
    /// Required anti-affinity terms.
    pub anti_affinity: Vec<(u32, u32)>,
    /// Preferred terms: signed weight, group, key.
    pub preferred: Vec<(i64, u32, u32)>,
}

/// A hard spread constraint.
#[derive(Clone, Debug)]
pub(crate) struct HardSpread {
    pub group: u32,
    /// What comes and goes while nodes are tried with other pods on them is counted by this one: pods that are being
    /// deleted and what an empty selector matches are in it.
    pub moved: u32,
    pub key: u32,
    pub max_skew: i64,
    pub min_domains: u32,
    /// 1 if pods of the class match their own selector.
    pub itself: i64,
    /// Whether node affinity is honoured: for pods made for one node that leaves one node.
    pub honors_affinity: bool,
}

/// A soft spread constraint.
#[derive(Clone, Debug)]
pub(crate) struct SoftSpread {
    pub key: u32,
    pub max_skew: i32,
    /// Counted per node.
    pub counter: u32,
    /// Counted per domain; `None` for `kubernetes.io/hostname`.
    pub group: Option<u32>,
}

/// A term that pods carry with them and that others feel once they are placed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnedTerm {
    pub term: crate::counter::PodTerm,
    pub key: u32,
    pub kind: OwnedKind,
}

/// What an owned term does to pods that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OwnedKind {
    /// Required anti-affinity: keeps them out of the domain.
    Repels,
    /// Draws them (or, below zero, pushes them) by this weight.
    Weighs(i64),
}

impl OwnedKind {
    /// How strongly it draws; 0 for terms that only repel.
    pub fn weight(self) -> i64 {
        match self {
            OwnedKind::Repels => 0,
            OwnedKind::Weighs(weight) => weight,
        }
    }
}
