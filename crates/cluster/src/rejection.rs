//! Why a pod was not placed: by kube-scheduler on the nodes there are, by the provisioner on nodes to come.

use crate::labels::SelectorRequirement;
use crate::{Name, NodeId, Taint, Timestamp};

/// The outcome of one scheduling attempt that found no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Nodes in the cluster at that attempt.
    pub nodes: u32,
    /// Each reason with the number of nodes that gave it. A node gives the reasons of the first filter plugin
    /// that refused it (`NodeResourcesFit` may give several).
    pub reasons: Vec<NodeReason>,
    /// What preemption found.
    pub preemption: Vec<NodeReason>,
    /// `FailedScheduling`'s message, letter for letter.
    pub message: String,
}

/// A reason and how many nodes gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReason {
    /// The plugin that refused.
    pub plugin: Plugin,
    /// Why.
    pub reason: FilterReason,
    /// How many nodes.
    pub nodes: u32,
    /// The first of them.
    pub example: Option<NodeId>,
}

/// kube-scheduler's plugins that can refuse a node or a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[allow(missing_docs, reason = "the variants are kube-scheduler's own plugin names")]
pub enum Plugin {
    SchedulingGates,
    NodeUnschedulable,
    NodeName,
    TaintToleration,
    NodeAffinity,
    NodePorts,
    NodeResourcesFit,
    VolumeRestrictions,
    NodeVolumeLimits,
    VolumeBinding,
    VolumeZone,
    PodTopologySpread,
    InterPodAffinity,
    DynamicResources,
    DefaultPreemption,
}

/// Why a filter refused a node, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of kube-scheduler's messages")]
pub enum FilterReason {
    Unschedulable,
    NodeName,
    Taint(Taint),
    NodeAffinity,
    HostPort,
    TooManyPods,
    /// A resource by name; amounts in the units of [`crate::Resources::get`].
    Insufficient {
        resource: Name,
        requested: i64,
        used: i64,
        allocatable: i64,
    },
    VolumeNodeConflict,
    VolumeZoneConflict,
    VolumeLimit,
    UnboundClaims,
    ClaimNotFound {
        claim: Name,
    },
    ClaimDeleting {
        claim: Name,
    },
    /// The claim was bound to a volume that is gone.
    ClaimLost {
        claim: Name,
        volume: Name,
    },
    NoVolumeToBind,
    SpreadLabelMissing,
    SpreadSkew,
    PodAffinity,
    PodAntiAffinity,
    ExistingAntiAffinity,
    PreemptionUnhelpful,
    NoVictims,
    /// Outside the nodes that the pod names (`matchFields`; DaemonSet pods).
    NotSelected {
        /// The plugin that refused the node that was reserved for the pod: upstream counts it in.
        also: Option<Plugin>,
    },
    /// The terms of the pod's affinity name no node together.
    AffinityConflict,
    /// A `ReadWriteOncePod` claim is used by another pod.
    ClaimInUse,
    /// `DynamicResources`: one of the pod's claims cannot be used, or not yet, wherever the pod would go.
    DeviceClaim(DeviceClaimProblem),
    /// A claim's devices cannot be used from this node.
    DevicesElsewhere,
    /// The node's devices do not satisfy the pod's claims.
    DevicesUnavailable,
    /// A pool of devices contradicts itself.
    DevicePoolsInvalid,
    /// The allocation of devices ended in an error, in upstream's words; the pod is not tried on other nodes.
    DeviceError(Name),
    /// `preemptionPolicy: Never`: the pod may not make room for itself.
    PreemptionPolicyNever,
    /// The pod has preempted already and its victims are still ending.
    VictimsTerminating,
}

/// Why a claim for devices cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceClaimProblem {
    /// There is no claim of this name.
    Missing {
        /// The claim, as `namespace/name`.
        claim: Name,
    },
    /// The claim of a template is not there (yet).
    NotCreated {
        /// The pod, as `namespace/name`.
        pod: Name,
        /// The template.
        template: Name,
        /// The template is not there either.
        template_missing: bool,
    },
    /// It is being deleted.
    Deleting {
        /// The claim.
        claim: Name,
    },
    /// It is being allocated for another pod at this moment.
    InFlight {
        /// The claim, as `namespace/name`.
        claim: Name,
    },
    /// A class that it names does not exist.
    ClassMissing {
        /// The request, or `request/subrequest`.
        request: Name,
        /// The class.
        class: Name,
    },
}

/// Why one pool cannot serve a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRejection {
    /// The pool's name.
    pub pool: Name,
    /// Why.
    pub reason: PoolReason,
}

/// Why a pool cannot serve a pod, with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolReason {
    /// The pool, its node class or their conditions are not ready.
    NotReady {
        /// What is missing, in words.
        why: Name,
    },
    /// The pod does not tolerate a taint of the pool.
    Taint(Taint),
    /// The pod asks for something that the pool excludes.
    Requirement {
        /// The label's key.
        key: Name,
        /// What the pod asks for.
        wanted: SelectorRequirement,
        /// What the pool offers for the key; `None` when it does not have the label.
        offered: Option<SelectorRequirement>,
    },
    /// `spec.limits` is reached.
    Limit {
        /// The limited resource.
        resource: Name,
        /// The limit; units as in [`crate::Resources::get`].
        limit: i64,
        /// What the pool's nodes have.
        used: i64,
        /// What the smallest fitting instance type would add.
        wanted: i64,
    },
    /// No instance type of the pool is large enough.
    TooLarge {
        /// The first resource that no type has enough of.
        resource: Name,
        /// What the pod and the daemons on the node ask for.
        requested: i64,
        /// What the largest type can give.
        largest: i64,
    },
    /// The DaemonSets alone fill every instance type of the pool.
    FilledByDaemons {
        /// The resource that they fill.
        resource: Name,
    },
    /// No instance type satisfies the pool's and the pod's requirements together.
    NoInstanceType,
    /// Types fit, but none is offered in a zone and capacity type that is allowed and has capacity.
    NoOffering,
    /// A topology spread or (anti-)affinity term cannot be satisfied by any domain that the pool can make.
    Topology {
        /// The topology key.
        key: Name,
    },
    /// `minValues` cannot be satisfied.
    MinValues {
        /// The key.
        key: Name,
    },
    /// The pod's volume can only be used in places that the pool cannot make.
    VolumeTopology,
    /// The pod has claims for devices, which the provisioner leaves alone.
    DeviceClaims,
    /// No subnet can feed the node: its pods, its daemons and its warm pool.
    NoAddresses {
        /// Addresses that the node would take.
        needed: u32,
        /// Free addresses of the best subnet.
        free: u32,
    },
}

/// The provisioner's last answer for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisioningRefusal {
    /// When.
    pub at: Timestamp,
    /// One entry a pool, in the order tried; empty when there is no pool.
    pub pools: Vec<PoolRejection>,
}
