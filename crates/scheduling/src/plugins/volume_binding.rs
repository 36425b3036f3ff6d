//! `VolumeBinding`: bound volumes must be usable on the node; claims that wait for their first consumer must find a
//! volume or be provisionable there; claims that bind at once must be bound.
//!
//! Follows `plugins/volumebinding/{volume_binding,binder}.go`; which volume suits a claim is in `volume_matching`.
//! `CSIStorageCapacity` is not modelled.

use cluster::rejection::{FilterReason, Plugin};
use cluster::storage::{StorageClass, VolumeClaim, VolumeClaimId};
use cluster::template::{PodTemplate, PodVolume};
use cluster::{Cluster, Name, Node, NodeId};

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::node_affinity;
use crate::plugins::volume_matching::Candidates;
use crate::plugins::volume_restrictions::Exclusive;
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
    /// Claims that wait for their first consumer, the smallest first.
    pub delayed: Vec<Delayed>,
    /// All claims.
    pub claims: Vec<VolumeClaimId>,
    /// Claims that only one pod may use.
    pub exclusive: Exclusive,
}

/// A claim that waits for its first consumer.
#[derive(Clone, Debug)]
pub(crate) struct Delayed {
    pub claim: VolumeClaimId,
    /// The node that was chosen already.
    pub selected: Option<NodeId>,
    /// Its storage class; index into `declared.storage_classes`.
    class: Option<usize>,
    candidates: Candidates,
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
    let not_found = |name: &Name| FilterReason::ClaimNotFound { claim: name.clone() };
    // `VolumeRestrictions` looks for the pod's claims first, `VolumeBinding` then for those of ephemeral volumes.
    if let Some((name, _)) = names.iter().find(|(name, ephemeral)| !ephemeral && find(name).is_none()) {
        return Err((Plugin::VolumeRestrictions, not_found(name)));
    }
    for (name, _) in &names {
        let wrong = find(name).map_or_else(|| Some(not_found(name)), unusable);
        if let Some(reason) = wrong {
            return Err((Plugin::VolumeBinding, reason));
        }
    }
    let mut plan = VolumePlan::default();
    let mut exclusive = Vec::new();
    for (name, ephemeral) in names {
        let Some(claim) = find(&name) else { continue };
        plan.claims.push(claim.id);
        if claim.single_pod && !ephemeral {
            exclusive.push(claim.name.clone());
        }
        match claim.volume {
            Some(volume) => plan.bound.push(volume),
            None => plan.delayed.push(delayed(index, cluster, claim)?),
        }
    }
    plan.delayed
        .sort_by_key(|delayed| cluster.volume_claims[delayed.claim.0 as usize].wish.traits.size_bytes);
    plan.exclusive = Exclusive::new(index, &pod.namespace, exclusive);
    Ok(plan)
}

/// Why no pod can use a claim.
fn unusable(claim: &VolumeClaim) -> Option<FilterReason> {
    let name = claim.name.clone();
    match &claim.wish.lost {
        Some(volume) => Some(FilterReason::ClaimLost { claim: name, volume: volume.clone() }),
        None => claim.wish.deleting.then_some(FilterReason::ClaimDeleting { claim: name }),
    }
}

/// A claim without a volume: it may only wait if its class says so and it does not name a volume.
fn delayed(
    index: &Placements,
    cluster: &Cluster,
    claim: &VolumeClaim,
) -> Result<Delayed, (Plugin, FilterReason)> {
    let classes = &cluster.declared.storage_classes;
    let class =
        claim.storage_class.as_ref().and_then(|name| classes.iter().position(|class| class.name == *name));
    if claim.wish.prebound.is_some() || !class.is_some_and(|class| classes[class].wait_for_consumer) {
        return Err((Plugin::VolumeBinding, FilterReason::UnboundClaims));
    }
    let selected = index.claim_nodes.get(&claim.id).copied().or(claim.selected_node);
    Ok(Delayed {
        claim: claim.id,
        selected: selected.filter(|node| cluster.node(*node).exists()),
        class,
        candidates: Candidates::of(index, cluster, claim),
    })
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
        let free = |number: u32| !chosen.iter().any(|(_, volume)| *volume == Some(number));
        let existing = match delayed.selected {
            Some(_) => None,
            None => delayed.candidates.on(cluster, node, free),
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

#[cfg(test)]
#[path = "volume_binding_test.rs"]
mod tests;
