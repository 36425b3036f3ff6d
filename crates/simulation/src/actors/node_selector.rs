//! Whether a node is one that a template or a volume names; see [`cluster::node_selector`].

pub use cluster::node_selector::{any_term_matches, required_affinity_matches};
