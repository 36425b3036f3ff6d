//! The cluster at t=0, from what was declared.

use std::sync::Arc;

use catalog::Catalog;
use cluster::declared::DeclaredPod;
use cluster::node_claim::ClaimStage;
use cluster::pod::NewPod;
use cluster::profile::Latencies;
use cluster::storage::VolumeClaim;
use cluster::template::PodVolume;
use cluster::{Cluster, Declared, Node, NodeClaim, Timestamp, Workload};

use crate::effect::Effect;
use crate::world::World;

/// When the time before t=0 begins: long enough for every controller's back-off to run its course.
const BEFORE_START_MS: i64 = 60 * 60 * 1000;

/// A cluster in which nothing exists yet.
pub(crate) fn cluster(declared: &Arc<Declared>) -> Cluster {
    let subnets = declared.profile.subnets.iter().map(addressing::space::filled).collect();
    Cluster {
        declared: declared.clone(),
        now: Timestamp(-BEFORE_START_MS),
        pods: Vec::new(),
        nodes: Vec::new(),
        claims: declared.claims.iter().map(before_registration).collect(),
        subnets,
        volume_claims: Vec::new(),
        volumes: declared.volumes.clone(),
        arrived: vec![false; declared.workloads.len()],
        deleted_workloads: std::collections::BTreeSet::new(),
        arrived_objects: std::collections::BTreeSet::new(),
        refusals: std::collections::BTreeMap::new(),
        creation_refusals: std::collections::BTreeMap::new(),
        completed: std::collections::BTreeMap::new(),
        blocked: std::collections::BTreeMap::new(),
        faults: Vec::new(),
    }
}

/// Claims of a live dump register their nodes at the start.
fn before_registration(claim: &NodeClaim) -> NodeClaim {
    NodeClaim { stage: ClaimStage::Launched, node: None, ..claim.clone() }
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

/// The node's interfaces as they are at t=0: what the profile says they hold, else settled without pods.
pub(crate) fn settle(world: &mut World, node: &mut Node, catalog: &Catalog) {
    let declared = world.cluster.declared.clone();
    let group = node.group.and_then(|group| declared.profile.node_groups.get(group as usize));
    let facts = addressing::settle::Facts {
        pods: 0,
        mode: group.and_then(|group| group.address_mode),
        held: group.and_then(|group| group.held),
    };
    let instance_type = catalog.instance_type(&node.instance_type);
    let subnets = &mut world.cluster.subnets;
    let name = declared.profile.name.as_str();
    addressing::settle(node, instance_type, subnets, &declared.cni, name, facts, world.cluster.now);
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
