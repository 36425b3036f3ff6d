//! Volume claims, volumes and attachments: performing their effects.

use cluster::labels::{SelectorOperator, SelectorRequirement};
use cluster::storage::{Volume, VolumeClaim, VolumeClaimId};
use cluster::template::NodeSelectorTerm;
use cluster::{Change, Declared, Kind, Location, Name, NodeId, ObjectKey};

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
    let id = VolumeClaimId(index);
    let declared = &world.cluster.declared;
    let written =
        declared.volume_claims.iter().find(|claim| claim.namespace == namespace && claim.name == name);
    let claim = match written {
        Some(written) => VolumeClaim { id, ..written.clone() },
        None => from_template(id, namespace, name, class, declared),
    };
    let bound = claim.volume.is_some();
    world.cluster.volume_claims.push(claim);
    changes.push(Change::VolumeClaimCreated(id));
    changes.extend(bound.then_some(Change::VolumeBound(id)));
}

/// A claim that the input does not have: a StatefulSet's, or an ephemeral one. `ReadWriteOnce` is taken.
fn from_template(
    id: VolumeClaimId,
    namespace: Name,
    name: Name,
    class: Option<Name>,
    declared: &Declared,
) -> VolumeClaim {
    let default = || declared.default_storage_class().map(|class| class.name.clone());
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, namespace.clone(), name.clone());
    VolumeClaim {
        id,
        namespace,
        name,
        location: Location::object(key),
        storage_class: class.or_else(default),
        single_node: true,
        single_pod: false,
        selected_node: None,
        volume: None,
        wish: Default::default(),
    }
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
        traits: subject.wish.traits.clone(),
        reserved: true,
        deleting: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::stage_hand::{StageHand, declared, key};
    use catalog::Catalog;

    /// A claim of the input keeps its access modes, its place and its volume.
    #[test]
    fn a_claim_of_the_input_is_created_as_it_is_written() {
        let mut input = declared(Vec::new(), Vec::new());
        let written = VolumeClaim {
            id: VolumeClaimId(7),
            namespace: "apps".into(),
            name: "shared".into(),
            location: Location::object(key(Kind::PersistentVolumeClaim, "shared")),
            storage_class: None,
            single_node: false,
            single_pod: true,
            selected_node: Some(NodeId(3)),
            volume: Some(0),
            wish: Default::default(),
        };
        input.volume_claims = vec![written.clone()];
        let mut world = World::new(StageHand::new(input, Vec::new()).cluster);
        world.cluster.volume_claims.clear();
        let mut changes = Vec::new();
        for name in ["shared", "scratch"] {
            let create = Effect::CreateVolumeClaim("apps".into(), name.into(), Some("gp3".into()));
            world.perform(create, &Catalog::default(), &mut changes);
        }
        let made = &world.cluster.volume_claims;
        assert_eq!(made[0], VolumeClaim { id: VolumeClaimId(0), ..written });
        assert!(made[1].single_node && !made[1].single_pod && made[1].storage_class == Some("gp3".into()));
        let id = VolumeClaimId;
        let (first, second) = (Change::VolumeClaimCreated(id(0)), Change::VolumeClaimCreated(id(1)));
        assert_eq!(changes, [first, Change::VolumeBound(id(0)), second]);
    }
}
