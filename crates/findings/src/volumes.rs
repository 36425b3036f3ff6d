//! Why a pod's volumes keep it off every node there is: what VOL102 to VOL105 begin with.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/scheduler/framework/plugins/volumebinding`: a claim that is missing, or
//! that has to be bound first, keeps its pod off all nodes; a volume only off those outside of its topology.

use std::collections::{BTreeMap, BTreeSet};

use cluster::capability::Capability;
use cluster::node_selector::any_term_matches;
use cluster::rejection::{Plugin, PoolReason};
use cluster::storage::{StorageClass, Volume, VolumeClaim};
use cluster::template::{NodeSelectorTerm, PodVolume};
use cluster::{Cluster, Location, Name, Node, Pod, PodId, SelectorOperator, Waiting};

use crate::scene::Scene;

/// Classes with this provisioner only bind volumes that exist.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// Where a volume's zone is written, by now and formerly.
const ZONES: [&str; 3] = [
    "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
    "topology.ebs.csi.aws.com/zone",
];

/// A claim, or a claim template, that keeps pods off every node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Where the claim is written, or its template, or the volume that names it.
    pub location: Location,
    /// The claim's name; for a template the template's.
    pub claim: Name,
    /// Whether it is a template: each pod has a claim of its own.
    pub template: bool,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// It does not exist.
    Missing,
    /// It names no class, and none is the default.
    NoClass,
    /// Its class does not exist.
    ClassMissing(Name),
    /// Its class binds at once, and nobody makes its volume: for want of this, where something is known.
    Unprovisioned(Option<Name>),
    /// Its volume, by name, or the volumes of its class, can be used only where no node is.
    Elsewhere(Name),
}

impl Kept {
    /// What provides the volume and does not act.
    pub fn waits_for(&self) -> Option<Capability> {
        match &self.problem {
            Problem::Unprovisioned(Some(driver)) => Some(Capability::Volumes(driver.clone())),
            _ => None,
        }
    }
}

/// The first claim that keeps a pod off every node; `None` when something else does, or some nodes would do.
pub fn kept(cluster: &Cluster, pod: &Pod) -> Option<Kept> {
    let Some((_, Waiting::Unschedulable(rejection))) = &pod.waiting else { return None };
    let by_volumes = |plugin: Plugin| {
        matches!(plugin, Plugin::VolumeBinding | Plugin::VolumeRestrictions | Plugin::VolumeZone)
    };
    if !rejection.reasons.iter().any(|reason| by_volumes(reason.plugin)) {
        return None;
    }
    let mut templates = 0_usize;
    pod.template.volumes.iter().find_map(|volume| {
        let index = templates;
        templates += usize::from(matches!(volume, PodVolume::Template { stateful: true, .. }));
        let claim = cluster.volume_claim(&pod.namespace, &volume.claim_name(&pod.name));
        let problem = problem(cluster, claim)?;
        if matches!(problem, Problem::Elsewhere(_)) && refused_otherwise(cluster, pod) {
            return None;
        }
        Some(place(cluster, pod, volume, index, claim, problem))
    })
}

/// Whether a NodePool that could make a node for the volume refuses the pod for another reason.
fn refused_otherwise(cluster: &Cluster, pod: &Pod) -> bool {
    let refusal = cluster.refusals.get(&pod.id);
    refusal.is_some_and(|refusal| refusal.pools.iter().any(|pool| pool.reason != PoolReason::VolumeTopology))
}

/// Pods that volumes keep off every node, by claim, where `which` picks the problem.
pub(crate) fn groups(scene: &Scene<'_>, which: impl Fn(&Problem) -> bool) -> BTreeMap<Kept, Vec<PodId>> {
    let mut groups: BTreeMap<Kept, Vec<PodId>> = BTreeMap::new();
    for pod in scene.cluster.live_pods().filter(|pod| pod.deleted.is_none()) {
        if let Some(kept) = kept(scene.cluster, pod).filter(|kept| which(&kept.problem)) {
            groups.entry(kept).or_default().push(pod.id);
        }
    }
    groups
}

fn problem(cluster: &Cluster, claim: Option<&VolumeClaim>) -> Option<Problem> {
    let Some(claim) = claim else { return Some(Problem::Missing) };
    if let Some(volume) = claim.volume.and_then(|index| cluster.volumes.get(index as usize)) {
        let usable = |node: &Node| is_usable(volume, node);
        let nowhere = !cluster.live_nodes().any(usable);
        return nowhere.then(|| Problem::Elsewhere(volume.name.clone()));
    }
    let Some(name) = &claim.storage_class else {
        // `storageClassName: ""` asks for a volume of no class, whatever the default is.
        let asks_for_none = cluster.declared.default_storage_class().is_some();
        return Some(if asks_for_none { Problem::Unprovisioned(None) } else { Problem::NoClass });
    };
    if name.is_empty() {
        return Some(Problem::Unprovisioned(None));
    }
    let Some(class) = cluster.declared.storage_class(name) else {
        return Some(Problem::ClassMissing(name.clone()));
    };
    if class.provisioner == NO_PROVISIONER {
        return of_written_volumes(cluster, class, claim);
    }
    if !class.wait_for_consumer {
        return Some(Problem::Unprovisioned(Some(driver_of(class))));
    }
    let possible = |node: &Node| any_term_matches(&class.allowed_topologies, node);
    let nowhere = !class.allowed_topologies.is_empty() && !cluster.live_nodes().any(possible);
    nowhere.then(|| Problem::Elsewhere(class.name.clone()))
}

/// A class whose volumes are made by hand.
fn of_written_volumes(cluster: &Cluster, class: &StorageClass, claim: &VolumeClaim) -> Option<Problem> {
    let own = |volume: &&Volume| {
        let reserved = volume.claim_ref.as_ref();
        volume.storage_class.as_ref() == Some(&class.name)
            && reserved.is_none_or(|(namespace, name)| *namespace == claim.namespace && *name == claim.name)
    };
    let taken = |index: usize| {
        let index = u32::try_from(index).ok();
        cluster.volume_claims.iter().any(|other| other.volume.is_some() && other.volume == index)
    };
    let volumes = cluster.volumes.iter().enumerate().filter(|(_, volume)| own(volume));
    let mut free = volumes.filter(|(index, _)| !taken(*index)).peekable();
    if free.peek().is_none() {
        return Some(Problem::Unprovisioned(None));
    }
    let nowhere = !free.any(|(_, volume)| cluster.live_nodes().any(|node| is_usable(volume, node)));
    nowhere.then(|| Problem::Elsewhere(class.name.clone()))
}

/// The CSI driver that serves a class.
fn driver_of(class: &StorageClass) -> Name {
    let migrated = class.provisioner == "kubernetes.io/aws-ebs";
    if migrated { "ebs.csi.aws.com".into() } else { class.provisioner.clone() }
}

/// By the volume's node affinity, and by the zone in its labels. A driver that has not registered on a node of the
/// zone has not written its key there: that the driver does not run is another cause.
fn is_usable(volume: &Volume, node: &Node) -> bool {
    let mut known = node.labels.clone();
    for key in ZONES.iter().filter(|_| !node.zone.is_empty()) {
        known.entry(Name::new_static(key)).or_insert_with(|| node.zone.clone());
    }
    let in_term =
        |term: &NodeSelectorTerm| term.match_expressions.iter().all(|wanted| wanted.matches(&known));
    let by_field = |term: &NodeSelectorTerm| !term.match_fields.is_empty();
    let affine = volume.node_affinity.is_empty()
        || any_term_matches(&volume.node_affinity, node)
        || volume.node_affinity.iter().any(|term| !by_field(term) && in_term(term));
    let labelled = ZONES.iter().filter_map(|key| Some((key, volume.labels.get(*key)?)));
    let mut in_zone = labelled.map(|(key, zones)| {
        let own = node.labels.get(*key).or_else(|| node.labels.get(ZONES[0]));
        own.is_none_or(|own| zones.split("__").any(|zone| zone == own.as_str()))
    });
    affine && in_zone.all(|fits| fits)
}

fn place(
    cluster: &Cluster,
    pod: &Pod,
    volume: &PodVolume,
    template_index: usize,
    claim: Option<&VolumeClaim>,
    problem: Problem,
) -> Kept {
    let volumes = pod.template.location.at("/spec/volumes");
    let owner = pod.workload.map(|id| &cluster.declared.workload(id).location);
    let (claim_name, template, location) = match volume {
        PodVolume::Claim(name) => {
            let written = claim.map(|claim| claim.location.at("/spec"));
            (name.clone(), false, written.unwrap_or(volumes))
        }
        PodVolume::Template { name, stateful, .. } => {
            let list =
                |owner: &Location| owner.at(&format!("/spec/volumeClaimTemplates/{template_index}/spec"));
            let location = owner.filter(|_| *stateful).map(list);
            (name.clone(), true, location.unwrap_or(volumes))
        }
    };
    Kept { location, claim: claim_name, template, problem }
}

/// The zones that a volume, or the volumes of a class, can be used in; empty where its topology is another.
pub fn zones_of(cluster: &Cluster, name: &str) -> BTreeSet<Name> {
    let in_terms = |terms: &[NodeSelectorTerm]| -> BTreeSet<Name> {
        let wanted = terms.iter().flat_map(|term| &term.match_expressions);
        let zoned = wanted
            .filter(|wanted| wanted.operator == SelectorOperator::In && ZONES.contains(&wanted.key.as_str()));
        zoned.flat_map(|wanted| wanted.values.iter().cloned()).collect()
    };
    let named = cluster.volumes.iter().find(|volume| volume.name == name);
    let of_class = cluster.volumes.iter().filter(|volume| volume.storage_class.as_deref() == Some(name));
    let mut zones = BTreeSet::new();
    for volume in named.into_iter().chain(of_class.filter(|_| named.is_none())) {
        zones.extend(in_terms(&volume.node_affinity));
        let labelled = ZONES.iter().filter_map(|key| volume.labels.get(*key));
        zones.extend(labelled.flat_map(|zones| zones.split("__").map(Name::from)));
    }
    let class = cluster.declared.storage_class(name).filter(|_| named.is_none());
    zones.extend(class.into_iter().flat_map(|class| in_terms(&class.allowed_topologies)));
    zones
}
