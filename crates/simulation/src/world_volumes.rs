//! Volume claims, volumes and attachments: performing their effects.

use cluster::labels::{SelectorOperator, SelectorRequirement};
use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::template::NodeSelectorTerm;
use cluster::{Change, Kind, Location, Name, NodeId, ObjectKey};

use crate::effect::{Effect, VolumeSource};
use crate::world::World;

/// Whether an effect is performed here.
pub(crate) fn concerns(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::CreateVolumeClaim(..)
            | Effect::SelectVolumeNode(..)
            | Effect::BindVolume(..)
            | Effect::AttachVolume(..)
            | Effect::DetachVolume(..)
    )
}

pub(crate) fn perform(world: &mut World, effect: Effect, changes: &mut Vec<Change>) {
    match effect {
        Effect::CreateVolumeClaim(namespace, name, class) => create(world, namespace, name, class, changes),
        Effect::SelectVolumeNode(claim, node) => {
            let subject = &mut world.cluster.volume_claims[claim.0 as usize];
            if subject.volume.is_none() && subject.selected_node != Some(node) {
                subject.selected_node = Some(node);
                changes.push(Change::VolumeNodeSelected(claim, node));
            }
        }
        Effect::BindVolume(claim, source) => bind(world, claim, source, changes),
        Effect::AttachVolume(claim, node) => {
            if let Some(volume) = volume_of(world, claim)
                && !volume.attached.contains(&node)
            {
                volume.attached.push(node);
                changes.push(Change::VolumeAttached(claim, node));
            }
        }
        Effect::DetachVolume(claim, node) => {
            if let Some(volume) = volume_of(world, claim)
                && let Some(index) = volume.attached.iter().position(|attached| *attached == node)
            {
                volume.attached.remove(index);
                changes.push(Change::VolumeDetached(claim, node));
            }
        }
        _ => unreachable!("concerns() sends only volume effects here"),
    }
}

fn volume_of(world: &mut World, claim: VolumeClaimId) -> Option<&mut Volume> {
    let volume = world.cluster.volume_claims[claim.0 as usize].volume?;
    world.cluster.volumes.get_mut(volume as usize)
}

fn create(world: &mut World, namespace: Name, name: Name, class: Option<Name>, changes: &mut Vec<Change>) {
    if world.cluster.volume_claim(&namespace, &name).is_some() {
        return;
    }
    let Ok(index) = u32::try_from(world.cluster.volume_claims.len()) else { return };
    let default = || world.cluster.declared.default_storage_class().map(|class| class.name.clone());
    let storage_class = class.or_else(default);
    let id = VolumeClaimId(index);
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, namespace.clone(), name.clone());
    let location = Location::object(key);
    world.cluster.volume_claims.push(VolumeClaim {
        id,
        namespace,
        name,
        location,
        storage_class,
        single_node: true,
        single_pod: false,
        selected_node: None,
        volume: None,
    });
    changes.push(Change::VolumeClaimCreated(id));
}

fn bind(world: &mut World, claim: VolumeClaimId, source: VolumeSource, changes: &mut Vec<Change>) {
    let subject = &world.cluster.volume_claims[claim.0 as usize];
    if subject.volume.is_some() {
        return;
    }
    let index = match source {
        VolumeSource::Existing(index) => index,
        VolumeSource::Provisioned => {
            let Ok(index) = u32::try_from(world.cluster.volumes.len()) else { return };
            let volume = provisioned(world, claim);
            world.cluster.volumes.push(volume);
            index
        }
    };
    world.cluster.volume_claims[claim.0 as usize].volume = Some(index);
    changes.push(Change::VolumeBound(claim));
}

/// A new volume of the claim's class. Zonal drivers (EBS) make it in the selected node's zone, or without a
/// consumer in the first zone of the cluster.
fn provisioned(world: &World, claim: VolumeClaimId) -> Volume {
    let cluster = &world.cluster;
    let subject = &cluster.volume_claims[claim.0 as usize];
    let class = subject.storage_class.as_ref().and_then(|name| cluster.declared.storage_class(name));
    let driver = class.map_or_else(Name::default, |class| class.provisioner.clone());
    let zonal = matches!(driver.as_str(), "ebs.csi.aws.com" | "kubernetes.io/aws-ebs");
    let zone_of = |node: NodeId| cluster.node(node).zone.clone();
    let first_zone = || cluster.live_nodes().next().map(|node| node.zone.clone());
    let zone = subject.selected_node.map(zone_of).or_else(first_zone);
    let in_zone = |zone: Name| NodeSelectorTerm {
        match_expressions: vec![SelectorRequirement {
            key: "topology.kubernetes.io/zone".into(),
            operator: SelectorOperator::In,
            values: vec![zone],
            min_values: None,
        }],
        match_fields: Vec::new(),
    };
    let node_affinity = zone.filter(|zone| zonal && !zone.is_empty()).map(in_zone).into_iter().collect();
    Volume {
        name: Name::from(format!("pvc-{}-{}", subject.namespace, subject.name)),
        location: None,
        driver,
        labels: Default::default(),
        claim_ref: Some((subject.namespace.clone(), subject.name.clone())),
        storage_class: subject.storage_class.clone(),
        node_affinity,
        attached: Vec::new(),
    }
}
