//! Nodes, claims and interfaces: performing their effects.

use catalog::Catalog;
use cluster::network::{EniCall, EniOutcome, Interface};
use cluster::node_claim::{ClaimStage, LaunchFailure, Launched, NewClaim, NodeClaim};
use cluster::{Change, ClaimId, Name, Node, NodeId, Timestamp};

use crate::actors::ec2::instance;
use crate::effect::Effect;
use crate::needs;
use crate::world::World;

/// Whether an effect is performed here.
pub(crate) fn concerns(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::RegisterNode(_)
            | Effect::NodeReady(..)
            | Effect::PatchNode(..)
            | Effect::DeleteNode(_)
            | Effect::NodeGone(_)
            | Effect::CniReady(..)
            | Effect::CniOwnEndpoints(..)
            | Effect::CallEni(..)
            | Effect::RegisterDriver(..)
            | Effect::CreateClaim(_)
            | Effect::LaunchClaim(..)
            | Effect::RefuseOfferings(_)
            | Effect::FailClaim(..)
            | Effect::InstanceTerminated(_)
            | Effect::InitializeClaim(_)
            | Effect::DriftClaim(..)
            | Effect::DeleteClaim(..)
            | Effect::ClaimGone(_)
    )
}

pub(crate) fn perform(world: &mut World, effect: Effect, catalog: &Catalog, changes: &mut Vec<Change>) {
    match effect {
        Effect::RegisterNode(node) => register(world, *node, changes),
        Effect::NodeReady(node, ready) => {
            let subject = node_mut(world, node);
            if !subject.gone && std::mem::replace(&mut subject.ready, ready) != ready {
                changes.push(Change::NodeReady(node, ready));
            }
        }
        Effect::PatchNode(node, patch) => patch_node(world, node, *patch, changes),
        Effect::DeleteNode(node) => {
            let now = world.cluster.now;
            let subject = node_mut(world, node);
            if !subject.gone && subject.deleted.is_none() {
                subject.deleted = Some(now);
                changes.push(Change::NodeDeleting(node));
            }
        }
        Effect::NodeGone(node) => node_gone(world, node, changes),
        Effect::CniReady(node, ready) => {
            let subject = node_mut(world, node);
            if !subject.gone && std::mem::replace(&mut subject.network.cni_ready, ready) != ready {
                changes.push(Change::CniReady(node, ready));
            }
        }
        Effect::CniOwnEndpoints(node, count) => node_mut(world, node).network.own_endpoints = count,
        Effect::CallEni(node, call) => call_eni(world, node, call, catalog, changes),
        Effect::RegisterDriver(node, driver, limit) => register_driver(world, node, driver, limit, changes),
        effect => perform_on_claim(world, effect, catalog, changes),
    }
}

fn perform_on_claim(world: &mut World, effect: Effect, catalog: &Catalog, changes: &mut Vec<Change>) {
    match effect {
        Effect::CreateClaim(new) => create_claim(world, *new, changes),
        Effect::LaunchClaim(claim, launched) => launch(world, claim, *launched, catalog, changes),
        Effect::RefuseOfferings(refused) => changes.push(Change::OfferingsRefused(refused)),
        Effect::InstanceTerminated(claim) => changes.push(Change::InstanceTerminated(claim)),
        Effect::FailClaim(claim, why) => {
            if world.cluster.claim(claim).stage == ClaimStage::Created {
                changes.push(Change::ClaimFailed(claim, why));
            }
        }
        Effect::InitializeClaim(claim) => {
            let subject = claim_mut(world, claim);
            if subject.stage == ClaimStage::Registered {
                subject.stage = ClaimStage::Initialized;
                let node = subject.node;
                changes.push(Change::ClaimInitialized(claim));
                if let Some(node) = node {
                    let labels = &mut node_mut(world, node).labels;
                    labels.insert("karpenter.sh/initialized".into(), "true".into());
                    changes.push(Change::NodeUpdated(node));
                }
            }
        }
        Effect::DriftClaim(claim, why) => {
            let now = world.cluster.now;
            let drifted = &mut claim_mut(world, claim).drifted;
            if drifted.map(|(_, known)| known) != why {
                // The condition keeps its instant when only its reason changes.
                *drifted = why.map(|why| (drifted.map_or(now, |(since, _)| since), why));
                changes.push(Change::ClaimDrifted(claim, why));
            }
        }
        Effect::DeleteClaim(claim, why) => {
            let now = world.cluster.now;
            let subject = claim_mut(world, claim);
            if subject.deleted.is_none() && subject.stage != ClaimStage::Gone {
                subject.deleted = Some((now, why));
                changes.push(Change::ClaimDeleting(claim, why));
            }
        }
        Effect::ClaimGone(claim) => {
            let subject = claim_mut(world, claim);
            if subject.stage != ClaimStage::Gone {
                subject.stage = ClaimStage::Gone;
                release_unregistered(world, claim);
                changes.push(Change::ClaimGone(claim));
            }
        }
        _ => unreachable!("concerns() sends only node and claim effects here"),
    }
}

fn node_mut(world: &mut World, node: NodeId) -> &mut Node {
    &mut world.cluster.nodes[node.0 as usize]
}

fn claim_mut(world: &mut World, claim: ClaimId) -> &mut NodeClaim {
    &mut world.cluster.claims[claim.0 as usize]
}

fn register(world: &mut World, mut node: Node, changes: &mut Vec<Change>) {
    let Ok(index) = u32::try_from(world.cluster.nodes.len()) else { return };
    let id = NodeId(index);
    (node.id, node.created) = (id, world.cluster.now);
    if let Some(claim) = node.claim {
        let subject = claim_mut(world, claim);
        if subject.stage != ClaimStage::Launched {
            return;
        }
        (subject.stage, subject.node) = (ClaimStage::Registered, Some(id));
        if let Some(primary) = world.primaries.remove(&claim) {
            node.network.interfaces = vec![Interface {
                subnet: node.network.subnet,
                primary,
                is_primary: true,
                is_trunk: false,
                slots: Vec::new(),
                attached: world.cluster.now,
            }];
        }
    }
    let launched = !node.network.interfaces.is_empty()
        || addressing::ec2::launch(&mut node.network, &mut world.cluster.subnets, world.cluster.now);
    if !launched && world.cluster.now >= Timestamp::ZERO {
        return; // There is no instance without a primary address. What exists at t=0 is taken as it is said.
    }
    world.cluster.nodes.push(node);
    changes.push(Change::NodeRegistered(id));
}

fn patch_node(world: &mut World, node: NodeId, patch: cluster::change::NodePatch, changes: &mut Vec<Change>) {
    let subject = node_mut(world, node);
    if subject.gone {
        return;
    }
    let seen =
        |node: &Node| (node.taints.clone(), node.labels.clone(), node.unschedulable, node.capacity.clone());
    let before = seen(subject);
    patch.change_taints(&mut subject.taints);
    subject.labels.extend(patch.labels);
    subject.unschedulable = patch.unschedulable.unwrap_or(subject.unschedulable);
    for (resource, amount) in patch.extended {
        subject.capacity.set(&resource, amount);
        subject.allocatable.set(&resource, amount);
    }
    if before != seen(subject) {
        changes.push(Change::NodeUpdated(node));
    }
}

fn node_gone(world: &mut World, node: NodeId, changes: &mut Vec<Change>) {
    if world.cluster.node(node).gone {
        return;
    }
    let cluster = &mut world.cluster;
    addressing::ec2::release_node(&mut cluster.nodes[node.0 as usize].network, &mut cluster.subnets);
    let subject = node_mut(world, node);
    (subject.gone, subject.ready) = (true, false);
    changes.push(Change::NodeGone(node));
}

fn call_eni(world: &mut World, node: NodeId, call: EniCall, catalog: &Catalog, changes: &mut Vec<Change>) {
    let cluster = &mut world.cluster;
    let now = cluster.now;
    let answers = needs::service_works(cluster, "ec2");
    let subject = &mut cluster.nodes[node.0 as usize];
    if subject.gone {
        return;
    }
    let outcome = if !answers {
        EniOutcome::Unavailable
    } else {
        let limits = catalog.instance_type(&subject.instance_type);
        addressing::ec2::perform(&call, &mut subject.network, &mut cluster.subnets, limits, now)
    };
    if let EniOutcome::Short(code) = outcome {
        subject.network.last_shortage = Some((now, code));
    }
    changes.push(Change::EniCalled { node, call, outcome });
}

fn register_driver(
    world: &mut World,
    node: NodeId,
    driver: Name,
    limit: Option<u32>,
    changes: &mut Vec<Change>,
) {
    let drivers = &mut node_mut(world, node).volume_drivers;
    if !drivers.iter().any(|(known, _)| *known == driver) {
        drivers.push((driver.clone(), limit));
        changes.push(Change::DriverRegistered(node, driver));
    }
}

fn create_claim(world: &mut World, new: NewClaim, changes: &mut Vec<Change>) {
    let Ok(index) = u32::try_from(world.cluster.claims.len()) else { return };
    let (id, now) = (ClaimId(index), world.cluster.now);
    let pool = world.cluster.declared.node_pools.get(new.pool as usize);
    let expire_after_ms = pool.and_then(|pool| pool.expire_after_ms);
    let termination_grace_period_ms = pool.and_then(|pool| pool.termination_grace_period_ms);
    world.cluster.claims.push(NodeClaim {
        id,
        name: new.name,
        pool: Some(new.pool),
        labels: new.labels,
        taints: new.taints,
        startup_taints: new.startup_taints,
        options: new.options,
        requests: new.requests,
        expire_after_ms,
        termination_grace_period_ms,
        created: now,
        stage: ClaimStage::Created,
        launched: None,
        node: None,
        deleted: None,
        last_pod_event: now,
        made_under: Some(world.cluster.declared.clone()),
        template_hash: None,
        terminate_by: None,
        drifted: None,
    });
    changes.push(Change::ClaimCreated(id));
}

/// EC2 takes the primary address at launch; that is the only address it asks the subnet for.
fn launch(
    world: &mut World,
    claim: ClaimId,
    launched: Launched,
    catalog: &Catalog,
    changes: &mut Vec<Change>,
) {
    if world.cluster.claim(claim).stage != ClaimStage::Created {
        return;
    }
    let primary = match launched.subnet {
        None => None,
        Some(subnet) => {
            let space = &mut world.cluster.subnets[subnet.0 as usize].space;
            match addressing::space::take_address(space) {
                Some(offset) => Some(offset),
                None => {
                    changes.push(Change::ClaimFailed(claim, LaunchFailure::SubnetFull(subnet)));
                    return;
                }
            }
        }
    };
    world.primaries.insert(claim, primary);
    let labels =
        instance::claim_labels(&world.cluster, catalog, world.cluster.claim(claim), &launched.option);
    let subject = claim_mut(world, claim);
    (subject.stage, subject.labels) = (ClaimStage::Launched, labels);
    subject.launched = Some(launched.clone());
    changes.push(Change::ClaimLaunched(claim, Box::new(launched)));
}

fn release_unregistered(world: &mut World, claim: ClaimId) {
    let subject = world.cluster.claim(claim);
    let subnet = subject.launched.as_ref().and_then(|launched| launched.subnet);
    let registered = subject.node.is_some();
    if let (false, Some(subnet), Some(Some(offset))) = (registered, subnet, world.primaries.remove(&claim)) {
        addressing::space::release_address(&mut world.cluster.subnets[subnet.0 as usize].space, offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::cni_stage::{Stage, vpc_cni};

    /// What a fault breaks and what the profile says is out of reach is one thing.
    #[test]
    fn a_call_to_ec2_is_answered_only_where_it_is_in_reach() {
        for (unreachable, outcome) in [(false, EniOutcome::Done), (true, EniOutcome::Unavailable)] {
            let mut stage = Stage::vpc(vpc_cni(), 100);
            let node = stage.node("m5.large", 29);
            if unreachable {
                std::sync::Arc::make_mut(&mut stage.world.cluster.declared).profile.aws.unreachable =
                    vec!["ec2".into()];
            }
            let call = EniCall::Assign { interface: 0, count: 1, prefixes: false };
            stage.perform(Effect::CallEni(node, call.clone()));
            assert_eq!(stage.log.last().unwrap().1, Change::EniCalled { node, call, outcome });
        }
    }
}
