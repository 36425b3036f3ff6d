//! What the autoscaler wants to happen.

use cluster::change::{ClaimOrNode, NodePatch};
use cluster::network::SubnetId;
use cluster::node_claim::{DriftReason, NewClaim};
use cluster::node_pool::DisruptionReason;
use cluster::rejection::PoolRejection;
use cluster::{ClaimId, Name, NodeId, PodId};

/// A wish, performed if it still makes sense. What became true comes back as a [`cluster::Change`].
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Creates a NodeClaim under the name it has; becomes [`cluster::Change::ClaimCreated`].
    CreateClaim(Box<NewClaim>),
    /// Asks the cloud for a claim's instance, in this subnet or wherever the provider would. Answered by
    /// [`cluster::Change::ClaimLaunched`] or [`cluster::Change::ClaimFailed`], after the
    /// [`cluster::Change::OfferingsRefused`] on the way there. Repeating it for a launch that was begun begins no
    /// second one.
    Launch(ClaimId, Option<SubnetId>),
    /// Asks the cloud to end a claim's instance; answered by [`cluster::Change::InstanceTerminated`], also when there
    /// is none (any more).
    Terminate(ClaimId),
    /// Takes note of a node that has joined: its claim's labels and taints, and pods may go there.
    Register(NodeId),
    /// The claim's node is initialized.
    InitializeClaim(ClaimId),
    /// A claim has drifted, or has not any more.
    DriftClaim(ClaimId, Option<DriftReason>),
    /// Asks a claim to go.
    DeleteClaim(ClaimId, Option<DisruptionReason>),
    /// Nothing holds a claim that was asked to go any more.
    ReleaseClaim(ClaimId),
    /// Changes a node's taints and labels.
    PatchNode(NodeId, Box<NodePatch>),
    /// Asks a node to go.
    DeleteNode(NodeId),
    /// Nothing holds a node that was asked to go any more: its instance is terminated.
    ReleaseNode(NodeId),
    /// Evicts a pod: its disruption budgets are asked again by the API server.
    Evict(PodId),
    /// Deletes a pod whatever its budgets say: the node's time is over.
    DeletePod(PodId),
    /// Brings what the API says of a pool up to date: its hash, its status.
    TendPool(Name),
    /// The same for a claim: its hash, its conditions.
    TendClaim(ClaimId),
    /// Says why no pool can take a pod.
    RefusePod(PodId, Vec<PoolRejection>),
    /// Says where a pod is expected to go.
    ExpectPod(PodId, ClaimOrNode),
}
