//! A pod template as the API server would store it: defaults applied, requests summed.

use crate::labels::{LabelSelector, Labels, SelectorRequirement};
use crate::location::Location;
use crate::role::Role;
use crate::{Name, Resources, Toleration};

/// What pods are made from. Shared by all pods of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTemplate {
    /// Where the template is written: the owner's `…/template`, or a Pod's root.
    pub location: Location,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// What the program inside is known to be; decides what it does and needs.
    pub role: Role,
    /// Ordinary containers.
    pub containers: Vec<Container>,
    /// Init containers, sidecars (`restartPolicy: Always`) among them, in order.
    pub init_containers: Vec<Container>,
    /// Effective requests of the pod: containers, init containers, sidecars, overhead and pod-level resources,
    /// by `k8s.io/component-helpers/resource` `PodRequests`; `pods` is 1.
    pub requests: Resources,
    /// What `resources.requests` of the pod as a whole names, in the units of [`Resources::get`]; part of `requests`.
    pub pod_level: Vec<(Name, i64)>,
    /// `overhead`; part of `requests`.
    pub overhead: Resources,
    /// `hostNetwork`: counts towards max-pods, takes no address.
    pub host_network: bool,
    /// Ports taken on the node.
    pub host_ports: Vec<HostPort>,
    /// `dnsPolicy`.
    pub dns_policy: DnsPolicy,
    /// `nodeName`: bypasses the scheduler.
    pub node_name: Option<Name>,
    /// `nodeSelector`.
    pub node_selector: Labels,
    /// `affinity.nodeAffinity.requiredDuringScheduling…`: any term may hold; `None` when absent.
    pub required_node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// `affinity.nodeAffinity.preferred…`, with weights 1–100.
    pub preferred_node_affinity: Vec<(i32, NodeSelectorTerm)>,
    /// `affinity.podAffinity`.
    pub pod_affinity: PodAffinity,
    /// `affinity.podAntiAffinity`.
    pub pod_anti_affinity: PodAffinity,
    /// `topologySpreadConstraints`.
    pub topology_spread: Vec<TopologySpread>,
    /// `tolerations`, those that admission adds included.
    pub tolerations: Vec<Toleration>,
    /// `priorityClassName`; empty when none.
    pub priority_class: Name,
    /// The class's value, or the global default's.
    pub priority: i32,
    /// `preemptionPolicy: PreemptLowerPriority`; false for `Never`.
    pub preempts: bool,
    /// Volumes that the model knows: claims.
    pub volumes: Vec<PodVolume>,
    /// `resourceClaims`.
    pub device_claims: Vec<crate::device::PodDeviceClaim>,
    /// Objects that must exist before the pod can start (ConfigMaps and Secrets that are not optional).
    pub needs_objects: Vec<crate::ObjectKey>,
    /// `serviceAccountName`.
    pub service_account: Name,
    /// `imagePullSecrets`.
    pub image_pull_secrets: Vec<Name>,
    /// `schedulingGates`.
    pub scheduling_gates: Vec<Name>,
    /// `schedulerName`.
    pub scheduler_name: Name,
    /// `terminationGracePeriodSeconds`, in milliseconds.
    pub grace_period_ms: i64,
    /// `restartPolicy`.
    pub restart_policy: RestartPolicy,
    /// How long after the containers started the pod becomes Ready, beyond the profile's `podStart`:
    /// start-up and readiness probes' initial delays. Milliseconds.
    pub ready_delay_ms: i64,
    /// `activeDeadlineSeconds`, in milliseconds.
    pub active_deadline_ms: Option<i64>,
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `name`.
    pub name: Name,
    /// `image`, as written.
    pub image: Name,
    /// `resources.requests`, requests defaulted from limits and LimitRanges; `pods` is 0.
    pub requests: Resources,
    /// What `requests` names with an amount of 0. Scores give a floor to what is absent, not to what is 0.
    pub zeros: Vec<Name>,
    /// `resources.limits`.
    pub limits: Resources,
    /// An init container with `restartPolicy: Always`.
    pub sidecar: bool,
    /// Whether the image must be pulled even if the node has it.
    pub always_pull: bool,
    /// Where the container is written.
    pub location: Location,
}

/// A port taken on the node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// Empty means every address.
    pub ip: Name,
    /// The port.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Name,
}

/// `dnsPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own names")]
pub enum DnsPolicy {
    ClusterFirst,
    ClusterFirstWithHostNet,
    Default,
    None,
}

impl PodTemplate {
    /// Whether names are resolved by the cluster's DNS: `ClusterFirst` falls back to the node's resolver for
    /// host-network pods (`pkg/kubelet/network/dns` `getPodDNSType`).
    pub fn uses_cluster_dns(&self) -> bool {
        match self.dns_policy {
            DnsPolicy::ClusterFirst => !self.host_network,
            DnsPolicy::ClusterFirstWithHostNet => true,
            DnsPolicy::Default | DnsPolicy::None => false,
        }
    }

    /// Whether the pod takes an address from the CNI.
    pub fn needs_address(&self) -> bool {
        !self.host_network
    }

    /// All containers, init containers first.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.init_containers.iter().chain(&self.containers)
    }
}

/// `restartPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Kubernetes' own names")]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// One term of a node selector: everything in it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSelectorTerm {
    /// Over the node's labels.
    pub match_expressions: Vec<SelectorRequirement>,
    /// Over the node's fields (`metadata.name`).
    pub match_fields: Vec<SelectorRequirement>,
}

/// Required and preferred pod (anti-)affinity terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinity {
    /// All must hold.
    pub required: Vec<PodAffinityTerm>,
    /// Weights 1–100.
    pub preferred: Vec<(i32, PodAffinityTerm)>,
}

/// One pod (anti-)affinity term; `matchLabelKeys` are already merged into the selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinityTerm {
    /// Which pods; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// Namespaces by name; the pod's own where nothing was written.
    pub namespaces: Vec<Name>,
    /// Namespaces by label; `None` when absent.
    pub namespace_selector: Option<LabelSelector>,
    /// Which node label makes a domain.
    pub topology_key: Name,
}

/// One topology spread constraint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopologySpread {
    /// `maxSkew`.
    pub max_skew: i32,
    /// `minDomains`.
    pub min_domains: Option<i32>,
    /// Which node label makes a domain.
    pub topology_key: Name,
    /// `whenUnsatisfiable: DoNotSchedule`; false for `ScheduleAnyway`.
    pub required: bool,
    /// Which pods are counted; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// `matchLabelKeys`, merged at pod creation.
    pub match_label_keys: Vec<Name>,
    /// `nodeAffinityPolicy: Honor` (the default).
    pub honor_node_affinity: bool,
    /// `nodeTaintsPolicy: Honor`; the default is `Ignore`.
    pub honor_node_taints: bool,
}

/// A volume that needs a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodVolume {
    /// `persistentVolumeClaim.claimName`.
    Claim(Name),
    /// An ephemeral or StatefulSet claim template: each pod gets a claim of its own, named `<name>-<pod>`
    /// (StatefulSet) or `<pod>-<name>` (ephemeral).
    Template {
        /// The template's name.
        name: Name,
        /// `spec.storageClassName`; `None` asks for the default class.
        storage_class: Option<Name>,
        /// Whether the claim belongs to a StatefulSet (kept after the pod) and is named so.
        stateful: bool,
    },
}

impl PodVolume {
    /// The claim that a pod of this name uses for it.
    pub fn claim_name(&self, pod: &str) -> Name {
        match self {
            PodVolume::Claim(name) => name.clone(),
            PodVolume::Template { name, stateful: true, .. } => Name::from(format!("{name}-{pod}")),
            PodVolume::Template { name, stateful: false, .. } => Name::from(format!("{pod}-{name}")),
        }
    }
}
