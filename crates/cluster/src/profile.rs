//! The cluster profile (`kind: Cluster, plimsoll.dev/v1alpha1`) with its defaults filled in: what manifests
//! do not say. Parsing is in `api`.

use crate::labels::Labels;
use crate::location::Location;
use crate::network::{AddressMode, Subnet};
use crate::node_class::{AmiFamily, SelectorTerm};
use crate::{Name, Taint};

/// The profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The profile document; a made-up one when none was given.
    pub location: Location,
    /// Whether a document was given.
    pub given: bool,
    /// `metadata.name`.
    pub name: Name,
    /// `kubernetesVersion`, as (major, minor).
    pub kubernetes: (u32, u32),
    /// `provider`.
    pub provider: Provider,
    /// `region`.
    pub region: Name,
    /// `now`: the wall-clock instant of t=0, in milliseconds since 1970 UTC.
    pub now_unix_ms: i64,
    /// `horizon`, in milliseconds.
    pub horizon_ms: i64,
    /// `network.subnets`; empty when nothing is known about subnets.
    pub subnets: Vec<Subnet>,
    /// `network.securityGroups`: id and tags.
    pub security_groups: Vec<(Name, Labels)>,
    /// `nodeGroups`.
    pub node_groups: Vec<NodeGroup>,
    /// `fargate`.
    pub fargate: Vec<FargateProfile>,
    /// `images`: first match wins.
    pub images: Vec<ImageRule>,
    /// `registries`.
    pub registries: Vec<Registry>,
    /// `volumes`: driver and attach limit.
    pub volume_limits: Vec<(Name, u32)>,
    /// `aws`.
    pub aws: AwsFacts,
    /// `order`.
    pub order: Order,
    /// `until: horizon`: do not stop when all is settled.
    pub until_horizon: bool,
    /// `latencies`.
    pub latencies: Latencies,
}

/// `provider`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Provider {
    Eks,
    Gke,
    Aks,
    None,
}

/// A group of nodes that exists apart from the provisioner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGroup {
    /// `name`.
    pub name: Name,
    /// `/spec/nodeGroups/N` of the profile.
    pub location: Location,
    /// `nodePool`: made by the provisioner from that pool; empty when not.
    pub node_pool: Name,
    /// `scaling.min`.
    pub min: u32,
    /// `scaling.max`.
    pub max: u32,
    /// `scaling.by: clusterAutoscaler`.
    pub autoscaled: bool,
    /// `managed`.
    pub managed: bool,
    /// `instanceType`.
    pub instance_type: Name,
    /// `count`.
    pub count: u32,
    /// `amiFamily`.
    pub ami_family: AmiFamily,
    /// `maxPods`; `None`: the AMI family's own computation.
    pub max_pods: Option<u32>,
    /// `labels`.
    pub labels: Labels,
    /// `taints`.
    pub taints: Vec<Taint>,
    /// `startupTaints`.
    pub startup_taints: Vec<Taint>,
    /// `subnets`, as indexes into [`Profile::subnets`].
    pub subnets: Vec<u32>,
    /// `addressMode`; `None`: as the CNI is set now.
    pub address_mode: Option<AddressMode>,
    /// `held`; `None`: settled for its pods.
    pub held: Option<Held>,
    /// `reserved`: cpu in millis and memory in bytes; `None`: the AMI family's.
    pub reserved: Option<(i64, i64)>,
}

/// What a group's node holds at t=0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Interfaces.
    pub interfaces: u32,
    /// Secondary addresses.
    pub addresses: u32,
    /// Prefixes.
    pub prefixes: u32,
}

/// A Fargate profile: one micro-VM and one address a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FargateProfile {
    /// `name`.
    pub name: Name,
    /// `namespaces`; `*` is allowed.
    pub namespaces: Vec<Name>,
    /// `labels` that a pod must have.
    pub labels: Labels,
    /// `subnets`, as indexes into [`Profile::subnets`].
    pub subnets: Vec<u32>,
}

/// What is known about images; the pattern's `*` crosses `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRule {
    /// `match`.
    pub pattern: Name,
    /// `os`.
    pub os: Name,
    /// `architectures`.
    pub architectures: Vec<Name>,
    /// `pull`.
    pub pull: Pull,
}

/// Whether an image can be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Pull {
    Ok,
    Unauthorized,
    NotFound,
}

/// A registry with credentials that run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// `host`.
    pub host: Name,
    /// `pullSecret` as namespace and name.
    pub pull_secret: Option<(Name, Name)>,
    /// `tokenIssued`, in milliseconds since 1970 UTC.
    pub token_issued_unix_ms: Option<i64>,
}

/// What is true of the AWS account and its endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsFacts {
    /// `serviceLinkedRoles`; `None`: present.
    pub service_linked_roles: Option<Vec<Name>>,
    /// `reachable`: services that are not.
    pub unreachable: Vec<Name>,
    /// `controllerPermissions`: allowed IAM actions; `None`: all.
    pub allowed_actions: Option<Vec<Name>>,
    /// `unavailable`.
    pub unavailable: Vec<Unavailable>,
    /// `quotas`: name and limit.
    pub quotas: Vec<(Name, i64)>,
    /// `prices`.
    pub prices: Vec<PriceFact>,
}

/// Insufficient capacity; an empty field is every value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// `instanceType`.
    pub instance_type: Name,
    /// `zone`.
    pub zone: Name,
    /// `capacityType`.
    pub capacity_type: Name,
}

/// A price that the user gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceFact {
    /// `instanceType`.
    pub instance_type: Name,
    /// `zone`; empty is every zone.
    pub zone: Name,
    /// `capacityType`.
    pub capacity_type: Name,
    /// In millionths of a US dollar an hour.
    pub price_micro_usd: i64,
}

/// How the manifests arrive. Add-ons always come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All at once.
    Together,
    /// By sync wave and hook; a wave waits for the health of the one before.
    Waves,
    /// In stream order, without waiting.
    Listed,
}

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// CreateFleet answered.
    pub launch_ms: i64,
    /// Launched to Ready, without the CNI's own time.
    pub node_ready_ms: i64,
    /// One image.
    pub image_pull_ms: i64,
    /// Containers started to running.
    pub pod_start_ms: i64,
    /// TerminateInstances to gone.
    pub terminate_ms: i64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        Latencies {
            launch_ms: 3_000,
            node_ready_ms: 40_000,
            image_pull_ms: 8_000,
            pod_start_ms: 2_000,
            terminate_ms: 60_000,
        }
    }
}

impl Profile {
    /// The Fargate profile that selects a pod with these labels; of several the first by name.
    pub fn fargate_for(&self, namespace: &str, labels: &Labels) -> Option<&FargateProfile> {
        let selects = |profile: &&FargateProfile| {
            let named = profile.namespaces.iter().any(|listed| listed == "*" || listed == namespace);
            named && profile.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        self.fargate.iter().filter(selects).min_by_key(|profile| &profile.name)
    }

    /// Subnets that any of `terms` selects, by index.
    pub fn subnets_selected(&self, terms: &[SelectorTerm]) -> Vec<u32> {
        (0u32..)
            .zip(&self.subnets)
            .filter(|(_, subnet)| terms.iter().any(|term| term.matches(&subnet.name, "", &subnet.tags)))
            .map(|(index, _)| index)
            .collect()
    }
}
