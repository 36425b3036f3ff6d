//! A node of the cluster and the instance under it.

use crate::labels::Labels;
use crate::location::Location;
use crate::network::NodeNetwork;
use crate::node_claim::ClaimId;
use crate::{Name, Resources, Taint, Timestamp};

/// The label of claims and nodes that names their NodePool.
pub const POOL: &str = "karpenter.sh/nodepool";

/// A node's index in [`crate::Cluster::nodes`]; never reused in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeId(pub u32);

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its index.
    pub id: NodeId,
    /// `metadata.name`.
    pub name: Name,
    /// What brought it: a node group of the profile, a Node object, or the NodePool of its claim.
    pub location: Location,
    /// Index into `profile.node_groups` for a group's node.
    pub group: Option<u32>,
    /// Its claim, where a provisioner made it.
    pub claim: Option<ClaimId>,
    /// The EC2 instance type; empty when unknown.
    pub instance_type: Name,
    /// The availability zone.
    pub zone: Name,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.capacity`.
    pub capacity: Resources,
    /// `status.allocatable`; `pods` is the kubelet's maxPods.
    pub allocatable: Resources,
    /// Its interfaces and addresses.
    pub network: NodeNetwork,
    /// CSI drivers registered here (`CSINode.spec.drivers`) with their attach limits.
    pub volume_drivers: Vec<(Name, Option<u32>)>,
    /// Images already on the node (`status.images`).
    pub images: Vec<NodeImage>,
    /// When it was created.
    pub created: Timestamp,
    /// The kubelet reports Ready (its CNI configuration is there).
    pub ready: bool,
    /// When it was asked to go.
    pub deleted: Option<Timestamp>,
    /// Gone; the entry stays so that ids stay valid.
    pub gone: bool,
}

/// An image on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeImage {
    /// Its names, with tag and with digest.
    pub names: Vec<Name>,
    /// Its size in bytes; 0 when not told.
    pub size_bytes: i64,
}

impl Node {
    /// A node that is Ready, and of which nothing else is known but where it is written.
    pub fn ready(location: Location) -> Node {
        Node {
            id: NodeId(0),
            name: Name::default(),
            location,
            group: None,
            claim: None,
            instance_type: Name::default(),
            zone: Name::default(),
            labels: Labels::new(),
            annotations: Labels::new(),
            taints: Vec::new(),
            unschedulable: false,
            capacity: Resources::ZERO,
            allocatable: Resources::ZERO,
            network: NodeNetwork::default(),
            volume_drivers: Vec::new(),
            images: Vec::new(),
            created: Timestamp::ZERO,
            ready: true,
            deleted: None,
            gone: false,
        }
    }

    /// Whether an image of this name is on the node.
    pub fn has_image(&self, name: &Name) -> bool {
        self.images.iter().any(|image| image.names.contains(name))
    }

    /// `kubernetes.io/arch`.
    pub fn arch(&self) -> &str {
        self.labels.get("kubernetes.io/arch").map_or("", |arch| arch.as_str())
    }

    /// `kubernetes.io/os`.
    pub fn os(&self) -> &str {
        self.labels.get("kubernetes.io/os").map_or("linux", |os| os.as_str())
    }

    /// In the API.
    pub fn exists(&self) -> bool {
        !self.gone
    }

    /// The NodePool that made it.
    pub fn node_pool(&self) -> Option<&Name> {
        self.labels.get(POOL)
    }
}
