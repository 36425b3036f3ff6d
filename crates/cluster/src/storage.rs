//! Volumes: classes, claims, volumes, attachments.

use crate::location::Location;
use crate::template::NodeSelectorTerm;
use crate::{LabelSelector, Labels, Name, NodeId};

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `provisioner`.
    pub provisioner: Name,
    /// `volumeBindingMode: WaitForFirstConsumer`.
    pub wait_for_consumer: bool,
    /// `storageclass.kubernetes.io/is-default-class`.
    pub is_default: bool,
    /// `allowedTopologies`, as node selector terms.
    pub allowed_topologies: Vec<NodeSelectorTerm>,
}

/// A claim's index in [`crate::Cluster::volume_claims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct VolumeClaimId(pub u32);

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeClaim {
    /// Its index.
    pub id: VolumeClaimId,
    /// `metadata.namespace`.
    pub namespace: Name,
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// `storageClassName`, the default class filled in; `None` when there is no class.
    pub storage_class: Option<Name>,
    /// `ReadWriteOncePod` or a driver that attaches to one node: only one node at a time.
    pub single_node: bool,
    /// `accessModes: [ReadWriteOncePod]`: only one pod at a time.
    pub single_pod: bool,
    /// The node that the scheduler chose for a WaitForFirstConsumer claim.
    pub selected_node: Option<NodeId>,
    /// The volume bound to it; index into [`crate::Cluster::volumes`].
    pub volume: Option<u32>,
    /// What it asks of a volume that exists.
    pub wish: VolumeWish,
}

/// What a claim asks of volumes that exist, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeWish {
    /// Size, modes and class of attributes.
    pub traits: VolumeTraits,
    /// `selector`, over the labels of volumes.
    pub selector: Option<LabelSelector>,
    /// `volumeName`: a volume that is not bound to it yet.
    pub prebound: Option<Name>,
    /// It is being deleted.
    pub deleting: bool,
    /// The volume that it was bound to and that is gone (`status.phase: Lost`).
    pub lost: Option<Name>,
}

/// What must agree between a claim and a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeTraits {
    /// `resources.requests.storage` of a claim, `capacity.storage` of a volume, in bytes.
    pub size_bytes: i64,
    /// `accessModes`.
    pub access_modes: Vec<Name>,
    /// `volumeMode: Block`.
    pub block: bool,
    /// `volumeAttributesClassName`; empty when none.
    pub attributes_class: Name,
}

/// A PersistentVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written, for one of the input.
    pub location: Option<Location>,
    /// The CSI driver, or the in-tree plugin's name (`kubernetes.io/aws-ebs`).
    pub driver: Name,
    /// Written for this claim (`spec.claimRef`), as namespace and name.
    pub claim_ref: Option<(Name, Name)>,
    /// `storageClassName`.
    pub storage_class: Option<Name>,
    /// `nodeAffinity`: any term may hold; empty is everywhere.
    pub node_affinity: Vec<NodeSelectorTerm>,
    /// `metadata.labels`: zone and region labels of in-tree volumes restrict where it can be used.
    pub labels: Labels,
    /// Where it is attached.
    pub attached: Vec<NodeId>,
    /// Size, modes and class of attributes.
    pub traits: VolumeTraits,
    /// It cannot be bound to a claim that it is not written for: its phase is another than `Available`, or it is being
    /// deleted.
    pub reserved: bool,
    /// It is being deleted.
    pub deleting: bool,
}
