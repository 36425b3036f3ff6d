//! Counting pods by selector: how many pods on each node match, kept in step with every placement.
//!
//! Topology spread, pod (anti-)affinity and their scores all ask "how many pods that look like this are in that
//! domain". A [`Counter`] answers per node; `domain` sums nodes to domains.

use cluster::admission::Namespace;
use cluster::{LabelSelector, Labels, Name, WorkloadId};
use std::collections::BTreeMap;

/// Which pods a term means, whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PodTerm {
    /// Namespaces by name.
    pub namespaces: Vec<Name>,
    /// Namespaces by label.
    pub namespace_selector: Option<LabelSelector>,
    /// Pods by label; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// Only pods of one revision of a workload: what `pod-template-hash` stands for.
    pub revision: Option<(WorkloadId, u32)>,
}

/// What a term is compared with: everything of a pod that selectors can see.
#[derive(Clone, Copy)]
pub(crate) struct PodFacts<'a> {
    pub namespace: &'a Name,
    pub labels: &'a Labels,
    pub owner: Option<(WorkloadId, u32)>,
}

impl PodTerm {
    /// Matches no pod.
    pub fn nothing() -> PodTerm {
        PodTerm { namespaces: Vec::new(), namespace_selector: None, selector: None, revision: None }
    }

    /// By `k8s.io/kube-scheduler/framework` `AffinityTerm.Matches`.
    pub fn matches(&self, pod: PodFacts<'_>, namespaces: &BTreeMap<Name, Namespace>) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(pod.labels))
            && self.revision.is_none_or(|revision| pod.owner == Some(revision))
            && self.has_namespace(pod.namespace, namespaces)
    }

    fn has_namespace(&self, name: &Name, namespaces: &BTreeMap<Name, Namespace>) -> bool {
        self.namespaces.contains(name)
            || self.namespace_selector.as_ref().is_some_and(|selector| match namespaces.get(name) {
                Some(namespace) => selector.matches(&namespace.labels),
                None => selector.matches(&Labels::new()),
            })
    }
}

/// Which pods a counter counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// Pods that all terms match; `living` leaves out pods that are being deleted, as topology spread does.
    Matching { terms: Vec<PodTerm>, living: bool },
    /// Pods that carry the owned term with this index.
    Owning(u32),
}

impl Counted {
    /// Whether pods that are being deleted are left out.
    pub fn living(&self) -> bool {
        matches!(self, Counted::Matching { living: true, .. })
    }
}

/// Pods per node that match.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub counted: Counted,
    /// By node index.
    pub per_node: Vec<u32>,
    /// Groups that sum this counter to domains.
    pub groups: Vec<u32>,
}

impl Counter {
    pub fn new(counted: Counted) -> Counter {
        Counter { counted, per_node: Vec::new(), groups: Vec::new() }
    }

    pub fn on(&self, node: usize) -> u32 {
        self.per_node.get(node).copied().unwrap_or(0)
    }

    pub fn change(&mut self, node: usize, up: bool) {
        if self.per_node.len() <= node {
            self.per_node.resize(node + 1, 0);
        }
        let count = &mut self.per_node[node];
        *count = if up { count.saturating_add(1) } else { count.saturating_sub(1) };
    }
}
