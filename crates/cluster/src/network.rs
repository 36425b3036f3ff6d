//! Subnets, interfaces and addresses, and the settings of whoever hands them out.

use std::fmt;

use crate::location::Location;
use crate::{Labels, Name, Timestamp};

/// A subnet's index in [`crate::Cluster::subnets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct SubnetId(pub u32);

/// Addresses in one /28 prefix.
pub const PREFIX_ADDRESSES: u32 = 16;

/// A subnet and which of its addresses are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its index.
    pub id: SubnetId,
    /// `subnet-…`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// The availability zone.
    pub zone: Name,
    /// The address range.
    pub cidr: ipnet::Ipv4Net,
    /// Tags, for selectors.
    pub tags: Labels,
    /// `freeAddresses` at t=0, node groups up and warmed; `None`: size minus five minus what they hold.
    pub declared_free: Option<u32>,
    /// `freePrefixes` at t=0; `None`: as if the held addresses were packed from the start.
    pub declared_free_prefixes: Option<u32>,
    /// CIDR reservations; true for those of type `prefix` (kept for prefixes), false for `explicit` (kept for
    /// callers that name the address: neither the CNI nor Karpenter gets one).
    pub reservations: Vec<(ipnet::Ipv4Net, bool)>,
    /// What is taken. Empty as declared; filled from the numbers above when a run starts.
    pub space: AddressSpace,
}

/// Which addresses of a subnet are taken, as one 16-bit mask per /28 block: bit set = taken or reserved.
/// Allocation is lowest-first, so the same calls give the same addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSpace {
    /// One mask per /28 block, in address order. A subnet smaller than a /28 has one block, its tail taken.
    pub blocks: Vec<u16>,
    /// Blocks that a CIDR reservation of type `prefix` keeps for prefixes only.
    pub prefix_only: Vec<bool>,
    /// Free addresses, all blocks together: kept in step with `blocks`.
    pub free: u32,
    /// Wholly free blocks: kept in step with `blocks`.
    pub free_blocks: u32,
}

/// A node's interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeNetwork {
    /// The subnet of the primary interface; `None` when the input knows no subnets.
    pub subnet: Option<SubnetId>,
    /// Attached interfaces, primary first.
    pub interfaces: Vec<Interface>,
    /// How addresses come onto this node's interfaces.
    pub mode: AddressMode,
    /// Addresses taken by the CNI's own endpoints (Cilium's router and health).
    pub own_endpoints: u32,
    /// The CNI wrote its configuration: the kubelet sees the network as ready.
    pub cni_ready: bool,
    /// When the subnet last refused, and with which code.
    pub last_shortage: Option<(Timestamp, Shortage)>,
}

/// How addresses come onto an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum AddressMode {
    /// One secondary address a slot.
    #[default]
    SecondaryAddresses,
    /// One /28 prefix (16 addresses) a slot.
    Prefixes,
}

/// An elastic network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The subnet it takes its addresses from.
    pub subnet: Option<SubnetId>,
    /// Its primary address: never given to a pod. Offset into the subnet; `None` without a known subnet.
    pub primary: Option<u32>,
    /// The instance's first interface.
    pub is_primary: bool,
    /// A trunk for branch interfaces: serves no ordinary pods.
    pub is_trunk: bool,
    /// Slots that serve pods.
    pub slots: Vec<Slot>,
    /// When it was attached.
    pub attached: Timestamp,
}

/// One secondary address or one prefix on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// A /28 rather than a single address.
    pub prefix: bool,
    /// Offset of its (first) address in the subnet; `None` without a known subnet.
    pub offset: Option<u32>,
    /// Addresses given to pods.
    pub assigned: u32,
    /// Addresses freed lately, with the instant at which they can be handed out again.
    pub cooling: Vec<Timestamp>,
}

impl Slot {
    /// How many addresses it has.
    pub fn size(&self) -> u32 {
        if self.prefix { PREFIX_ADDRESSES } else { 1 }
    }
}

impl NodeNetwork {
    /// Addresses allocated to the node that can serve pods (the CNI's own endpoints not subtracted).
    pub fn allocated(&self) -> u32 {
        self.interfaces.iter().flat_map(|interface| &interface.slots).map(Slot::size).sum()
    }

    /// Addresses assigned to pods.
    pub fn assigned(&self) -> u32 {
        self.interfaces.iter().flat_map(|interface| &interface.slots).map(|slot| slot.assigned).sum()
    }

    /// Addresses that the node takes from its subnets: primaries, secondaries, whole prefixes.
    pub fn held(&self) -> u32 {
        self.allocated() + u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX)
    }
}

/// Why EC2 refused an address or a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum Shortage {
    /// `InsufficientFreeAddressesInSubnet`: too few single addresses.
    Addresses,
    /// `InsufficientCidrBlocks`: no wholly free /28.
    Prefixes,
    /// `InvalidParameterValue: There aren't sufficient free Ipv4 addresses or prefixes` (on interface creation).
    AddressesOrPrefixes,
}

/// What a CNI asks EC2 for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EniCall {
    /// Create and attach one more interface with `count` slots.
    Attach {
        /// Where.
        subnet: Option<SubnetId>,
        /// Slots to fill at creation.
        count: u32,
        /// Whether they are prefixes.
        prefixes: bool,
        /// Whether it becomes the trunk.
        trunk: bool,
    },
    /// Put `count` more slots on an interface.
    Assign {
        /// Index into [`NodeNetwork::interfaces`].
        interface: u32,
        /// How many.
        count: u32,
        /// Whether they are prefixes.
        prefixes: bool,
    },
    /// Give back wholly unused slots of an interface.
    Unassign {
        /// Index into [`NodeNetwork::interfaces`].
        interface: u32,
        /// How many, from the highest.
        count: u32,
    },
    /// Detach and delete an interface without pods.
    Detach {
        /// Index into [`NodeNetwork::interfaces`].
        interface: u32,
    },
}

/// How an [`EniCall`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EniOutcome {
    /// Done in full: EC2's calls are all-or-nothing.
    Done,
    /// The subnet refused.
    Short(Shortage),
    /// The instance has no room for another interface or slot.
    LimitExceeded,
    /// EC2 could not be reached or refused the caller; the CNI tries again.
    Unavailable,
}

/// Who hands out addresses, and how it is set. Read from the manifests where they are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cni {
    /// amazon-vpc-cni-k8s: ipamd on each node.
    VpcCni(VpcCniSettings),
    /// Cilium in ENI mode: the operator allocates, agents assign.
    CiliumEni(CiliumEniSettings),
    /// Addresses come from a range fixed per node (GKE, Azure overlay, Cilium cluster-pool): no cloud calls.
    PerNodeRange {
        /// Addresses a node has for pods.
        addresses_per_node: u32,
        /// How many nodes the pod range feeds; `None` when unbounded.
        max_nodes: Option<u32>,
    },
    /// Nothing is known: every pod gets an address. The report says so.
    Unlimited,
}

/// amazon-vpc-cni-k8s settings, by their environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VpcCniSettings {
    /// Where the settings are written.
    pub location: Location,
    /// `WARM_ENI_TARGET`.
    pub warm_eni_target: u32,
    /// `WARM_IP_TARGET`; `None` when unset.
    pub warm_ip_target: Option<u32>,
    /// `MINIMUM_IP_TARGET`; `None` when unset.
    pub minimum_ip_target: Option<u32>,
    /// `WARM_PREFIX_TARGET`.
    pub warm_prefix_target: u32,
    /// `MAX_ENI`; `None` when unset.
    pub max_eni: Option<u32>,
    /// `ENABLE_PREFIX_DELEGATION`.
    pub prefix_delegation: bool,
    /// `AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG`.
    pub custom_networking: bool,
    /// ENIConfig objects by name (usually the zone): the pods' subnet.
    pub eni_configs: Vec<(Name, Name)>,
    /// `ENI_CONFIG_LABEL_DEF`.
    pub eni_config_label: Name,
    /// `ENABLE_POD_ENI`.
    pub pod_eni: bool,
    /// `ENABLE_SUBNET_DISCOVERY`.
    pub subnet_discovery: bool,
    /// `IP_COOLDOWN_PERIOD`, in milliseconds.
    pub cooldown_ms: i64,
}

impl VpcCniSettings {
    /// The name of the ENIConfig that a node uses, by its labels and annotations (aws/amazon-vpc-cni-k8s v1.23.1
    /// `pkg/eniconfig/eniconfig.go` `GetNodeSpecificENIConfigName`).
    pub fn eni_config_name(&self, labels: &Labels, annotations: &Labels) -> Name {
        const EXTERNAL: &str = "vpc.amazonaws.com/externalEniConfig";
        const DEFAULT: &str = "k8s.amazonaws.com/eniConfig";
        let label = if self.eni_config_label.is_empty() { DEFAULT } else { &self.eni_config_label };
        let named = labels.get(EXTERNAL).or_else(|| annotations.get(DEFAULT)).or_else(|| labels.get(label));
        named.cloned().unwrap_or_else(|| "default".into())
    }

    /// The ENIConfig that a node asks for under custom networking, when there is none of this name.
    pub fn missing_eni_config(&self, labels: &Labels, annotations: &Labels) -> Option<Name> {
        let name = self.eni_config_name(labels, annotations);
        let known = self.eni_configs.iter().any(|(config, _)| *config == name);
        (self.custom_networking && !known).then_some(name)
    }
}

/// Cilium's ENI mode, by cilium-config's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiliumEniSettings {
    /// Where the settings are written.
    pub location: Location,
    /// `aws-enable-prefix-delegation`.
    pub prefix_delegation: bool,
    /// `ipam-pre-allocate` / CNI `pre-allocate`; `None` when unset.
    pub pre_allocate: Option<u32>,
    /// `min-allocate`.
    pub min_allocate: u32,
    /// `max-allocate`; 0 is the instance's limit.
    pub max_allocate: u32,
    /// `max-above-watermark`.
    pub max_above_watermark: u32,
    /// `first-interface-index`.
    pub first_interface_index: u32,
    /// `aws-use-primary-address`.
    pub use_primary_address: bool,
    /// `aws-release-excess-ips`.
    pub release_excess: bool,
    /// `subnet-tags-filter` / `subnet-ids-filter`: which subnets new interfaces may use; empty is any.
    pub subnet_tags: Labels,
    /// See `subnet_tags`.
    pub subnet_ids: Vec<Name>,
    /// Addresses that each agent takes for itself: router, health, ingress.
    pub own_endpoints: u32,
    /// kube-proxy is replaced.
    pub replaces_kube_proxy: bool,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shortage::Addresses => "InsufficientFreeAddressesInSubnet",
            Shortage::Prefixes => "InsufficientCidrBlocks",
            Shortage::AddressesOrPrefixes => {
                "InvalidParameterValue: There aren't sufficient free Ipv4 addresses or prefixes"
            }
        })
    }
}
