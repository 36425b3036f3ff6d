//! Nodes as they come, change and go.

use std::sync::Arc;

use api::watched::{self, WatchedNode};
use cluster::{Change, Name, Node, NodeId};
use serde_json::Value;

use super::Mirror;

/// What the mirror knows of a node beside the model.
#[derive(Clone, Debug)]
pub(crate) struct NodeFacts {
    pub(crate) id: NodeId,
    pub(crate) uid: Name,
    pub(crate) provider_id: Name,
    pub(crate) value: Arc<Value>,
}

impl Mirror {
    pub(super) fn node_there(&mut self, value: &Arc<Value>, changes: &mut Vec<Change>) {
        let seen = match watched::node(value) {
            Ok(node) => node,
            Err(problems) => return self.note_unread("node", &problems),
        };
        let name = seen.node.name.clone();
        if self.nodes.get(&name).is_some_and(|known| known.uid != seen.uid) {
            self.node_gone(&name, changes);
        }
        match self.nodes.get_mut(&name) {
            Some(known) => {
                let id = known.id;
                known.value = Arc::clone(value);
                known.provider_id.clone_from(&seen.provider_id);
                self.update_node(id, seen, changes);
            }
            None => self.add_node(seen, value, changes),
        }
    }

    pub(super) fn node_gone(&mut self, name: &Name, changes: &mut Vec<Change>) {
        let Some(NodeFacts { id, .. }) = self.nodes.remove(name) else { return };
        self.cluster.nodes[id.0 as usize].gone = true;
        changes.push(Change::NodeGone(id));
    }

    fn add_node(&mut self, seen: WatchedNode, value: &Arc<Value>, changes: &mut Vec<Change>) {
        let id = NodeId(u32::try_from(self.cluster.nodes.len()).unwrap_or(u32::MAX));
        let name = seen.node.name.clone();
        let created = self.instant(seen.created_unix_ms);
        let deleted = seen.deleting.then_some(self.cluster.now);
        self.cluster.nodes.push(Node { id, created, deleted, ..seen.node });
        let facts =
            NodeFacts { id, uid: seen.uid, provider_id: seen.provider_id.clone(), value: Arc::clone(value) };
        self.nodes.insert(name.clone(), facts);
        self.tie_by_provider(&seen.provider_id);
        changes.push(Change::NodeRegistered(id));
        changes.extend(self.cluster.node(id).ready.then_some(Change::NodeReady(id, true)));
        let since = seen.unready_since_unix_ms.map(|at| self.instant(at));
        changes.extend(since.map(|since| Change::NodeUnreadySince(id, since)));
        changes.extend(deleted.map(|_| Change::NodeDeleting(id)));
        for pod in self.homeless.remove(&name).unwrap_or_default() {
            self.bind_to(pod, id, changes);
        }
    }

    fn update_node(&mut self, id: NodeId, seen: WatchedNode, changes: &mut Vec<Change>) {
        let now = self.cluster.now;
        let node = &mut self.cluster.nodes[id.0 as usize];
        let was_ready = node.ready;
        let deleting = seen.deleting && node.deleted.is_none();
        let (claim, created) = (node.claim, node.created);
        let deleted = node.deleted.or_else(|| seen.deleting.then_some(now));
        let new = Node { id, claim, created, deleted, ..seen.node };
        let same = node.labels == new.labels
            && node.taints == new.taints
            && node.annotations == new.annotations
            && node.unschedulable == new.unschedulable
            && node.allocatable == new.allocatable
            && node.capacity == new.capacity;
        *node = new;
        let ready = node.ready;
        let since = seen.unready_since_unix_ms.map(|at| self.instant(at));
        self.tie_by_provider(&seen.provider_id);
        if !same {
            changes.push(Change::NodeUpdated(id));
        }
        if ready != was_ready {
            changes.push(Change::NodeReady(id, ready));
        }
        changes.extend(since.map(|since| Change::NodeUnreadySince(id, since)));
        if deleting {
            changes.push(Change::NodeDeleting(id));
        }
    }
}
