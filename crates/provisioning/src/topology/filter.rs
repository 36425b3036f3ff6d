//! Which nodes count for a spread constraint.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/topologynodefilter.go`.

use cluster::requirements::{Requirement, Requirements, Undefined};
use cluster::template::TopologySpread;
use cluster::{Labels, Name, Taint, Toleration};

use super::Place;
use crate::class::Constraints;
use crate::daemons::all_tolerated;
use crate::sets::{HOSTNAME, hostname_agrees, split_hostname};

/// Which nodes count. The default counts all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFilter {
    /// Any may hold (`nodeAffinityPolicy: Honor`); empty is no filter. The host name apart.
    alternatives: Vec<(Requirements, Option<Requirement>)>,
    /// Every taint must be tolerated (`nodeTaintsPolicy: Honor`).
    tolerations: Option<Vec<Toleration>>,
    identity: FilterIdentity,
}

/// What Karpenter tells filters apart by: its hash leaves out the operators and values of requirements (they are
/// unexported fields), so pods that differ in those only share one filter, that of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FilterIdentity {
    keys: Vec<Vec<(Name, Option<u32>)>>,
    honor: (bool, bool),
    tolerations: Vec<Toleration>,
}

impl NodeFilter {
    /// The filter of a spread constraint.
    pub fn of(spread: &TopologySpread, constraints: &Constraints) -> NodeFilter {
        let terms = match &constraints.required {
            None => vec![constraints.requirements_with(None)],
            Some(terms) => terms.iter().map(|term| constraints.requirements_with(Some(term))).collect(),
        };
        let mut keys: Vec<Vec<(Name, Option<u32>)>> = terms
            .iter()
            .map(|term| term.iter().map(|wanted| (wanted.key.clone(), wanted.min_values)).collect())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let mut sorted = constraints.tolerations.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let honor = (spread.honor_node_affinity, spread.honor_node_taints);
        let alternatives = terms.into_iter().filter(|_| honor.0).map(split_hostname).collect();
        let tolerations = honor.1.then(|| constraints.tolerations.clone());
        NodeFilter {
            alternatives,
            tolerations,
            identity: FilterIdentity { keys, honor, tolerations: sorted },
        }
    }

    /// See [`FilterIdentity`].
    pub fn identity(&self) -> &FilterIdentity {
        &self.identity
    }

    /// Whether a node with these labels and taints counts.
    pub fn admits_node(&self, labels: &Labels, name: &Name, taints: &[Taint]) -> bool {
        let hostname = labels.get(HOSTNAME).unwrap_or(name);
        self.admits_taints(taints)
            && self.any(|wanted, host| hostname_agrees(host, hostname) && wanted.hold_for(labels))
    }

    /// Whether a place whose requirements are `node` counts.
    pub fn admits(&self, place: &Place<'_>, node: &Requirements) -> bool {
        self.admits_taints(place.taints)
            && self.any(|wanted, host| {
                hostname_agrees(host, place.hostname) && node.compatible(wanted, Undefined::Denied).is_ok()
            })
    }

    fn admits_taints(&self, taints: &[Taint]) -> bool {
        self.tolerations.as_ref().is_none_or(|tolerations| all_tolerated(taints, tolerations))
    }

    fn any(&self, admits: impl Fn(&Requirements, Option<&Requirement>) -> bool) -> bool {
        self.alternatives.is_empty()
            || self
                .alternatives
                .iter()
                .any(|(wanted, host)| wanted.is_empty() && host.is_none() || admits(wanted, host.as_ref()))
    }
}
