//! What actors want to happen.

use cluster::capability::Capability;
use cluster::change::{ClaimOrNode, DeletionCause, Fault, NodePatch, Refusal};
use cluster::device::DeviceClaimId;
use cluster::network::EniCall;
use cluster::node_claim::{DriftReason, LaunchFailure, Launched, NewClaim, RefusedOffering};
use cluster::node_pool::DisruptionReason;
use cluster::pod::{NewPod, Stage};
use cluster::rejection::PoolRejection;
use cluster::storage::VolumeClaimId;
use cluster::{ClaimId, Name, Node, NodeId, ObjectKey, PodId, Waiting, WorkloadId};

/// A wish. The world performs it if it still makes sense at its instant (the pod still exists, the node is not
/// gone), and answers with the [`cluster::Change`]s that became true; an effect that no longer makes sense, or
/// changes nothing, does nothing.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Puts a declared object into the API.
    Arrive(ObjectKey),
    /// Replaces what is declared: a scenario's step.
    Redeclare(std::sync::Arc<cluster::scenario::Redeclaration>),
    /// Puts a workload into the API.
    ArriveWorkload(WorkloadId),
    /// Asks the API server for a pod. Admission (namespace, quota, webhooks) may refuse:
    /// [`cluster::Change::PodRefused`].
    CreatePod(Box<NewPod>),
    /// Binds a pending pod.
    BindPod(PodId, NodeId),
    /// Reserves a node for a pod that preempts.
    NominatePod(PodId, NodeId),
    /// Gives up the node that was reserved for a pod; becomes [`cluster::Change::NominationCleared`].
    ClearNomination(PodId),
    /// Says why a pod is not further. Repeating the same reason changes nothing.
    PodWaits(PodId, Box<Waiting>),
    /// Gives a bound pod an address of its node; becomes [`cluster::Change::PodAddressed`].
    AddressPod(PodId),
    /// Moves a pod to a later stage (`Starting`, `Running`, `Ready`, `Succeeded`, `Failed`), or from `Ready`
    /// back to `Running`.
    PodStage(PodId, Stage),
    /// Counts a container restart.
    PodRestarted(PodId),
    /// Asks a pod to go; the kubelet ends it after its grace period.
    DeletePod(PodId, DeletionCause),
    /// The pod is gone.
    PodGone(PodId),
    /// The provisioner could not plan for a pod.
    RefusePod(PodId, Vec<PoolRejection>),
    /// The provisioner expects a pod on this node or claim.
    ExpectPod(PodId, ClaimOrNode),
    /// Puts a node into the API. `id`, `created` and `network.subnet`'s accounting are the world's.
    RegisterNode(Box<Node>),
    /// The kubelet's Ready condition.
    NodeReady(NodeId, bool),
    /// Changes a node.
    PatchNode(NodeId, Box<NodePatch>),
    /// Asks a node to go (finalizers may hold it).
    DeleteNode(NodeId),
    /// The node object and the instance are gone, with their addresses.
    NodeGone(NodeId),
    /// The CNI configuration is there, or not.
    CniReady(NodeId, bool),
    /// Addresses that the CNI on a node takes for itself.
    CniOwnEndpoints(NodeId, u32),
    /// A CNI's call to EC2; the answer is [`cluster::Change::EniCalled`].
    CallEni(NodeId, EniCall),
    /// A CSI driver registers on a node, with its attach limit.
    RegisterDriver(NodeId, Name, Option<u32>),
    /// Creates a volume claim for a pod's template: namespace, name, storage class.
    CreateVolumeClaim(Name, Name, Option<Name>),
    /// The scheduler's choice for a claim that waits for its first consumer.
    SelectVolumeNode(VolumeClaimId, NodeId),
    /// Binds a claim: to an existing volume, or to a new one in the zone of the selected node.
    BindVolume(VolumeClaimId, VolumeSource),
    /// Attaches a claim's volume to a node.
    AttachVolume(VolumeClaimId, NodeId),
    /// Detaches a claim's volume from a node.
    DetachVolume(VolumeClaimId, NodeId),
    /// Makes a pod a user of its claims for devices; those that had none get these.
    AllocateDevices(PodId, scheduling::DeviceChoice),
    /// Takes a claim's devices from it.
    DeallocateDevices(DeviceClaimId),
    /// Creates a NodeClaim.
    CreateClaim(Box<NewClaim>),
    /// EC2's answer to a launch. The world takes the primary address from the subnet; if there is none left the
    /// outcome is a [`LaunchFailure::SubnetFull`].
    LaunchClaim(ClaimId, Box<Launched>),
    /// On the way to an answer EC2 refused these.
    RefuseOfferings(Vec<RefusedOffering>),
    /// EC2 has ended the instance of a claim; becomes [`cluster::Change::InstanceTerminated`].
    InstanceTerminated(ClaimId),
    /// EC2's other answer.
    FailClaim(ClaimId, LaunchFailure),
    /// The claim's node is initialized.
    InitializeClaim(ClaimId),
    /// A claim has drifted, or has not any more.
    DriftClaim(ClaimId, Option<DriftReason>),
    /// Asks a claim to go.
    DeleteClaim(ClaimId, Option<DisruptionReason>),
    /// The claim and its instance are gone.
    ClaimGone(ClaimId),
    /// Refuses the pods of a workload (used by admission).
    RefuseCreation(WorkloadId, Refusal),
    /// The status of a CapacityBuffer.
    SayOfBuffer(ObjectKey, Box<cluster::BufferStatus>),
    /// A fault begins or ends.
    Fault(Fault, bool),
    /// Notes that a controller cannot act for want of something; `None` clears it.
    Block(WorkloadId, Option<Capability>),
}

/// Where a claim's volume comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume of the input, by index into [`cluster::Cluster::volumes`].
    Existing(u32),
    /// Provisioned by the class's driver.
    Provisioned,
}

/// Effects with their delays, in the order they were decided.
#[derive(Debug, Default)]
pub struct Effects {
    pub(crate) queued: Vec<(i64, Effect)>,
}

impl Effects {
    /// At once: performed in this instant, after what is already queued for it.
    pub fn now(&mut self, effect: Effect) {
        self.queued.push((0, effect));
    }

    /// After `delay_ms` of virtual time.
    pub fn after(&mut self, delay_ms: i64, effect: Effect) {
        self.queued.push((delay_ms.max(0), effect));
    }

    /// What has been queued, with delays in milliseconds.
    pub fn drain(&mut self) -> Vec<(i64, Effect)> {
        std::mem::take(&mut self.queued)
    }
}
