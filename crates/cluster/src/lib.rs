//! What is there, and what happened?
//!
//! The model that every other crate speaks about: pods, nodes, pools, claims, network interfaces, subnets,
//! resources and requirements, as plain values, and the [`Change`]s that move them.
//!
//! Invariants: no I/O, no clock, no randomness, no floats, no hash-map order. Nothing here decides anything:
//! the crates above read a [`Cluster`] and answer with values. Everything the user declared keeps the
//! [`Location`] of the field it came from; the crate `sources` turns that into file, line and column.

pub mod admission;
pub mod arrival;
pub mod capability;
pub mod capacity_buffer;
pub mod change;
pub mod declared;
pub mod device;
pub mod disruption_budget;
pub mod labels;
pub mod location;
pub mod network;
pub mod node;
pub mod node_claim;
pub mod node_class;
pub mod node_overlay;
pub mod node_pool;
pub mod node_selector;
pub mod pod;
pub mod profile;
pub mod quantity;
pub mod rejection;
pub mod requirements;
pub mod resources;
pub mod role;
pub mod scenario;
pub mod state;
pub mod storage;
pub mod taint;
pub mod template;
pub mod time;
pub mod timeline;
pub mod unmet;
pub mod waiting;
pub mod workload;

pub use capacity_buffer::{BufferStatus, CapacityBuffer};
pub use change::Change;
pub use declared::Declared;
pub use labels::{LabelSelector, Labels, SelectorOperator, SelectorRequirement};
pub use location::{FieldPath, Kind, Location, ObjectKey};
pub use node::{Node, NodeId};
pub use node_claim::{ClaimId, NodeClaim};
pub use node_class::NodeClass;
pub use node_overlay::NodeOverlay;
pub use node_pool::NodePool;
pub use pod::{Pod, PodId};
pub use quantity::Quantity;
pub use resources::Resources;
pub use smol_str::SmolStr as Name;
pub use state::Cluster;
pub use taint::{Effect, Taint, Toleration};
pub use template::PodTemplate;
pub use time::Timestamp;
pub use timeline::Timeline;
pub use unmet::{Unmet, unmet};
pub use waiting::Waiting;
pub use workload::{Workload, WorkloadId};
