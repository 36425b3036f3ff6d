//! What a pod waits for. An exhaustive list: every wait that the simulation can express has its numbers here.

use crate::capability::Capability;
use crate::network::Shortage;
use crate::rejection::Rejection;
use crate::{Name, NodeId, ObjectKey};

/// Why a pod is not further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// `schedulingGates` are set.
    Gated,
    /// Its scheduler does not exist in the input.
    UnknownScheduler(Name),
    /// kube-scheduler found no node.
    Unschedulable(Box<Rejection>),
    /// Bound to a node that does not exist (`nodeName`).
    NodeMissing(Name),
    /// Bound; the node's CNI has not started.
    CniNotReady,
    /// Bound; the CNI has no address for it.
    NoAddress(AddressShortage),
    /// A claim is not bound: nobody provisions it, or its provisioner cannot act.
    VolumeUnbound {
        /// The claim's name.
        claim: Name,
        /// What it waits for, where something is known.
        waits_for: Option<Capability>,
    },
    /// A bound volume is not attached.
    VolumeUnattached {
        /// The claim's name.
        claim: Name,
        /// Why.
        why: AttachProblem,
    },
    /// A ConfigMap or Secret that the pod refers to is not there.
    ObjectMissing(ObjectKey),
    /// An image cannot be pulled.
    Image {
        /// The image as written.
        image: Name,
        /// Why.
        why: ImageProblem,
    },
    /// The containers start and exit; the kubelet backs off.
    Crashing {
        /// How often they have been restarted.
        restarts: u32,
        /// Why they exit.
        why: CrashCause,
    },
    /// Running, but not Ready.
    NotReady(Capability),
    /// Its node is not Ready, so nobody says whether it still runs.
    NodeNotReady(NodeId),
}

/// Why a node has no address for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressShortage {
    /// Every slot of every interface that the instance can have is taken.
    NodeFull {
        /// Addresses that the node's interfaces can hold in its mode.
        capacity: u32,
        /// Of these, taken by the CNI itself (Cilium's router and health).
        own: u32,
        /// Of these, assigned to pods.
        assigned: u32,
    },
    /// The subnet refused more.
    SubnetFull {
        /// The subnet's name.
        subnet: Name,
        /// EC2's code.
        code: Shortage,
        /// Single addresses still free in it.
        free: u32,
        /// Wholly free /28 blocks in it.
        free_prefixes: u32,
    },
    /// Addresses exist but cool down, or are on their way.
    Transient,
    /// Nobody allocates: the CNI's operator does not run, or EC2 cannot be reached.
    NoAllocator(Capability),
    /// The pod asks for a branch interface and the node has no room for one.
    NoBranchInterface,
}

/// Why a volume is not attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttachProblem {
    /// The node has as many volumes as it can have.
    LimitReached {
        /// The limit.
        limit: u32,
    },
    /// It is attached to another node that has not let go.
    HeldBy(NodeId),
    /// The driver's controller does not run.
    DriverNotRunning,
    /// The driver is not registered on the node.
    NotRegistered,
    /// It is in another zone than the node.
    WrongZone,
}

/// Why an image cannot be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum ImageProblem {
    /// No such image or tag.
    NotFound,
    /// The registry refused the credentials, or there are none.
    Unauthorized,
    /// The credentials' token has run out.
    TokenExpired,
    /// The manifest list has no image for the node's platform.
    NoPlatform,
    /// The registry's name cannot be resolved or reached.
    Unreachable,
}

/// Why containers exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashCause {
    /// `exec format error`: the image was built for other architectures.
    ExecFormat {
        /// What the image was built for.
        built_for: Vec<Name>,
        /// What the node is.
        node_arch: Name,
    },
    /// The program needs something that is not there when it starts.
    Needs(Capability),
}
