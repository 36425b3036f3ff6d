//! Fargate: pods that a profile selects get a micro-VM node of their own.

use cluster::Node;

/// Whether a node is one pod's Fargate micro-VM; its pod uses the node's own address.
pub fn is_fargate(node: &Node) -> bool {
    node.labels.get("eks.amazonaws.com/compute-type").is_some_and(|kind| kind == "fargate")
}
