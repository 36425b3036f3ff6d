//! A scenario's step changes what is declared: bringing the new declaration in line with the one that runs, and
//! swapping the two.
//!
//! Ids are indexes into the declaration, so nothing may move in it: what was there keeps its place, what is new
//! stands behind it, and what is deleted stays where it was and is only marked so. What the run itself has made
//! of nodes, pods and claims is not touched here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::Catalog;
use cluster::change::NodePatch;
use cluster::profile::Profile;
use cluster::scenario::Redeclaration;
use cluster::{Change, Declared, Kind, Name, Node, NodeId, ObjectKey, Workload, WorkloadId};

use crate::effect::Effect;
use crate::world::World;
use crate::{start, world_devices, world_nodes, world_volumes};

/// The step from `before` to `after`, with `after` brought in line; workloads in `gone` were deleted earlier,
/// and one of the same name is a new one.
pub fn align(before: &Declared, after: Declared, gone: &BTreeSet<WorkloadId>) -> Redeclaration {
    let mut declared = after;
    let workloads = align_workloads(before, &mut declared, gone);
    let (objects, objects_deleted) = other_objects(before, &declared);
    declared.node_pools = in_place(&before.node_pools, declared.node_pools, |pool| &pool.name);
    declared.node_classes = in_place(&before.node_classes, declared.node_classes, |class| &class.name);
    let volumes = in_place(&before.volumes, declared.volumes.clone(), |volume| &volume.name);
    rebind(&mut declared, &volumes);
    declared.volumes = volumes;
    let claim_name = |claim: &cluster::storage::VolumeClaim| (claim.namespace.clone(), claim.name.clone());
    let known: BTreeSet<_> = before.volume_claims.iter().map(claim_name).collect();
    declared.volume_claims = in_place_by(&before.volume_claims, declared.volume_claims, claim_name);
    let nodes = align_nodes(before, &mut declared);
    declared.profile = profile(&before.profile, &declared.profile);
    declared.pods.clone_from(&before.pods);
    declared.claims.clone_from(&before.claims);
    let claims = (0u32..).zip(&declared.volume_claims);
    let volume_claims =
        claims.filter(|(_, claim)| !known.contains(&claim_name(claim))).map(|(index, _)| index).collect();
    let Workloads { arrived, changed, deleted } = workloads;
    let declared = Arc::new(declared);
    Redeclaration { declared, arrived, changed, deleted, objects, objects_deleted, nodes, volume_claims }
}

/// Whether a step changes what cannot change in a run: subnets, node groups, and everything else of the profile
/// that shapes the cluster before it starts.
pub fn changes_profile(before: &Declared, after: &Declared) -> bool {
    profile(&before.profile, &after.profile) != after.profile
}

/// The profile of a running cluster: facts about the world outside may change, its own shape may not.
fn profile(before: &Profile, after: &Profile) -> Profile {
    Profile {
        images: after.images.clone(),
        registries: after.registries.clone(),
        volume_limits: after.volume_limits.clone(),
        aws: after.aws.clone(),
        latencies: after.latencies,
        ..before.clone()
    }
}

#[derive(Default)]
struct Workloads {
    arrived: Vec<WorkloadId>,
    changed: Vec<WorkloadId>,
    deleted: Vec<WorkloadId>,
}

fn align_workloads(before: &Declared, after: &mut Declared, gone: &BTreeSet<WorkloadId>) -> Workloads {
    let mut workloads = Workloads::default();
    let mut left: BTreeMap<ObjectKey, Workload> = BTreeMap::new();
    let mut order = Vec::new();
    for workload in std::mem::take(&mut after.workloads) {
        order.push(workload.key.clone());
        left.insert(workload.key.clone(), workload);
    }
    for (id, old) in before.workload_ids() {
        let new = if gone.contains(&id) { None } else { left.remove(&old.key) };
        match new {
            Some(new) => {
                let same = new.shape == old.shape && new.template == old.template && new.pace == old.pace;
                if !same || new.selector != old.selector {
                    workloads.changed.push(id);
                }
                // When it arrives was decided before the run.
                let arrival = old.arrival.clone();
                after.workloads.push(Workload { arrival, running_at_start: old.running_at_start, ..new });
            }
            None => {
                if !gone.contains(&id) {
                    workloads.deleted.push(id);
                }
                after.workloads.push(old.clone());
            }
        }
    }
    for new in order.into_iter().filter_map(|key| left.remove(&key)) {
        workloads.arrived.push(WorkloadId(u32::try_from(after.workloads.len()).unwrap_or(u32::MAX)));
        after.workloads.push(new);
    }
    workloads
}

/// `after` in the order of `before`: what was there in its place, what is new behind it.
fn in_place<T: Clone>(before: &[T], after: Vec<T>, name: impl Fn(&T) -> &Name) -> Vec<T> {
    in_place_by(before, after, |item| name(item).clone())
}

fn in_place_by<T: Clone, K: Ord + Clone>(before: &[T], after: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let order: Vec<K> = after.iter().map(&key).collect();
    let mut left: BTreeMap<K, T> = order.iter().cloned().zip(after).collect();
    let mut all: Vec<T> =
        before.iter().map(|item| left.remove(&key(item)).unwrap_or_else(|| item.clone())).collect();
    all.extend(order.into_iter().filter_map(|key| left.remove(&key)));
    all
}

/// Claims of the input name their volume by its index.
fn rebind(declared: &mut Declared, volumes: &[cluster::storage::Volume]) {
    for claim in &mut declared.volume_claims {
        let name =
            claim.volume.and_then(|index| declared.volumes.get(index as usize)).map(|volume| &volume.name);
        let index = name.and_then(|name| volumes.iter().position(|volume| volume.name == *name));
        claim.volume = index.and_then(|index| u32::try_from(index).ok());
    }
}

/// Nodes that join, as indexes. A node that is there stays as it was declared at first, but for what a step says
/// of its labels, taints and `unschedulable`; one that is not declared any more is deleted by name.
fn align_nodes(before: &Declared, after: &mut Declared) -> Vec<u32> {
    let changed = std::mem::take(&mut after.nodes);
    after.nodes.clone_from(&before.nodes);
    let mut joining = Vec::new();
    for new in changed {
        // A group's nodes come and go with the profile, which does not change.
        if new.group.is_some() {
            continue;
        }
        match after.nodes.iter_mut().find(|node| node.name == new.name) {
            Some(node) => {
                node.labels.extend(new.labels);
                (node.taints, node.unschedulable) = (new.taints, new.unschedulable);
            }
            None => {
                joining.push(u32::try_from(after.nodes.len()).unwrap_or(u32::MAX));
                after.nodes.push(new);
            }
        }
    }
    joining
}

/// Objects other than workloads, nodes and pods that are new or have changed, and those that are deleted.
fn other_objects(before: &Declared, after: &Declared) -> (Vec<ObjectKey>, Vec<ObjectKey>) {
    let workloads = before.workloads.iter().chain(&after.workloads);
    let workloads: BTreeSet<&ObjectKey> = workloads.map(|workload| &workload.key).collect();
    let counts = |key: &&ObjectKey| {
        let own =
            matches!(key.kind, Kind::Pod | Kind::Node | Kind::NodeClaim | Kind::Cluster | Kind::Scenario);
        !own && !workloads.contains(key)
    };
    let mut new: BTreeSet<ObjectKey> = after
        .objects
        .keys()
        .filter(counts)
        .filter(|key| !before.objects.contains_key(key))
        .cloned()
        .collect();
    new.extend(changed(&before.node_pools, &after.node_pools, |pool| &pool.location.object));
    new.extend(changed(&before.node_classes, &after.node_classes, |class| &class.location.object));
    new.extend(changed(&before.webhooks, &after.webhooks, |webhook| &webhook.location.object));
    new.extend(changed(&before.quotas, &after.quotas, |quota| &quota.location.object));
    new.extend(changed(&before.disruption_budgets, &after.disruption_budgets, |budget| {
        &budget.location.object
    }));
    new.extend(changed(&before.capacity_buffers, &after.capacity_buffers, |buffer| &buffer.key));
    let (old, devices) = (&before.devices, &after.devices);
    new.extend(changed(&old.classes, &devices.classes, |class| &class.location.object));
    new.extend(changed(&old.slices, &devices.slices, |slice| &slice.location.object));
    new.extend(lifted(before, after));
    if before.profile != after.profile {
        new.insert(after.profile.location.object.clone());
    }
    let deleted = before.objects.keys().filter(counts).filter(|key| !after.objects.contains_key(key));
    (new.into_iter().collect(), deleted.cloned().collect())
}

/// What refused pods and refuses them no more: a namespace with another label, a LimitRange with other bounds.
fn lifted(before: &Declared, after: &Declared) -> Vec<ObjectKey> {
    let now: Vec<_> = after.pod_refusals.values().flatten().collect();
    let gone = before.pod_refusals.values().flatten().filter(|refusal| !now.contains(refusal));
    let objects = gone.filter_map(|refusal| refusal.object.as_ref()).map(|at| at.object.clone());
    objects.filter(|key| after.objects.contains_key(key)).collect()
}

/// The keys of what is in `after` and not the same in `before`.
fn changed<T: PartialEq>(before: &[T], after: &[T], key: impl Fn(&T) -> &ObjectKey) -> Vec<ObjectKey> {
    after.iter().filter(|item| !before.contains(item)).map(|item| key(item).clone()).collect()
}

/// Swaps the declaration, and says what became true.
pub(crate) fn perform(world: &mut World, step: &Redeclaration, catalog: &Catalog, changes: &mut Vec<Change>) {
    let before = std::mem::replace(&mut world.cluster.declared, step.declared.clone());
    world.cluster.arrived.resize(step.declared.workloads.len(), false);
    for volume in step.declared.volumes.iter().skip(before.volumes.len()) {
        world.cluster.volumes.push(volume.clone());
    }
    for key in &step.objects_deleted {
        world.cluster.arrived_objects.remove(key);
        world.cluster.buffers.remove(key);
        changes.push(Change::ObjectDeleted(key.clone()));
    }
    for id in &step.deleted {
        if world.cluster.deleted_workloads.insert(*id) {
            // One that is still to come does not come any more.
            let arrived = std::mem::replace(&mut world.cluster.arrived[id.0 as usize], true);
            changes.extend(arrived.then_some(Change::WorkloadDeleted(*id)));
        }
    }
    for key in &step.objects {
        world.cluster.arrived_objects.insert(key.clone());
        changes.push(Change::ObjectArrived(key.clone()));
    }
    for id in step.changed.iter().filter(|id| world.cluster.arrived[id.0 as usize]) {
        changes.push(Change::WorkloadChanged(*id));
    }
    for id in &step.arrived {
        world.cluster.arrived[id.0 as usize] = true;
        changes.push(Change::WorkloadArrived(*id));
    }
    for index in &step.volume_claims {
        let claim = &step.declared.volume_claims[*index as usize];
        let (namespace, name) = (claim.namespace.clone(), claim.name.clone());
        let create = Effect::CreateVolumeClaim(namespace, name, claim.storage_class.clone());
        world_volumes::perform(world, create, changes);
    }
    world_devices::redeclare(world, &before.devices, changes);
    patch_nodes(world, &before, &step.declared, catalog, changes);
    for index in &step.nodes {
        let mut node = step.declared.nodes[*index as usize].clone();
        start::settle(world, &mut node, catalog);
        world_nodes::perform(world, Effect::RegisterNode(Box::new(node)), catalog, changes);
    }
}

/// Brings what a step says of nodes to those that run; taints that the run put there stay.
fn patch_nodes(
    world: &mut World,
    before: &Declared,
    after: &Declared,
    catalog: &Catalog,
    changes: &mut Vec<Change>,
) {
    for (old, new) in before.nodes.iter().zip(&after.nodes) {
        let same =
            old.labels == new.labels && old.taints == new.taints && old.unschedulable == new.unschedulable;
        let Some(running) = running(world, new).filter(|_| !same) else { continue };
        let gone = old.taints.iter().filter(|taint| !new.taints.contains(taint));
        let patch = NodePatch {
            taints_on: new.taints.clone(),
            labels: new.labels.clone(),
            unschedulable: Some(new.unschedulable),
            ..NodePatch::without(gone)
        };
        world_nodes::perform(world, Effect::PatchNode(running, Box::new(patch)), catalog, changes);
    }
}

fn running(world: &World, declared: &Node) -> Option<NodeId> {
    world.cluster.live_nodes().find(|node| node.name == declared.name).map(|node| node.id)
}
