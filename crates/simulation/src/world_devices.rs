//! Claims for devices: performing their effects, and what the resource claim controller does with them.
//!
//! Follows `k8s.io/kubernetes` v1.36 `pkg/controller/resourceclaim/controller.go`: a pod gets a claim from each
//! template that it names; when the pod is done it is no user any more, a claim without users loses its devices, and a
//! claim that was made for the pod goes with it. The controller runs in the control plane and takes no time here.

use std::sync::Arc;

use cluster::change::DeviceClaimChange;
use cluster::device::{
    ClaimSource, Consumer, DeviceAllocation, DeviceClaim, DeviceClaimId, DeviceClaimSpec, MadeFor,
};
use cluster::{Change, Location, Name, Pod, PodId};

use crate::effect::Effect;
use crate::world::World;

/// Whether an effect is performed here.
pub(crate) fn concerns(effect: &Effect) -> bool {
    matches!(effect, Effect::AllocateDevices(..) | Effect::DeallocateDevices(..))
}

pub(crate) fn perform(world: &mut World, effect: Effect, changes: &mut Vec<Change>) {
    match effect {
        Effect::AllocateDevices(pod, choice) => {
            if world.cluster.pod(pod).is_wanted() {
                for (claim, allocation) in choice {
                    use_claim(world, pod, claim, allocation, changes);
                }
            }
        }
        Effect::DeallocateDevices(claim) => {
            let Some(claim) = world.cluster.device_claims.get_mut(claim.0 as usize) else { return };
            if claim.allocation.take().is_some() {
                claim.reserved_for.clear();
                changes.push(changed(claim.id, DeviceClaimChange::Deallocated));
            }
        }
        _ => unreachable!("concerns() sends only effects on devices here"),
    }
}

fn changed(claim: DeviceClaimId, how: DeviceClaimChange) -> Change {
    Change::DeviceClaimChanged { claim, how }
}

/// A pod becomes a user of a claim, which gets its devices if it had none.
fn use_claim(
    world: &mut World,
    pod: PodId,
    claim: DeviceClaimId,
    allocation: Option<Arc<DeviceAllocation>>,
    changes: &mut Vec<Change>,
) {
    let name = world.cluster.pod(pod).name.clone();
    let Some(claim) = world.cluster.device_claims.get_mut(claim.0 as usize).filter(|claim| !claim.gone)
    else {
        return;
    };
    if claim.allocation.is_none() {
        claim.allocation = allocation;
    }
    let user = [Consumer::Pod(pod), Consumer::Named(name)];
    if !claim.reserved_for.iter().any(|known| user.contains(known)) {
        claim.reserved_for.push(Consumer::Pod(pod));
    }
    changes.push(changed(claim.id, DeviceClaimChange::Updated));
}

/// Makes the claims of a pod's templates that are not there.
pub(crate) fn make_claims(world: &mut World, pod: PodId, changes: &mut Vec<Change>) {
    let pod = world.cluster.pod(pod).clone();
    for asked in pod.template.device_claims.iter().filter(|_| !pod.is_over()) {
        let ClaimSource::Template(template) = &asked.source else { continue };
        let is_there = |claim: &DeviceClaim| !claim.gone && is_made_for(claim, &pod, Some(&asked.name));
        if world.cluster.device_claims.iter().any(is_there) {
            continue;
        }
        let Some(template) = world.cluster.declared.devices.template(&pod.namespace, template) else {
            continue;
        };
        let made_for = Some(MadeFor { pod: pod.name.clone(), claim: asked.name.clone() });
        let name = Name::from(format!("{}-{}", pod.name, asked.name));
        let (location, spec) = (template.location.clone(), template.spec.clone());
        add(world, (pod.namespace.clone(), name), location, spec, made_for, changes);
    }
}

fn add(
    world: &mut World,
    (namespace, name): (Name, Name),
    location: Location,
    spec: Arc<DeviceClaimSpec>,
    made_for: Option<MadeFor>,
    changes: &mut Vec<Change>,
) {
    let Ok(index) = u32::try_from(world.cluster.device_claims.len()) else { return };
    let id = DeviceClaimId(index);
    world.cluster.device_claims.push(DeviceClaim {
        id,
        namespace,
        name,
        location,
        spec,
        made_for,
        deleting: false,
        gone: false,
        allocation: None,
        reserved_for: Vec::new(),
    });
    changes.push(changed(id, DeviceClaimChange::Created));
}

fn is_made_for(claim: &DeviceClaim, pod: &Pod, asked: Option<&Name>) -> bool {
    claim.namespace == pod.namespace
        && claim
            .made_for
            .as_ref()
            .is_some_and(|owner| owner.pod == pod.name && asked.is_none_or(|asked| *asked == owner.claim))
}

/// A pod has finished or is gone: it uses no claim any more.
pub(crate) fn end(world: &mut World, pod: PodId, changes: &mut Vec<Change>) {
    let pod = world.cluster.pod(pod).clone();
    if pod.template.device_claims.is_empty() {
        return;
    }
    for claim in world.cluster.device_claims.iter_mut().filter(|claim| !claim.gone) {
        if claim.namespace != pod.namespace {
            continue;
        }
        let users = claim.reserved_for.len();
        claim.reserved_for.retain(|user| match user {
            Consumer::Pod(user) => *user != pod.id,
            Consumer::Named(user) => *user != pod.name,
            Consumer::Other => true,
        });
        let left = claim.reserved_for.len() < users;
        if left && claim.reserved_for.is_empty() {
            claim.allocation = None;
        }
        if is_made_for(claim, &pod, None) {
            (claim.gone, claim.allocation) = (true, None);
            changes.push(changed(claim.id, DeviceClaimChange::Gone));
        } else if left {
            let freed = claim.allocation.is_none();
            let how = if freed { DeviceClaimChange::Deallocated } else { DeviceClaimChange::Updated };
            changes.push(changed(claim.id, how));
        }
    }
}

/// A scenario's step declares other claims: those that are new come, those that are not declared any more go, and
/// pods that waited for a template get their claims.
pub(crate) fn redeclare(world: &mut World, before: &cluster::device::Devices, changes: &mut Vec<Change>) {
    let declared = world.cluster.declared.clone();
    if *before == declared.devices {
        return;
    }
    let same = |a: &DeviceClaim, b: &DeviceClaim| a.namespace == b.namespace && a.name == b.name;
    let (old, new) = (&before.claims, &declared.devices.claims);
    for gone in old.iter().filter(|old| !new.iter().any(|new| same(old, new))) {
        let mut claims = world.cluster.device_claims.iter_mut();
        if let Some(claim) = claims.find(|claim| !claim.gone && same(claim, gone)) {
            (claim.gone, claim.allocation) = (true, None);
            changes.push(changed(claim.id, DeviceClaimChange::Gone));
        }
    }
    for claim in new.iter().filter(|new| !old.iter().any(|old| same(old, new))) {
        let name = (claim.namespace.clone(), claim.name.clone());
        let (location, spec) = (claim.location.clone(), claim.spec.clone());
        add(world, name, location, spec, claim.made_for.clone(), changes);
    }
    for pod in 0..world.cluster.pods.len() {
        let id = world.cluster.pods[pod].id;
        make_claims(world, id, changes);
    }
}
