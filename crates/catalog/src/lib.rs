//! What can be bought?
//!
//! Instance types with their interface, address and volume limits, where they are offered, what they cost, and
//! what a node of a type has left for pods. Embedded tables; no network.

pub mod branch_interfaces;
mod gzip;
pub mod instance_name;
mod instance_table;
pub mod instance_type;
pub mod karpenter_node;
pub mod kubelet_node;
pub mod labels;
pub mod max_pods;
pub mod max_pods_expression;
pub mod reserved;
pub mod volumes;

use std::sync::OnceLock;

pub use instance_type::InstanceType;
pub use karpenter_node::KarpenterNode;
pub use kubelet_node::KubeletNode;
pub use max_pods::MaxPodsSettings;

/// The embedded tables, and what the user's own data overrides.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    types: Vec<InstanceType>,
}

/// What a node has, and what of it pods can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeResources {
    /// `status.capacity`.
    pub capacity: cluster::Resources,
    /// `status.allocatable`.
    pub allocatable: cluster::Resources,
}

impl Catalog {
    /// The embedded tables, decoded once.
    pub fn embedded() -> &'static Catalog {
        static EMBEDDED: OnceLock<Catalog> = OnceLock::new();
        EMBEDDED.get_or_init(|| Catalog { types: instance_table::embedded() })
    }

    /// A catalog of the given types only.
    pub fn of(mut types: Vec<InstanceType>) -> Catalog {
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types.dedup_by(|a, b| a.name == b.name);
        Catalog { types }
    }

    /// Every type, in name order.
    pub fn instance_types(&self) -> &[InstanceType] {
        &self.types
    }

    /// The type with this name; `None` when the tables do not know it.
    pub fn instance_type(&self, name: &str) -> Option<&InstanceType> {
        self.index_of(name).map(|index| &self.types[index])
    }

    /// The position of the type with this name in [`Catalog::instance_types`].
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.types.binary_search_by(|it| it.name.as_str().cmp(name)).ok()
    }
}
