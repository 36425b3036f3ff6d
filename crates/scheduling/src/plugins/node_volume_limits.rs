//! `NodeVolumeLimits`: a CSI driver attaches only so many volumes to a node.
//!
//! Follows `plugins/nodevolumelimits/csi.go`. In-tree volumes count for the CSI driver that they were migrated to,
//! as on every node since migration cannot be turned off.

use std::collections::BTreeSet;

use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::{Cluster, Name, Node};

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::volume_binding::{VolumePlan, uses};

/// A volume that there is, or the one that a claim will get.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Volume(u32),
    Claim(VolumeClaimId),
}

/// Whether the pod's new volumes would pass a driver's limit on a node.
pub(crate) fn refuses(index: &Placements, plan: &VolumePlan, cluster: &Cluster, node: &Node) -> bool {
    if !node.volume_drivers.iter().any(|(_, limit)| limit.is_some()) {
        return false;
    }
    let mut attached = BTreeSet::new();
    for pod in index.pods_on.get(node.id.0 as usize).into_iter().flatten() {
        let Some(tenant) = index.tenants.get(pod.0 as usize).and_then(Option::as_ref) else { continue };
        let namespace = &index.classes[tenant.class as usize].namespace;
        let claims = tenant
            .claims
            .iter()
            .filter_map(|(name, _)| index.claim_ids.get(&(namespace.clone(), name.clone())));
        attached.extend(claims.filter_map(|claim| identify(cluster, *claim)));
    }
    let mut new: BTreeSet<(Name, Identity)> =
        plan.claims.iter().filter_map(|claim| identify(cluster, *claim)).collect();
    new.retain(|volume| !attached.contains(volume));
    let elsewhere = index.attached.get(node.id.0 as usize).into_iter().flatten();
    attached.extend(elsewhere.filter_map(|volume| {
        let driver = driver_name(&cluster.volumes.get(*volume as usize)?.driver);
        Some((driver, Identity::Volume(*volume)))
    }));
    node.volume_drivers.iter().any(|(driver, limit)| {
        let count =
            |volumes: &BTreeSet<(Name, Identity)>| volumes.iter().filter(|(name, _)| name == driver).count();
        let wanted = count(&new);
        limit.is_some_and(|limit| wanted > 0 && count(&attached) + wanted > limit as usize)
    })
}

/// The driver and identity of a claim's volume; `None` when it has no class that says who provisions it.
fn identify(cluster: &Cluster, id: VolumeClaimId) -> Option<(Name, Identity)> {
    let claim = cluster.volume_claims.get(id.0 as usize)?;
    if let Some((number, volume)) = volume_of(cluster, claim) {
        return Some((driver_name(&volume.driver), Identity::Volume(number)));
    }
    let class = cluster.declared.storage_class(claim.storage_class.as_ref()?)?;
    Some((driver_name(&class.provisioner), Identity::Claim(id)))
}

/// The volume that a claim is bound to or that it names.
fn volume_of<'a>(cluster: &'a Cluster, claim: &VolumeClaim) -> Option<(u32, &'a Volume)> {
    let named = || {
        let name = claim.wish.prebound.as_ref()?;
        cluster.volumes.iter().position(|volume| volume.name == *name)
    };
    let number = claim.volume.or_else(|| named().and_then(|number| u32::try_from(number).ok()))?;
    Some((number, cluster.volumes.get(number as usize)?))
}

/// By `k8s.io/csi-translation-lib`.
fn driver_name(driver: &Name) -> Name {
    match driver.as_str() {
        "kubernetes.io/aws-ebs" => "ebs.csi.aws.com".into(),
        "kubernetes.io/gce-pd" => "pd.csi.storage.gke.io".into(),
        "kubernetes.io/azure-disk" => "disk.csi.azure.com".into(),
        "kubernetes.io/azure-file" => "file.csi.azure.com".into(),
        "kubernetes.io/cinder" => "cinder.csi.openstack.org".into(),
        "kubernetes.io/vsphere-volume" => "csi.vsphere.vmware.com".into(),
        "kubernetes.io/portworx-volume" => "pxd.portworx.com".into(),
        _ => driver.clone(),
    }
}

/// A queueing hint: a driver registered, a pod with volumes or an attachment is gone, or a claim came.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::CsiNodeChanged(_) => true,
        Event::VolumeDetached => waiter.template().volumes.iter().any(|volume| {
            matches!(
                volume,
                cluster::template::PodVolume::Claim(_)
                    | cluster::template::PodVolume::Template { stateful: true, .. }
            )
        }),
        Event::PodDeleted { class, .. } => !waiter.template_of(*class).volumes.is_empty(),
        Event::ClaimChanged { claim, added: true } => uses(waiter, *claim, true),
        _ => false,
    }
}
