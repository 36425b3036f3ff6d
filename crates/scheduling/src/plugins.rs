//! One file for each plugin of the default profile that decides something here.
//!
//! Not here: `SchedulingGates` and `PrioritySort` (the queue's, in `simulation`), `DefaultBinder` (an effect),
//! `NodeDeclaredFeatures` (nodes declare none).

pub mod default_preemption;
pub mod dynamic_resources;
pub mod image_locality;
pub mod inter_pod_affinity;
pub mod node_affinity;
pub mod node_name;
pub mod node_ports;
pub mod node_resources_balanced_allocation;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod node_volume_limits;
pub mod pod_topology_spread;
pub mod taint_toleration;
pub mod volume_binding;
pub mod volume_matching;
pub mod volume_restrictions;
pub mod volume_zone;
