//! `NodeName`: `spec.nodeName` names the only node.
//!
//! Follows `plugins/nodename/node_name.go`. The scheduler's queue never holds such pods; provisioning asks.

use cluster::{Name, Node};

use crate::event::Event;

pub(crate) fn refuses(wanted: Option<&Name>, node: &Node) -> bool {
    wanted.is_some_and(|name| !name.is_empty() && *name != node.name)
}

pub(crate) fn may_help(event: &Event) -> bool {
    matches!(event, Event::NodeAdded(_))
}
