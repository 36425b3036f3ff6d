//! What a change means to the scheduler: the index takes it over and says which of upstream's cluster events it is.
//!
//! Follows `pkg/scheduler/eventhandlers.go` and `framework/events.go` of v1.36.3.

use cluster::change::{DeletionCause, DeviceClaimChange};
use cluster::device::DeviceClaimId;
use cluster::pod::Stage;
use cluster::storage::VolumeClaimId;
use cluster::{Change, Cluster, Kind, NodeId, PodId};

use crate::class::ClassId;
use crate::placements::{Placements, label_hash};
use crate::room::Amounts;
use crate::rule::Cell;

/// Something that may make a pod schedulable which was not.
#[derive(Clone, Debug)]
pub enum Event {
    /// A pod holds room on a node now (upstream: assigned Pod, Add).
    PodAdded(PodId, ClassId),
    /// A pod has given up its room or its reserved node (upstream: assigned Pod, Delete).
    PodDeleted {
        /// Which pod.
        pod: PodId,
        /// Its class.
        class: ClassId,
        /// It only had a node reserved: helps pods of at most its priority.
        nominated_only: bool,
    },
    /// A node came.
    NodeAdded(NodeId),
    /// A node changed.
    NodeUpdated(Box<NodeDifference>),
    /// A node went.
    NodeDeleted(Box<NodeDifference>),
    /// A claim came or changed.
    ClaimChanged {
        /// Which claim.
        claim: VolumeClaimId,
        /// It came.
        added: bool,
    },
    /// A storage class came.
    StorageClassAdded,
    /// A volume came or changed.
    VolumeChanged,
    /// A CSI driver registered on a node.
    CsiNodeChanged(NodeId),
    /// A volume was detached from a node.
    VolumeDetached,
    /// A device class or slice came or changed.
    DevicesDeclared,
    /// A claim for devices came, changed or went.
    DeviceClaimChanged {
        /// Which claim.
        claim: DeviceClaimId,
        /// What happened to it.
        how: DeviceClaimChange,
    },
}

/// What a node was before it changed or went.
#[derive(Clone, Debug)]
pub struct NodeDifference {
    /// The node.
    pub node: NodeId,
    pub(crate) labels_changed: bool,
    pub(crate) was_unschedulable: bool,
    pub(crate) taints_changed: bool,
    /// What each rule said.
    pub(crate) cells: Vec<Cell>,
    /// Its domain of each topology key.
    pub(crate) domains: Vec<u32>,
    pub(crate) allocatable: Amounts,
    pub(crate) pods_allowed: i64,
    pub(crate) extended: Vec<i64>,
}

fn declares_devices(kind: &Kind) -> bool {
    matches!(kind.as_str(), "DeviceClass" | "ResourceSlice")
}

impl Placements {
    /// Whether what a node can give has changed.
    pub(crate) fn allocatable_changed(&self, cluster: &Cluster, before: &NodeDifference) -> bool {
        let now = self.difference(cluster, before.node);
        (now.allocatable, now.pods_allowed) != (before.allocatable, before.pods_allowed)
            || now.extended != before.extended
    }

    /// Takes over a change that the cluster already contains. Repeating a change, or one that an assumption
    /// ([`Placements::place`]) anticipated, alters nothing.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) -> Vec<Event> {
        match change {
            Change::PodBound(pod, _) => self.pod_bound(cluster, *pod),
            Change::PodNominated(pod, _) | Change::NominationCleared(pod) => {
                self.nomination_changed(cluster, *pod)
            }
            Change::PodStage(pod, Stage::Succeeded | Stage::Failed) | Change::PodGone(pod) => {
                self.pod_ended(cluster, *pod)
            }
            Change::PodDeleting { pod, why } => self.pod_deleting(cluster, *pod, *why),
            Change::NodeRegistered(node) => self.node_changed(cluster, *node),
            Change::NodeUpdated(node) | Change::NodeReady(node, _) => self.node_changed(cluster, *node),
            Change::NodeGone(node) => self.node_changed(cluster, *node),
            Change::VolumeClaimCreated(claim) => self.claim_changed(cluster, *claim, true),
            Change::VolumeNodeSelected(claim, _) | Change::VolumeBound(claim) => {
                self.claim_changed(cluster, *claim, false)
            }
            Change::VolumeAttached(claim, node) => self.attachment_changed(cluster, *claim, *node, true),
            Change::VolumeDetached(claim, node) => self.attachment_changed(cluster, *claim, *node, false),
            Change::DriverRegistered(node, _) => vec![Event::CsiNodeChanged(*node)],
            Change::ObjectArrived(key) => match key.kind {
                Kind::StorageClass => vec![Event::StorageClassAdded],
                Kind::PersistentVolume => vec![Event::VolumeChanged],
                _ if declares_devices(&key.kind) => {
                    self.devices.read_slices(cluster);
                    vec![Event::DevicesDeclared]
                }
                _ => Vec::new(),
            },
            Change::ObjectDeleted(key) if declares_devices(&key.kind) => {
                self.devices.read_slices(cluster);
                Vec::new()
            }
            Change::DeviceClaimChanged { claim, how } => {
                self.devices.sync(cluster, *claim);
                vec![Event::DeviceClaimChanged { claim: *claim, how: *how }]
            }
            _ => Vec::new(),
        }
    }

    fn pod_bound(&mut self, cluster: &Cluster, pod: PodId) -> Vec<Event> {
        self.sync_pod(cluster, pod);
        if self.node_of(pod).is_none() {
            return Vec::new();
        }
        vec![Event::PodAdded(pod, self.class_of(cluster, cluster.pod(pod)))]
    }

    fn nomination_changed(&mut self, cluster: &Cluster, pod: PodId) -> Vec<Event> {
        let before = self.nominated_to(pod);
        let after = cluster.pod(pod).nominated.filter(|_| cluster.pod(pod).node.is_none());
        self.set_nominated(cluster, pod, after);
        self.nomination_ended(cluster, pod, before)
    }

    /// Giving up a reserved node is like deleting the pod from it, for pods that had to respect it.
    fn nomination_ended(&mut self, cluster: &Cluster, pod: PodId, before: Option<NodeId>) -> Vec<Event> {
        if before.is_none() || before == self.nominated_to(pod) {
            return Vec::new();
        }
        let class = self.class_of(cluster, cluster.pod(pod));
        vec![Event::PodDeleted { pod, class, nominated_only: true }]
    }

    fn pod_ended(&mut self, cluster: &Cluster, pod: PodId) -> Vec<Event> {
        let (room, reserved) = (self.node_of(pod).is_some(), self.nominated_to(pod));
        self.sync_pod(cluster, pod);
        if room && self.node_of(pod).is_none() {
            let class = self.class_of(cluster, cluster.pod(pod));
            return vec![Event::PodDeleted { pod, class, nominated_only: false }];
        }
        self.nomination_ended(cluster, pod, reserved)
    }

    fn pod_deleting(&mut self, cluster: &Cluster, pod: PodId, why: DeletionCause) -> Vec<Event> {
        let reserved = self.nominated_to(pod);
        self.set_terminating(pod);
        if let Some(tenant) = self.tenants.get_mut(pod.0 as usize).and_then(Option::as_mut) {
            tenant.preempted = matches!(why, DeletionCause::Preempted { .. });
        }
        if cluster.pod(pod).node.is_some() {
            return Vec::new();
        }
        self.set_nominated(cluster, pod, None);
        self.nomination_ended(cluster, pod, reserved)
    }

    fn node_changed(&mut self, cluster: &Cluster, id: NodeId) -> Vec<Event> {
        let index = id.0 as usize;
        let was_live = self.rows.get(index).is_some_and(|row| row.live);
        let before = was_live.then(|| Box::new(self.difference(cluster, id)));
        self.put_node(cluster, id);
        match (before, cluster.node(id).exists()) {
            (None, true) => vec![Event::NodeAdded(id)],
            (Some(before), true) => vec![Event::NodeUpdated(before)],
            (Some(before), false) => vec![Event::NodeDeleted(before)],
            (None, false) => Vec::new(),
        }
    }

    /// What the index knows of a node before it takes over a change.
    fn difference(&self, cluster: &Cluster, id: NodeId) -> NodeDifference {
        let index = id.0 as usize;
        let row = &self.rows[index];
        NodeDifference {
            node: id,
            labels_changed: self.marks[index].labels != label_hash(cluster.node(id)),
            was_unschedulable: self.marks[index].unschedulable,
            taints_changed: self.marks[index].taints != cluster.node(id).taints,
            cells: self.rules.iter().map(|rule| rule.cells.get(index).copied().unwrap_or_default()).collect(),
            domains: self.keys.iter().map(|key| key.of(index)).collect(),
            allocatable: row.allocatable,
            pods_allowed: row.pods_allowed,
            extended: self.columns.iter().map(|column| column.allocatable[index]).collect(),
        }
    }

    fn claim_changed(&mut self, cluster: &Cluster, id: VolumeClaimId, added: bool) -> Vec<Event> {
        let claim = &cluster.volume_claims[id.0 as usize];
        self.claim_ids.insert((claim.namespace.clone(), claim.name.clone()), id);
        if claim.selected_node.is_some() || claim.volume.is_some() {
            self.claim_nodes.remove(&id);
        }
        if claim.volume.is_some() {
            self.chosen_volumes.retain(|_, chosen_for| *chosen_for != id);
        }
        vec![Event::ClaimChanged { claim: id, added }]
    }

    fn attachment_changed(
        &mut self,
        cluster: &Cluster,
        claim: VolumeClaimId,
        node: NodeId,
        attached: bool,
    ) -> Vec<Event> {
        let volume = cluster.volume_claims.get(claim.0 as usize).and_then(|claim| claim.volume);
        if let (Some(volume), Some(on)) = (volume, self.attached.get_mut(node.0 as usize)) {
            if attached {
                on.insert(volume);
            } else {
                on.remove(&volume);
            }
        }
        if attached { Vec::new() } else { vec![Event::VolumeDetached] }
    }
}
