//! Where a pod's volumes can be used, and how many a node can still attach.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/volumetopology.go` and
//! `pkg/scheduling/volumeusage.go`. New nodes have no volume limit: Karpenter reads limits from the CSINodes of
//! nodes that are there.

use std::collections::{BTreeMap, BTreeSet};

use cluster::requirements::{Requirement, Requirements};
use cluster::storage::{StorageClass, Volume, VolumeClaim};
use cluster::template::{NodeSelectorTerm, PodVolume};
use cluster::{Cluster, Name, Pod};

use crate::sets::HOSTNAME;

/// Volume claims by namespace and name.
#[derive(Debug, Default)]
pub struct VolumeIndex<'a> {
    claims: BTreeMap<(&'a str, &'a str), &'a VolumeClaim>,
}

/// The volumes of a node or a pod: driver to claims (`namespace/name`).
pub type Attached = BTreeMap<Name, BTreeSet<Name>>;

impl<'a> VolumeIndex<'a> {
    /// The claims of a cluster.
    pub fn of(cluster: &'a Cluster) -> VolumeIndex<'a> {
        let key = |claim: &'a VolumeClaim| ((claim.namespace.as_str(), claim.name.as_str()), claim);
        VolumeIndex { claims: cluster.volume_claims.iter().map(key).collect() }
    }

    /// The claims of a pod; `None` for one that does not exist.
    fn of_pod(&self, pod: &Pod) -> impl Iterator<Item = Option<&'a VolumeClaim>> {
        pod.template.volumes.iter().map(move |volume| {
            let name = claim_name(pod, volume);
            self.claims.get(&(pod.namespace.as_str(), name.as_str())).copied()
        })
    }

    /// Where the pod's volumes can be used, as alternatives (none: everywhere); `None` when Karpenter cannot tell: a
    /// claim is missing, or its class does not exist. Of a pod that is `pending`, Karpenter also wants a class, and
    /// that claims that have to be bound at once are bound.
    pub fn alternatives(&self, cluster: &Cluster, pod: &Pod, pending: bool) -> Option<Vec<Requirements>> {
        let mut alternatives: Vec<Requirements> = Vec::new();
        for claim in self.of_pod(pod) {
            let own = claim_alternatives(cluster, claim?, pending)?;
            if own.is_empty() {
                continue;
            }
            alternatives = if alternatives.is_empty() { own } else { crossed(&alternatives, &own) };
        }
        Some(alternatives)
    }

    /// The volumes bound to the pod's claims; indexes into [`Cluster::volumes`].
    pub fn bound(&self, pod: &Pod) -> Vec<u32> {
        self.of_pod(pod).flatten().filter_map(|claim| claim.volume).collect()
    }

    /// What the pod attaches, by driver; claims of unknown drivers do not count.
    pub fn attached(&self, cluster: &Cluster, pod: &Pod) -> Attached {
        let mut attached = Attached::new();
        for claim in self.of_pod(pod).flatten() {
            if let Some(driver) = driver_of(cluster, claim) {
                let name = Name::from(format!("{}/{}", claim.namespace, claim.name));
                attached.entry(driver).or_default().insert(name);
            }
        }
        attached
    }
}

/// Whether a node with `limits` that has `there` attached has more than that with `more`. One that is over its limit
/// already takes no pod at all, volumes or not.
pub fn over_limit(there: &Attached, more: &Attached, limits: &[(Name, Option<u32>)]) -> bool {
    limits.iter().any(|(driver, limit)| {
        let Some(limit) = limit else { return false };
        let (new, old) = (more.get(driver), there.get(driver));
        let added = new.into_iter().flatten().filter(|claim| old.is_none_or(|old| !old.contains(*claim)));
        old.map_or(0, BTreeSet::len) + added.count() > *limit as usize
    })
}

/// A claim template's claim is named after the pod: `<name>-<pod>` for a StatefulSet, `<pod>-<name>` else.
fn claim_name(pod: &Pod, volume: &PodVolume) -> Name {
    match volume {
        PodVolume::Claim(name) => name.clone(),
        PodVolume::Template { name, stateful: true, .. } => Name::from(format!("{name}-{}", pod.name)),
        PodVolume::Template { name, stateful: false, .. } => Name::from(format!("{}-{name}", pod.name)),
    }
}

fn claim_alternatives(cluster: &Cluster, claim: &VolumeClaim, pending: bool) -> Option<Vec<Requirements>> {
    if let Some(volume) = claim.volume.and_then(|index| cluster.volumes.get(index as usize)) {
        return Some(volume_alternatives(volume));
    }
    let Some(name) = claim.storage_class.as_ref() else { return (!pending).then(Vec::new) };
    let class = cluster.declared.storage_class(name)?;
    (class.wait_for_consumer || !pending).then(|| class_alternatives(class))
}

fn volume_alternatives(volume: &Volume) -> Vec<Requirements> {
    let local = matches!(
        volume.driver.as_str(),
        "kubernetes.io/local-volume" | "kubernetes.io/no-provisioner" | "kubernetes.io/host-path"
    );
    let mut alternatives = Vec::new();
    for term in volume.node_affinity.iter().filter(|term| !term.match_expressions.is_empty()) {
        let mut requirements = requirements_of(term);
        if local {
            // The pod would leave the node that the volume is on: the host name does not bind it.
            requirements.remove(HOSTNAME);
        }
        alternatives.push(requirements);
    }
    alternatives
}

fn class_alternatives(class: &StorageClass) -> Vec<Requirements> {
    class
        .allowed_topologies
        .iter()
        .filter(|term| !term.match_expressions.is_empty())
        .map(requirements_of)
        .collect()
}

fn requirements_of(term: &NodeSelectorTerm) -> Requirements {
    term.match_expressions.iter().map(Requirement::from).collect()
}

/// Every pair that can hold together; all pairs when none can.
fn crossed(left: &[Requirements], right: &[Requirements]) -> Vec<Requirements> {
    let pairs = || left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    let merged = |(a, b): (&Requirements, &Requirements)| {
        let mut both = a.clone();
        both.add_all(b);
        both
    };
    let compatible: Vec<Requirements> = pairs().filter(|(a, b)| a.intersects(b)).map(merged).collect();
    if compatible.is_empty() { pairs().map(merged).collect() } else { compatible }
}

fn driver_of(cluster: &Cluster, claim: &VolumeClaim) -> Option<Name> {
    let driver = match claim.volume.and_then(|index| cluster.volumes.get(index as usize)) {
        Some(volume) => &volume.driver,
        None => &cluster.declared.storage_class(claim.storage_class.as_ref()?)?.provisioner,
    };
    match driver.as_str() {
        "kubernetes.io/aws-ebs" => Some("ebs.csi.aws.com".into()),
        in_tree if in_tree.starts_with("kubernetes.io/") && claim.volume.is_some() => None,
        _ => Some(driver.clone()),
    }
}
