//! The cluster at t=0, from what was declared.

use std::sync::Arc;

use catalog::Catalog;
use cluster::declared::DeclaredPod;
use cluster::node_claim::ClaimStage;
use cluster::pod::NewPod;
use cluster::profile::{Held, Latencies};
use cluster::storage::VolumeClaim;
use cluster::template::PodVolume;
use cluster::{Cluster, Declared, Name, Node, NodeClaim, Timestamp, Workload};

use crate::actors::fargate::is_fargate;
use crate::effect::Effect;
use crate::world::World;

/// What a Fargate node holds: its own address.
const MICRO_VM: Held = Held { interfaces: 1, addresses: 0, prefixes: 0 };

/// When the time before t=0 begins: long enough for every controller's back-off to run its course.
const BEFORE_START_MS: i64 = 60 * 60 * 1000;

/// A cluster in which nothing exists yet.
pub(crate) fn cluster(declared: &Arc<Declared>) -> Cluster {
    Cluster {
        now: Timestamp(-BEFORE_START_MS),
        claims: declared.claims.iter().map(|claim| before_registration(claim, declared)).collect(),
        subnets: declared.profile.subnets.iter().map(addressing::space::filled).collect(),
        volumes: declared.volumes.clone(),
        device_claims: declared.devices.claims.clone(),
        ..Cluster::empty(declared.clone())
    }
}

/// Claims of a live dump register their nodes at the start.
fn before_registration(claim: &NodeClaim, declared: &Arc<Declared>) -> NodeClaim {
    let made_under = Some(declared.clone());
    NodeClaim { stage: ClaimStage::Launched, node: None, made_under, ..claim.clone() }
}

/// The same, with nothing taking any time.
pub(crate) fn without_latencies(declared: &Arc<Declared>) -> Arc<Declared> {
    let mut instant = (**declared).clone();
    instant.profile.latencies =
        Latencies { launch_ms: 0, node_ready_ms: 0, image_pull_ms: 0, pod_start_ms: 0, terminate_ms: 0 };
    Arc::new(instant)
}

/// Nodes, objects, pods and workloads that exist at t=0, as effects.
pub(crate) fn effects(world: &mut World, catalog: &Catalog) -> Vec<Effect> {
    let declared = world.cluster.declared.clone();
    let mut effects = Vec::new();
    for (index, node) in declared.nodes.iter().enumerate() {
        let mut node = node.clone();
        settle(world, &mut node, catalog);
        node.claim = declared.claims.iter().find(|claim| is_node(claim, index)).map(|claim| claim.id);
        effects.push(Effect::RegisterNode(Box::new(node)));
    }
    effects.extend(declared.claims.iter().map(|claim| Effect::InitializeClaim(claim.id)));
    effects.extend(existing_objects(&declared).map(Effect::Arrive));
    effects.extend(existing_claims(&declared));
    effects.extend(declared.pods.iter().map(|pod| Effect::CreatePod(Box::new(existing_pod(&declared, pod)))));
    let existing = declared.workload_ids().filter(|(_, workload)| exists(workload));
    effects.extend(existing.map(|(id, _)| Effect::ArriveWorkload(id)));
    effects
}

fn is_node(claim: &NodeClaim, index: usize) -> bool {
    claim.node.is_some_and(|node| node.0 as usize == index)
}

/// The node's interfaces as they are at t=0: as the input has them, else what the profile says they hold, else
/// settled without pods. A micro-VM has one address.
pub(crate) fn settle(world: &mut World, node: &mut Node, catalog: &Catalog) {
    let declared = world.cluster.declared.clone();
    if !node.network.interfaces.is_empty() {
        let known = pods_with_address(&declared, &node.name);
        return addressing::settle::adopt(node, &mut world.cluster.subnets, known, world.cluster.now);
    }
    let group = node.group.and_then(|group| declared.profile.node_groups.get(group as usize));
    let facts = addressing::settle::Facts {
        pods: 0,
        mode: group.and_then(|group| group.address_mode),
        held: group.and_then(|group| group.held).or(is_fargate(node).then_some(MICRO_VM)),
    };
    let instance_type = catalog.instance_type(&node.instance_type);
    let subnets = &mut world.cluster.subnets;
    let name = declared.profile.name.as_str();
    addressing::settle(node, instance_type, subnets, &declared.cni, name, facts, world.cluster.now);
}

/// Pods of the input that have an address of this node.
fn pods_with_address(declared: &Declared, node: &Name) -> u32 {
    let of_dump = declared.pods.iter().filter(|pod| {
        pod.addressed
            && pod.node.as_ref() == Some(node)
            && declared.workload(pod.workload).template.needs_address()
    });
    let bare = declared.workloads.iter().filter(|workload| {
        let template = &workload.template;
        exists(workload) && template.node_name.as_ref() == Some(node) && template.needs_address()
    });
    u32::try_from(of_dump.count() + bare.count()).unwrap_or(u32::MAX)
}

/// A pod of a live dump: bound where it was, by the name of its node.
fn existing_pod(declared: &Declared, pod: &DeclaredPod) -> NewPod {
    let workload = declared.workload(pod.workload);
    let mut template = workload.template.clone();
    if pod.node.is_some() {
        Arc::make_mut(&mut template).node_name.clone_from(&pod.node);
    }
    NewPod {
        namespace: workload.key.namespace.clone(),
        name: pod.name.clone(),
        workload: Some(pod.workload),
        template,
        revision: 0,
        ordinal: pod.ordinal,
        for_node: None,
    }
}

/// Volume claims that are bound, and those of workloads that exist.
fn existing_claims(declared: &Declared) -> impl Iterator<Item = Effect> + '_ {
    let used = |claim: &VolumeClaim| {
        let of_pod = |volume: &PodVolume| matches!(volume, PodVolume::Claim(name) if *name == claim.name);
        declared.workloads.iter().any(|workload| {
            exists(workload)
                && workload.key.namespace == claim.namespace
                && workload.template.volumes.iter().any(of_pod)
        })
    };
    let claims = declared.volume_claims.iter().filter(move |claim| claim.volume.is_some() || used(claim));
    claims.map(|claim| {
        Effect::CreateVolumeClaim(claim.namespace.clone(), claim.name.clone(), claim.storage_class.clone())
    })
}

fn exists(workload: &Workload) -> bool {
    workload.arrival.existing || workload.running_at_start
}

fn existing_objects(declared: &Declared) -> impl Iterator<Item = cluster::ObjectKey> + '_ {
    let pools = declared.node_pools.iter().map(|pool| (&pool.arrival, &pool.location));
    let classes = declared.node_classes.iter().map(|class| (&class.arrival, &class.location));
    let webhooks = declared.webhooks.iter().map(|webhook| (&webhook.arrival, &webhook.location));
    pools
        .chain(classes)
        .chain(webhooks)
        .filter(|(arrival, _)| arrival.existing)
        .map(|(_, location)| location.object.clone())
}

/// Takes from each subnet what others hold in it, so that its free count is the declared one with the node groups
/// up and warmed.
pub(crate) fn meet_declared(world: &mut World) {
    for subnet in &mut world.cluster.subnets {
        addressing::fragmentation::meet_declared(subnet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::cni_stage::{cilium, subnet};
    use crate::actors::stage_hand::{StageHand, declared, node};
    use cluster::network::{Cni, Interface, Slot, SubnetId};

    fn slot(offset: u32, assigned: u32) -> Slot {
        Slot { prefix: false, offset: Some(offset), assigned, cooling: Vec::new() }
    }

    /// A CiliumNode says what the node holds, and in which places.
    #[test]
    fn interfaces_of_the_input_are_kept_and_held_in_their_subnet() {
        let mut known = node("a");
        known.network.interfaces = vec![Interface {
            subnet: Some(SubnetId(0)),
            primary: Some(40),
            is_primary: true,
            is_trunk: false,
            slots: vec![slot(41, 1), slot(50, 1), slot(51, 0)],
            attached: Timestamp::ZERO,
        }];
        let mut input = declared(Vec::new(), Vec::new());
        input.cni = Cni::CiliumEni(cilium());
        let mut world = World::new(StageHand::new(input, Vec::new()).cluster);
        world.cluster.subnets = vec![subnet(0, "10.0.0.0/24")];
        settle(&mut world, &mut known, &Catalog::default());
        assert_eq!(
            (known.network.held(), known.network.assigned()),
            (4, 2),
            "pods that the input does not have"
        );
        let space = &world.cluster.subnets[0].space;
        assert_eq!((space.free, space.blocks[2], space.blocks[3]), (251 - 4, 0b11 << 8, 0b1100));
    }

    #[test]
    fn a_fargate_node_of_a_dump_holds_its_own_address_only() {
        let mut micro_vm = node("fargate-ip-10-0-0-9");
        micro_vm.labels.insert("eks.amazonaws.com/compute-type".into(), "fargate".into());
        micro_vm.network.subnet = Some(SubnetId(0));
        let mut world = World::new(StageHand::new(declared(Vec::new(), Vec::new()), Vec::new()).cluster);
        world.cluster.subnets = vec![subnet(0, "10.0.0.0/24")];
        settle(&mut world, &mut micro_vm, &Catalog::default());
        assert_eq!((micro_vm.network.held(), world.cluster.subnets[0].space.free), (1, 250));
    }
}
