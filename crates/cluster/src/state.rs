//! The cluster at one instant of a run: what was declared, and what has become of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::device::DeviceClaim;
use crate::network::Subnet;
use crate::node_claim::NodeClaim;
use crate::rejection::ProvisioningRefusal;
use crate::storage::{Volume, VolumeClaim};
use crate::time::Timestamp;
use crate::{ClaimId, Declared, Name, Node, NodeId, Pod, PodId, WorkloadId};

/// The cluster at one instant. Ids index the vectors; entries are never removed in a run.
///
/// Only the simulation's world (or, live, the edge that applies watch events) changes it; everything that
/// decides gets it by shared reference.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What was declared.
    pub declared: Arc<Declared>,
    /// Virtual time.
    pub now: Timestamp,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// NodeClaims.
    pub claims: Vec<NodeClaim>,
    /// Subnets.
    pub subnets: Vec<Subnet>,
    /// Volume claims.
    pub volume_claims: Vec<VolumeClaim>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Claims for devices.
    pub device_claims: Vec<DeviceClaim>,
    /// What is said of CapacityBuffers, by their keys; of those that nobody has looked at nothing.
    pub buffers: BTreeMap<crate::ObjectKey, crate::BufferStatus>,
    /// Workloads that are in the API.
    pub arrived: Vec<bool>,
    /// Workloads that a scenario deleted.
    pub deleted_workloads: BTreeSet<WorkloadId>,
    /// NodePools and EC2NodeClasses that are in the API.
    pub arrived_objects: BTreeSet<crate::ObjectKey>,
    /// The provisioner's last refusal of a pod that still waits.
    pub refusals: BTreeMap<PodId, ProvisioningRefusal>,
    /// The API server's last refusal to create a workload's pods, until one is created.
    pub creation_refusals: BTreeMap<WorkloadId, (Timestamp, crate::change::Refusal)>,
    /// What a controller could not do for want of something, and since when, until it could.
    pub blocked: BTreeMap<WorkloadId, (Timestamp, crate::capability::Capability)>,
    /// Pods that have succeeded and are gone since, by workload: what is finished stays finished.
    pub completed: BTreeMap<WorkloadId, u32>,
    /// Faults in force.
    pub faults: Vec<crate::change::Fault>,
}

impl Cluster {
    /// When a pod that is Ready counts as available (`IsPodAvailable` of `k8s.io/kubernetes` v1.36
    /// `pkg/api/v1/pod/util.go`); `None` when it is not Ready. Pods of the start have been Ready for long.
    pub fn available_at(&self, pod: &Pod) -> Option<Timestamp> {
        let workload = pod.workload.map(|id| self.declared.workload(id));
        let min_ready_ms = workload.map_or(0, |workload| workload.pace.min_ready_ms);
        let wait_ms = if pod.since < Timestamp::ZERO { 0 } else { min_ready_ms };
        (pod.stage == crate::pod::Stage::Ready).then(|| pod.since.after_ms(wait_ms))
    }

    /// Whether a pod has been Ready for as long as its workload asks for.
    pub fn is_available(&self, pod: &Pod) -> bool {
        self.available_at(pod).is_some_and(|at| at <= self.now)
    }

    /// A cluster in which nothing is there yet, nor in the API.
    pub fn empty(declared: Arc<Declared>) -> Cluster {
        Cluster {
            now: Timestamp::ZERO,
            pods: Vec::new(),
            nodes: Vec::new(),
            claims: Vec::new(),
            subnets: Vec::new(),
            volume_claims: Vec::new(),
            volumes: Vec::new(),
            device_claims: Vec::new(),
            buffers: BTreeMap::new(),
            arrived: vec![false; declared.workloads.len()],
            deleted_workloads: BTreeSet::new(),
            arrived_objects: BTreeSet::new(),
            refusals: BTreeMap::new(),
            creation_refusals: BTreeMap::new(),
            blocked: BTreeMap::new(),
            completed: BTreeMap::new(),
            faults: Vec::new(),
            declared,
        }
    }

    /// The pod with this id.
    pub fn pod(&self, id: PodId) -> &Pod {
        &self.pods[id.0 as usize]
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The claim with this id.
    pub fn claim(&self, id: ClaimId) -> &NodeClaim {
        &self.claims[id.0 as usize]
    }

    /// The volume claim with this namespace and name.
    pub fn volume_claim(&self, namespace: &str, name: &str) -> Option<&VolumeClaim> {
        self.volume_claims.iter().find(|claim| claim.namespace == namespace && claim.name == name)
    }

    /// Nodes in the API.
    pub fn live_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.exists())
    }

    /// Pods in the API that are not finished.
    pub fn live_pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| !pod.is_over())
    }

    /// Pods that hold room on a node.
    pub fn pods_on(&self, node: NodeId) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(move |pod| pod.node == Some(node) && pod.holds_node())
    }

    /// `namespace/name` of a pod.
    pub fn pod_name(&self, id: PodId) -> Name {
        let pod = self.pod(id);
        Name::from(format!("{}/{}", pod.namespace, pod.name))
    }
}
