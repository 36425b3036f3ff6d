//! Karpenter's NodeClaim: the durable intent to have one node.

use std::sync::Arc;

use crate::labels::Labels;
use crate::network::SubnetId;
use crate::node_pool::DisruptionReason;
use crate::{Declared, Name, NodeId, Resources, SelectorRequirement, Taint, Timestamp};

/// A claim's index in [`crate::Cluster::claims`]; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct ClaimId(pub u32);

/// A NodeClaim.
#[derive(Clone, Debug)]
pub struct NodeClaim {
    /// Its index.
    pub id: ClaimId,
    /// `metadata.name`.
    pub name: Name,
    /// The pool it was made from; index into `declared.node_pools`. `None`: somebody made it by hand, or its pool is
    /// deleted.
    pub pool: Option<u32>,
    /// Labels that the node will have, single-valued requirements included.
    pub labels: Labels,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.startupTaints`.
    pub startup_taints: Vec<Taint>,
    /// Instance types it may become, in launch order (cheapest first), with the zones and capacity types allowed.
    pub options: Vec<LaunchOption>,
    /// Requests of the pods it was made for, daemon overhead included.
    pub requests: Resources,
    /// `spec.expireAfter` in milliseconds; `None` is `Never`.
    pub expire_after_ms: Option<i64>,
    /// `spec.terminationGracePeriod` in milliseconds.
    pub termination_grace_period_ms: Option<i64>,
    /// When all waiting for its pods ends, if that was decided already: `karpenter.sh/nodeclaim-termination-timestamp`.
    pub terminate_by: Option<Timestamp>,
    /// When it was created.
    pub created: Timestamp,
    /// How far it has come.
    pub stage: ClaimStage,
    /// What was launched; set with [`ClaimStage::Launched`].
    pub launched: Option<Launched>,
    /// Its node; set with [`ClaimStage::Registered`].
    pub node: Option<NodeId>,
    /// When it was asked to go, and why.
    pub deleted: Option<(Timestamp, Option<DisruptionReason>)>,
    /// When the node last gained or lost a pod.
    pub last_pod_event: Timestamp,
    /// What was declared when it was made: its pool and class may have changed since. `None` before a run.
    pub made_under: Option<Arc<Declared>>,
    /// The pool's template when it was made, as an API server remembers it.
    pub template_hash: Option<TemplateHash>,
    /// Since when it is not any more what its pool and class would make, and why.
    pub drifted: Option<(Timestamp, DriftReason)>,
}

/// A hash of a pool's template: `karpenter.sh/nodepool-hash`, `karpenter.sh/nodepool-hash-version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateHash {
    /// How it was made: those of different versions say nothing about each other.
    pub version: Name,
    /// The hash.
    pub hash: Name,
}

/// Why a claim has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum DriftReason {
    /// The pool's template has changed.
    NodePoolDrifted,
    /// The pool's requirements do not allow the node any more.
    RequirementsDrifted,
    /// The instance type is not offered any more as it was bought.
    InstanceTypeNotFound,
    /// The node class has changed.
    NodeClassDrift,
    /// The node class selects other images.
    AmiDrift,
    /// The node class does not select the node's subnet any more.
    SubnetDrift,
    /// The node class selects other security groups.
    SecurityGroupDrift,
    /// A live dump says so, and not why.
    Condition,
}

impl DriftReason {
    /// The reason of the condition `Drifted`.
    pub fn as_str(self) -> &'static str {
        match self {
            DriftReason::NodePoolDrifted => "NodePoolDrifted",
            DriftReason::RequirementsDrifted => "RequirementsDrifted",
            DriftReason::InstanceTypeNotFound => "InstanceTypeNotFound",
            DriftReason::NodeClassDrift => "NodeClassDrift",
            DriftReason::AmiDrift => "AMIDrift",
            DriftReason::SubnetDrift => "SubnetDrift",
            DriftReason::SecurityGroupDrift => "SecurityGroupDrift",
            DriftReason::Condition => "Drifted",
        }
    }
}

/// One way to launch a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchOption {
    /// The instance type.
    pub instance_type: Name,
    /// The availability zone.
    pub zone: Name,
    /// `on-demand`, `spot` or `reserved`.
    pub capacity_type: Name,
    /// The price in millionths of a US dollar an hour.
    pub price_micro_usd: i64,
}

/// What EC2 launched for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    /// The option that was taken.
    pub option: LaunchOption,
    /// The subnet of its primary interface.
    pub subnet: Option<SubnetId>,
    /// What the node will have; Karpenter's estimate until it registers.
    pub capacity: Resources,
    /// See `capacity`.
    pub allocatable: Resources,
}

/// How far a claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum ClaimStage {
    /// Created; the launch is not answered.
    Created,
    /// EC2 has launched an instance.
    Launched,
    /// Its node is in the API.
    Registered,
    /// Ready, startup taints gone, expected resources registered.
    Initialized,
    /// Being terminated.
    Terminating,
    /// Gone; the entry stays so that ids stay valid.
    Gone,
}

/// A claim to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewClaim {
    /// See [`NodeClaim::name`].
    pub name: Name,
    /// `spec.requirements`: what its node must be.
    pub requirements: Vec<SelectorRequirement>,
    /// See [`NodeClaim::pool`].
    pub pool: u32,
    /// See [`NodeClaim::labels`].
    pub labels: Labels,
    /// See [`NodeClaim::taints`].
    pub taints: Vec<Taint>,
    /// See [`NodeClaim::startup_taints`].
    pub startup_taints: Vec<Taint>,
    /// See [`NodeClaim::options`].
    pub options: Vec<LaunchOption>,
    /// See [`NodeClaim::requests`].
    pub requests: Resources,
}

/// A way to launch a claim that the cloud refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedOffering {
    /// What was asked for.
    pub option: LaunchOption,
    /// In which subnet.
    pub subnet: Option<SubnetId>,
    /// Why not.
    pub why: LaunchFailure,
}

/// Why EC2 did not launch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaunchFailure {
    /// Every option was out of capacity.
    InsufficientCapacity,
    /// `InsufficientFreeAddressesInSubnet`: not even one address for the node.
    SubnetFull(SubnetId),
    /// `VcpuLimitExceeded`: the account's quota.
    QuotaExceeded {
        /// The quota's name in the profile.
        quota: Name,
        /// Its limit.
        limit: i64,
    },
    /// The caller may not do this (`UnauthorizedOperation`), or a service-linked role is missing.
    Unauthorized(Name),
    /// No subnet or no security group matches the node class.
    NodeClassNotReady(Name),
    /// EC2 answered with an error that the profile or a scenario asked for.
    ServiceError(Name),
}
