//! What the user declared, lowered and defaulted. Immutable during a run; scenarios replace parts of it.

use std::collections::BTreeMap;

use crate::admission::{
    DisruptionBudget, Namespace, PodRefusal, PriorityClass, Quota, SecurityGroupPolicy, Service, Webhook,
};
use crate::arrival::Arrival;
use crate::network::Cni;
use crate::pod::Stage;
use crate::profile::Profile;
use crate::storage::{StorageClass, Volume, VolumeClaim};
use crate::{
    Labels, Location, Name, Node, NodeClaim, NodeClass, NodeOverlay, NodePool, ObjectKey, Workload,
    WorkloadId,
};

/// Everything that was declared.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The cluster profile with its defaults.
    pub profile: Profile,
    /// Who hands out addresses.
    pub cni: Cni,
    /// The CNI's image tag, where it is known.
    pub cni_version: Name,
    /// Workloads, in stream order, the profile's add-ons first.
    pub workloads: Vec<Workload>,
    /// NodePools in name order.
    pub node_pools: Vec<NodePool>,
    /// EC2NodeClasses in name order.
    pub node_classes: Vec<NodeClass>,
    /// NodeOverlays in name order.
    pub node_overlays: Vec<NodeOverlay>,
    /// Nodes at t=0: Node objects, then the profile's node groups. Ids and network state are set when a run
    /// starts; a group's node carries `group`.
    pub nodes: Vec<Node>,
    /// Pods of a live dump that belong to a workload: where they are at t=0. Bare pods are workloads themselves.
    /// A workload with pods here has no others at t=0, whatever its `running_at_start` says.
    pub pods: Vec<DeclaredPod>,
    /// NodeClaims of a live dump. `pool` is an index into `node_pools`, `node` one into `nodes`.
    pub claims: Vec<NodeClaim>,
    /// Namespaces that are declared or used.
    pub namespaces: BTreeMap<Name, Namespace>,
    /// Services.
    pub services: Vec<Service>,
    /// Webhooks, one entry a webhook.
    pub webhooks: Vec<Webhook>,
    /// Disruption budgets.
    pub disruption_budgets: Vec<DisruptionBudget>,
    /// Priority classes by name, the two system classes included.
    pub priority_classes: BTreeMap<Name, PriorityClass>,
    /// Why the API server refuses the pods of a workload, in the order of its checks; by the workload's key.
    pub pod_refusals: BTreeMap<ObjectKey, Vec<PodRefusal>>,
    /// Quotas.
    pub quotas: Vec<Quota>,
    /// Storage classes.
    pub storage_classes: Vec<StorageClass>,
    /// Volume claims.
    pub volume_claims: Vec<VolumeClaim>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Karpenter's own settings, read from its Deployment.
    pub karpenter: KarpenterSettings,
    /// Security group policies. Pods that match get a branch interface.
    pub security_group_policies: Vec<SecurityGroupPolicy>,
    /// Every object of the input by key with its labels, modelled or not: for "does it exist".
    pub objects: BTreeMap<ObjectKey, Labels>,
    /// When objects arrive that others may wait for: namespaces, ConfigMaps, Secrets, service accounts, priority
    /// classes, custom resource definitions of the input. What is not here is taken to exist already.
    pub arrivals: BTreeMap<ObjectKey, Arrival>,
    /// Kinds that were seen and are not modelled, with their counts.
    pub not_modelled: BTreeMap<Name, u32>,
    /// What was seen, is not modelled and could decide the outcome: where, and what it could change.
    pub would_matter: Vec<Unmodelled>,
    /// Profile fields that were not written, as JSON pointers into the profile, with the default that was taken.
    pub defaults: Vec<(crate::FieldPath, Name)>,
}

/// Something that was read, is not modelled and could decide the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmodelled {
    /// Where it is written.
    pub location: Location,
    /// What it could change, in words.
    pub why: Name,
    /// What it could decide.
    pub decides: Decides,
}

/// What something that is not modelled could decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decides {
    /// Where the pods of its object are placed, or whether at all.
    Placement,
    /// Whether there is a node for pods that find none: it makes nodes.
    Nodes,
    /// The same, because nodes that are written could not be read; that is reported where it is written.
    Unread,
    /// Whether something is there that the input does not have: it brings other objects.
    Parts,
    /// Nothing about what is declared as it stands: it adds pods, changes them, or hands out addresses in a way
    /// that is not known.
    Extent,
}

/// A pod of a live dump that belongs to a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredPod {
    /// The workload that made it.
    pub workload: WorkloadId,
    /// `metadata.name`.
    pub name: Name,
    /// `spec.nodeName`; `None` when it is not bound.
    pub node: Option<Name>,
    /// StatefulSet ordinal, Job index, or 0.
    pub ordinal: u32,
    /// How far it had come.
    pub stage: Stage,
    /// `status.podIP` is set: it holds an address (the node's own for host-network pods).
    pub addressed: bool,
}

/// Karpenter's settings, by its environment variables (`KPA pkg/operator/options`, core `pkg/operator/options`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KarpenterSettings {
    /// `BATCH_IDLE_DURATION`, milliseconds.
    pub batch_idle_ms: i64,
    /// `BATCH_MAX_DURATION`, milliseconds.
    pub batch_max_ms: i64,
    /// `VM_MEMORY_OVERHEAD_PERCENT` in thousandths of a percent: 7500 is 7.5 %.
    pub vm_memory_overhead_millipercent: i64,
    /// `RESERVED_ENIS`.
    pub reserved_enis: u32,
    /// `PREFERENCE_POLICY=Ignore`.
    pub ignore_preferences: bool,
    /// `MIN_VALUES_POLICY=BestEffort`.
    pub min_values_best_effort: bool,
    /// Feature gate `SpotToSpotConsolidation`.
    pub spot_to_spot: bool,
    /// Feature gate `ReservedCapacity`.
    pub reserved_capacity: bool,
    /// Feature gate `NodeOverlay`.
    pub node_overlay: bool,
    /// Feature gate `NodeRepair`: nodes that are not Ready for too long are replaced.
    pub node_repair: bool,
    /// Feature gate `StaticCapacity`: pools with `spec.replicas` are kept at that number.
    pub static_capacity: bool,
}

impl Default for KarpenterSettings {
    fn default() -> KarpenterSettings {
        KarpenterSettings {
            batch_idle_ms: 1_000,
            batch_max_ms: 10_000,
            vm_memory_overhead_millipercent: 7_500,
            reserved_enis: 0,
            ignore_preferences: false,
            min_values_best_effort: false,
            spot_to_spot: false,
            reserved_capacity: true,
            node_overlay: false,
            node_repair: false,
            static_capacity: false,
        }
    }
}

impl Declared {
    /// A model of nothing but the profile.
    pub fn empty(profile: Profile) -> Declared {
        Declared {
            profile,
            cni: Cni::Unlimited,
            cni_version: Name::default(),
            workloads: Vec::new(),
            node_pools: Vec::new(),
            node_classes: Vec::new(),
            node_overlays: Vec::new(),
            nodes: Vec::new(),
            pods: Vec::new(),
            claims: Vec::new(),
            namespaces: BTreeMap::new(),
            services: Vec::new(),
            webhooks: Vec::new(),
            disruption_budgets: Vec::new(),
            priority_classes: BTreeMap::new(),
            pod_refusals: BTreeMap::new(),
            quotas: Vec::new(),
            storage_classes: Vec::new(),
            volume_claims: Vec::new(),
            volumes: Vec::new(),
            karpenter: KarpenterSettings::default(),
            security_group_policies: Vec::new(),
            objects: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            not_modelled: BTreeMap::new(),
            would_matter: Vec::new(),
            defaults: Vec::new(),
        }
    }

    /// The workload with this index.
    pub fn workload(&self, id: crate::WorkloadId) -> &Workload {
        &self.workloads[id.0 as usize]
    }

    /// Workloads with their ids.
    pub fn workload_ids(&self) -> impl Iterator<Item = (crate::WorkloadId, &Workload)> {
        self.workloads
            .iter()
            .enumerate()
            .map(|(index, workload)| (crate::WorkloadId(u32::try_from(index).unwrap_or(u32::MAX)), workload))
    }

    /// The class that claims without one get.
    pub fn default_storage_class(&self) -> Option<&StorageClass> {
        self.storage_classes.iter().find(|class| class.is_default)
    }

    /// The storage class with this name.
    pub fn storage_class(&self, name: &str) -> Option<&StorageClass> {
        self.storage_classes.iter().find(|class| class.name == name)
    }

    /// The pool that a claim was made from.
    pub fn pool_of(&self, claim: &NodeClaim) -> Option<&NodePool> {
        self.node_pools.get(claim.pool? as usize)
    }

    /// The node class with this name.
    pub fn node_class(&self, name: &str) -> Option<&NodeClass> {
        self.node_classes.iter().find(|class| class.name == name)
    }
}
