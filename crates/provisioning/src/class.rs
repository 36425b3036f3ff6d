//! Pods that are alike: everything about a pod that decides where it can go, and nothing else.
//!
//! Requirements follow `sigs.k8s.io/karpenter` v1.14.1 `pkg/scheduling/requirements.go` and `scheduler.go`
//! (`updateCachedPodData`); relaxing is in [`crate::relax`].

use std::collections::HashMap;
use std::sync::Arc;

use cluster::labels::SelectorOperator;
use cluster::requirements::{Requirement, Requirements, Shape};
use cluster::template::{HostPort, NodeSelectorTerm, PodAffinityTerm, TopologySpread};
use cluster::{Cluster, Labels, Name, Pod, PodTemplate, Resources, SelectorRequirement, Toleration};

use crate::sets::{SetId, Sets, split_hostname};

/// The label that tells a Deployment's revisions apart; pods of the model carry it as their revision.
pub const TEMPLATE_HASH: &str = "pod-template-hash";

/// A class's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

/// What decides where a pod can go; preferences are taken out one by one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Constraints {
    /// `metadata.namespace`.
    pub namespace: Name,
    /// Labels, for selectors of others.
    pub labels: Labels,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// Required node affinity: any term may hold. `None` when absent.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred node affinity, heaviest first.
    pub preferred: Vec<NodeSelectorTerm>,
    /// Required pod affinity.
    pub affinity: Vec<PodAffinityTerm>,
    /// Preferred pod affinity, heaviest first.
    pub preferred_affinity: Vec<PodAffinityTerm>,
    /// Required pod anti-affinity.
    pub anti_affinity: Vec<PodAffinityTerm>,
    /// Preferred pod anti-affinity, heaviest first.
    pub preferred_anti_affinity: Vec<PodAffinityTerm>,
    /// Topology spread.
    pub spread: Vec<TopologySpread>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Requests; `pods` is 1.
    pub requests: Resources,
    /// Ports on the node.
    pub host_ports: Vec<HostPort>,
    /// Where the pod's volumes can be used: alternatives; empty is everywhere.
    pub volumes: Vec<Requirements>,
    /// Karpenter does not know the pod's topology rules yet, and counts the pod where it runs: so with pods that
    /// have to move and whose volumes it cannot make sense of, until the first preference is given up.
    pub untracked: bool,
}

impl Constraints {
    /// A pod's constraints; without its preferences when they are ignored (`PREFERENCE_POLICY=Ignore`).
    pub fn of(pod: &Pod, volumes: Vec<Requirements>, ignore_preferences: bool) -> Constraints {
        let template = &pod.template;
        let mut spread = template.topology_spread.clone();
        let mut preferred = heaviest_first(&template.preferred_node_affinity);
        let mut preferred_affinity = heaviest_first(&template.pod_affinity.preferred);
        let mut preferred_anti_affinity = heaviest_first(&template.pod_anti_affinity.preferred);
        if ignore_preferences {
            spread.retain(|constraint| constraint.required);
            preferred.clear();
            preferred_affinity.clear();
            preferred_anti_affinity.clear();
        }
        let labels = labels_of(template, pod.revision, names_template_hash(template));
        for constraint in &mut spread {
            merge_label_keys(constraint, &labels);
        }
        Constraints {
            namespace: pod.namespace.clone(),
            labels,
            node_selector: template.node_selector.clone(),
            required: template.required_node_affinity.clone(),
            preferred,
            affinity: template.pod_affinity.required.clone(),
            preferred_affinity,
            anti_affinity: template.pod_anti_affinity.required.clone(),
            preferred_anti_affinity,
            spread,
            tolerations: template.tolerations.clone(),
            requests: template.requests.clone(),
            host_ports: template.host_ports.clone(),
            volumes,
            untracked: false,
        }
    }

    /// What the pod asks of nodes; without preferences when `strict`.
    pub fn requirements(&self, strict: bool) -> Requirements {
        let preferred: Vec<(i32, NodeSelectorTerm)> = match self.preferred.first() {
            Some(term) if !strict => vec![(1, term.clone())],
            _ => Vec::new(),
        };
        let required = self.required.as_deref().unwrap_or_default();
        Requirements::of_node_affinity(&self.node_selector, required, &preferred)
    }

    /// What the pod asks of nodes with this one of its required terms.
    pub fn requirements_with(&self, term: Option<&NodeSelectorTerm>) -> Requirements {
        let term = term.map(std::slice::from_ref).unwrap_or_default();
        Requirements::of_node_affinity(&self.node_selector, term, &[])
    }
}

/// A pod's labels as selectors see them.
pub fn labels_of(template: &PodTemplate, revision: u32, with_template_hash: bool) -> Labels {
    let mut labels = template.labels.clone();
    if with_template_hash && !labels.contains_key(TEMPLATE_HASH) {
        labels.insert(TEMPLATE_HASH.into(), Name::from(format!("revision-{revision}")));
    }
    labels
}

fn names_template_hash(template: &PodTemplate) -> bool {
    let keys = |spread: &TopologySpread| spread.match_label_keys.iter().any(|key| key == TEMPLATE_HASH);
    template.topology_spread.iter().any(keys)
}

/// `matchLabelKeys` become part of the selector.
fn merge_label_keys(spread: &mut TopologySpread, labels: &Labels) {
    let keys = std::mem::take(&mut spread.match_label_keys);
    let Some(selector) = &mut spread.selector else { return };
    for key in keys {
        let Some(value) = labels.get(&key) else { continue };
        let values = vec![value.clone()];
        let requirement =
            SelectorRequirement { key, operator: SelectorOperator::In, values, min_values: None };
        if !selector.requirements.contains(&requirement) {
            selector.requirements.push(requirement);
        }
    }
}

fn heaviest_first<T: Clone>(weighted: &[(i32, T)]) -> Vec<T> {
    let mut sorted: Vec<&(i32, T)> = weighted.iter().collect();
    sorted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    sorted.into_iter().map(|(_, term)| term.clone()).collect()
}

/// Pods that are alike.
#[derive(Clone, Debug)]
pub struct Class {
    /// What they have in common.
    pub constraints: Arc<Constraints>,
    /// Requirements with preferences, host name apart.
    pub wanted: SetId,
    /// The requirement on the host name among them.
    pub wanted_host: Option<Requirement>,
    /// Requirements without preferences.
    pub strict: Requirements,
    /// Alternatives for the volumes: a set and a requirement on the host name.
    pub volumes: Vec<(SetId, Option<Requirement>)>,
    /// It asks for certain values only: what excludes it from an instance type once always will.
    pub is_plain: bool,
}

/// The classes of one plan.
#[derive(Debug, Default)]
pub struct Classes {
    classes: Vec<Class>,
    // Looked up, never iterated over.
    index: HashMap<Arc<Constraints>, ClassId>,
}

impl Classes {
    /// The class with these constraints.
    pub fn intern(&mut self, constraints: Constraints, sets: &mut Sets) -> ClassId {
        if let Some(id) = self.index.get(&constraints) {
            return *id;
        }
        let id = ClassId(u32::try_from(self.classes.len()).unwrap_or(u32::MAX));
        let constraints = Arc::new(constraints);
        let (wanted, wanted_host) = split_hostname(constraints.requirements(false));
        let volumes = constraints.volumes.iter().map(|alternative| {
            let (set, host) = split_hostname(alternative.clone());
            (sets.intern(set), host)
        });
        let volumes = volumes.collect();
        let strict = constraints.requirements(true);
        let is_certain = |own: &Requirement| own.shape() == Shape::In;
        let is_plain =
            wanted.iter().chain(constraints.volumes.iter().flat_map(Requirements::iter)).all(is_certain);
        let wanted = sets.intern(wanted);
        self.classes.push(Class {
            constraints: Arc::clone(&constraints),
            wanted,
            wanted_host,
            strict,
            volumes,
            is_plain,
        });
        self.index.insert(constraints, id);
        id
    }

    /// The class with this id.
    pub fn get(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Label keys that any class can ask for, relaxed or not: others do not matter to the plan.
    pub fn keys(&self) -> std::collections::BTreeSet<Name> {
        let mut keys = std::collections::BTreeSet::new();
        for class in &self.classes {
            let constraints = &class.constraints;
            keys.extend(constraints.node_selector.keys().cloned());
            let terms = constraints.required.iter().flatten().chain(&constraints.preferred);
            keys.extend(terms.flat_map(|term| &term.match_expressions).map(|wanted| wanted.key.clone()));
            keys.extend(constraints.spread.iter().map(|spread| spread.topology_key.clone()));
            let affinity = [
                &constraints.affinity,
                &constraints.preferred_affinity,
                &constraints.anti_affinity,
                &constraints.preferred_anti_affinity,
            ];
            keys.extend(affinity.into_iter().flatten().map(|term| term.topology_key.clone()));
            let volumes = constraints.volumes.iter().flat_map(Requirements::iter);
            keys.extend(volumes.map(|requirement| requirement.key.clone()));
        }
        keys
    }
}

/// Whether Karpenter adds nodes for this pod at all: marked unschedulable by the scheduler (even while it is being
/// deleted), not bound, not about to be bound after a preemption, not a DaemonSet's (`pkg/utils/pod/scheduling.go` `IsProvisionable`), and not one that
/// Fargate's scheduler places, whose refusals have reasons of their own.
pub fn is_provisionable(cluster: &Cluster, pod: &Pod) -> bool {
    !pod.is_over()
        && pod.node.is_none()
        && pod.nominated.is_none()
        && pod.for_node.is_none()
        && matches!(pod.waiting, Some((_, cluster::Waiting::Unschedulable(_))))
        && !of_daemon_set(cluster, pod)
        && cluster.declared.profile.fargate_for(&pod.namespace, &pod.template.labels).is_none()
}

/// Whether a DaemonSet made this pod.
pub fn of_daemon_set(cluster: &Cluster, pod: &Pod) -> bool {
    let shape = pod.workload.map(|workload| &cluster.declared.workload(workload).shape);
    matches!(shape, Some(cluster::workload::Shape::DaemonSet))
}
