//! What can be bought?
//!
//! Instance types with their interface, address and volume limits, where they are offered, what they cost, and
//! what a node of a type has left for pods. Embedded tables; no network.

pub mod instance_type;

pub use instance_type::InstanceType;

/// The embedded tables, and what the user's own data overrides.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    types: Vec<InstanceType>,
}

impl Catalog {
    /// Every type, in name order.
    pub fn instance_types(&self) -> &[InstanceType] {
        &self.types
    }

    /// The type with this name.
    pub fn instance_type(&self, name: &str) -> Option<&InstanceType> {
        self.types.binary_search_by(|t| t.name.as_str().cmp(name)).ok().map(|index| &self.types[index])
    }
}
