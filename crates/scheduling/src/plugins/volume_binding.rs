//! `VolumeBinding`: bound volumes must be usable on the node; claims that wait for their first consumer must find a
//! volume or be provisionable there; claims that bind at once must be bound.
//!
//! Follows `plugins/volumebinding/{volume_binding,binder}.go`. Sizes, access modes and selectors of volumes are not
//! modelled: any free volume of the class that is usable on the node matches. `CSIStorageCapacity` is not modelled.

use cluster::rejection::{FilterReason, Plugin};
use cluster::storage::{StorageClass, Volume, VolumeClaim, VolumeClaimId};
use cluster::template::{PodTemplate, PodVolume};
use cluster::{Cluster, Name, Node, NodeId};

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::node_affinity;
use crate::query::Incoming;
use crate::refusal::Refusal;

/// Classes with this provisioner only bind volumes that exist.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

/// The claims of a pod by name, and whether each belongs to an ephemeral volume.
pub fn claim_names(template: &PodTemplate, pod: &str) -> Vec<(Name, bool)> {
    let name = |volume: &PodVolume| match volume {
        PodVolume::Claim(name) => (name.clone(), false),
        PodVolume::Template { name, stateful: true, .. } => (Name::from(format!("{name}-{pod}")), false),
        PodVolume::Template { name, stateful: false, .. } => (Name::from(format!("{pod}-{name}")), true),
    };
    template.volumes.iter().map(name).collect()
}

/// What a pod's volumes ask of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct VolumePlan {
    /// Volumes of claims that are bound; indexes into `cluster.volumes`.
    pub bound: Vec<u32>,
    /// Claims that wait for their first consumer.
    pub delayed: Vec<Delayed>,
    /// All claims.
    pub claims: Vec<VolumeClaimId>,
    /// Claims that only one pod may use.
    pub exclusive: Vec<(Name, Name)>,
}

/// A claim that waits for its first consumer.
#[derive(Clone, Debug)]
pub(crate) struct Delayed {
    pub claim: VolumeClaimId,
    /// The node that was chosen already.
    pub selected: Option<NodeId>,
    /// Its storage class; index into `declared.storage_classes`.
    class: Option<usize>,
    /// Volumes that could be bound to it.
    candidates: Vec<u32>,
}

/// Looks up a pod's claims; or says whose `PreFilter` keeps the pod off every node, and why.
pub(crate) fn plan(
    index: &Placements,
    cluster: &Cluster,
    pod: &Incoming,
) -> Result<VolumePlan, (Plugin, FilterReason)> {
    let names = claim_names(&pod.template, &pod.name);
    let id = |name: &Name| index.claim_ids.get(&(pod.namespace.clone(), name.clone())).copied();
    let find = |name: &Name| id(name).and_then(|id| cluster.volume_claims.get(id.0 as usize));
    // `VolumeRestrictions` looks for the pod's claims first, `VolumeBinding` then for those of ephemeral volumes.
    for (plugin, wanted) in [(Plugin::VolumeRestrictions, false), (Plugin::VolumeBinding, true)] {
        let missing = names.iter().find(|(name, ephemeral)| *ephemeral == wanted && find(name).is_none());
        if let Some((name, _)) = missing {
            return Err((plugin, FilterReason::ClaimNotFound { claim: name.clone() }));
        }
    }
    let mut plan = VolumePlan::default();
    for (name, ephemeral) in names {
        let Some(claim) = find(&name) else { continue };
        plan.claims.push(claim.id);
        if claim.single_pod && !ephemeral {
            plan.exclusive.push((claim.namespace.clone(), claim.name.clone()));
        }
        match claim.volume {
            Some(volume) => plan.bound.push(volume),
            None => plan.delayed.push(delayed(index, cluster, claim)?),
        }
    }
    Ok(plan)
}

/// A claim without a volume: it may only wait if its class says so.
fn delayed(
    index: &Placements,
    cluster: &Cluster,
    claim: &VolumeClaim,
) -> Result<Delayed, (Plugin, FilterReason)> {
    let classes = &cluster.declared.storage_classes;
    let class =
        claim.storage_class.as_ref().and_then(|name| classes.iter().position(|class| class.name == *name));
    if !class.is_some_and(|class| classes[class].wait_for_consumer) {
        return Err((Plugin::VolumeBinding, FilterReason::UnboundClaims));
    }
    let selected = index.claim_nodes.get(&claim.id).copied().or(claim.selected_node);
    Ok(Delayed {
        claim: claim.id,
        selected: selected.filter(|node| cluster.node(*node).exists()),
        class,
        candidates: candidates(index, cluster, claim.id),
    })
}

/// Volumes of the claim's class that nobody has, those written for the claim first.
fn candidates(index: &Placements, cluster: &Cluster, id: VolumeClaimId) -> Vec<u32> {
    let claim = &cluster.volume_claims[id.0 as usize];
    let written_for = |volume: &Volume| {
        volume
            .claim_ref
            .as_ref()
            .map(|(namespace, name)| *namespace == claim.namespace && *name == claim.name)
    };
    let taken = |number: u32| {
        index.chosen_volumes.get(&number).is_some_and(|chosen| *chosen != id)
            || cluster.volume_claims.iter().any(|other| other.volume == Some(number))
    };
    let mut candidates: Vec<u32> = (0u32..)
        .zip(&cluster.volumes)
        .filter(|(_, volume)| {
            volume.storage_class == claim.storage_class && written_for(volume) != Some(false)
        })
        .map(|(number, _)| number)
        .filter(|number| !taken(*number))
        .collect();
    candidates.sort_by_key(|number| (written_for(&cluster.volumes[*number as usize]).is_none(), *number));
    candidates
}

/// Whether the pod's volumes keep it off a node.
pub(crate) fn refuses(plan: &VolumePlan, cluster: &Cluster, node: &Node) -> Option<Refusal> {
    let conflict = plan.bound.iter().any(|volume| !usable(cluster, *volume, node));
    match (conflict, bindings(plan, cluster, node).is_none()) {
        (false, false) => None,
        (true, false) => Some(Refusal::VolumeNodeConflict),
        (false, true) => Some(Refusal::NoVolumeToBind),
        (true, true) => Some(Refusal::VolumeConflictAndNoVolume),
    }
}

/// Whether a volume's node affinity holds on a node; no affinity holds everywhere.
pub fn usable(cluster: &Cluster, volume: u32, node: &Node) -> bool {
    cluster.volumes.get(volume as usize).is_none_or(|volume| {
        volume.node_affinity.is_empty() || node_affinity::any_term(&volume.node_affinity, node)
    })
}

/// For each delayed claim the existing volume to bind on this node, or `None` inside to provision one; `None` if
/// some claim can have neither.
pub(crate) fn bindings(
    plan: &VolumePlan,
    cluster: &Cluster,
    node: &Node,
) -> Option<Vec<(VolumeClaimId, Option<u32>)>> {
    let mut chosen: Vec<(VolumeClaimId, Option<u32>)> = Vec::new();
    for delayed in &plan.delayed {
        if delayed.selected.is_some_and(|selected| selected != node.id) {
            return None;
        }
        let free = |number: &&u32| !chosen.iter().any(|(_, volume)| *volume == Some(**number));
        let existing = match delayed.selected {
            Some(_) => None,
            None => {
                delayed.candidates.iter().filter(free).find(|number| usable(cluster, **number, node)).copied()
            }
        };
        let class = delayed.class.and_then(|class| cluster.declared.storage_classes.get(class));
        if existing.is_none() && !class.is_some_and(|class| can_provision(class, node)) {
            return None;
        }
        chosen.push((delayed.claim, existing));
    }
    Some(chosen)
}

fn can_provision(class: &StorageClass, node: &Node) -> bool {
    !class.provisioner.is_empty()
        && class.provisioner != NO_PROVISIONER
        && (class.allowed_topologies.is_empty() || node_affinity::any_term(&class.allowed_topologies, node))
}

/// Whether a pod uses a claim.
pub(crate) fn uses(waiter: &Waiter<'_>, claim: VolumeClaimId, ephemeral_too: bool) -> bool {
    let Some(claim) = waiter.cluster.volume_claims.get(claim.0 as usize) else { return false };
    claim.namespace == waiter.class().namespace
        && claim_names(waiter.template(), &waiter.cluster.pod(waiter.pod).name)
            .iter()
            .any(|(name, ephemeral)| *name == claim.name && (ephemeral_too || !ephemeral))
}

/// A queueing hint.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::StorageClassAdded | Event::VolumeChanged | Event::NodeAdded(_) => true,
        Event::NodeUpdated(before) => before.labels_changed,
        Event::ClaimChanged { claim, .. } => uses(waiter, *claim, true),
        _ => false,
    }
}
