//! What is attached to nodes, and what can be: VolumeAttachments and CSINodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::watched;
use cluster::{Change, Name, NodeId};
use serde_json::Value;

use super::Mirror;

impl Mirror {
    /// An attachment is there until its volume is detached, whatever its status says.
    pub(super) fn attachment_there(&mut self, value: &Value, changes: &mut Vec<Change>) {
        let text = |path: &str| Name::from(value.pointer(path).and_then(Value::as_str).unwrap_or_default());
        let (name, node) = (text("/metadata/name"), text("/spec/nodeName"));
        let volume = text("/spec/source/persistentVolumeName");
        let there = (node.clone(), volume);
        if self.attachments.get(&name) != Some(&there) {
            self.attachments.insert(name, there);
            self.attach();
            self.node_changed(&node, changes);
        }
    }

    pub(super) fn attachment_gone(&mut self, name: &Name, changes: &mut Vec<Change>) {
        if let Some((node, _)) = self.attachments.remove(name) {
            self.attach();
            self.node_changed(&node, changes);
        }
    }

    /// The attachments of a volume to a node, by name.
    pub(crate) fn attachments(&self, node: &Name, volume: &Name) -> impl Iterator<Item = &Name> {
        let those = self.attachments.iter().filter(move |(_, (at, of))| at == node && of == volume);
        those.map(|(name, _)| name)
    }

    pub(super) fn drivers_there(&mut self, value: &Arc<Value>, changes: &mut Vec<Change>) {
        match watched::csi_node(value) {
            Ok(seen) => self.set_drivers(seen.node, seen.drivers, changes),
            Err(problems) => self.note_unread("CSINode", &problems),
        }
    }

    pub(super) fn drivers_gone(&mut self, node: &Name, changes: &mut Vec<Change>) {
        self.set_drivers(node.clone(), Vec::new(), changes);
        self.drivers.remove(node);
    }

    fn set_drivers(&mut self, node: Name, drivers: Vec<(Name, Option<u32>)>, changes: &mut Vec<Change>) {
        if let Some(known) = self.nodes.get(&node) {
            let known = &mut self.cluster.nodes[known.id.0 as usize];
            if known.volume_drivers != drivers {
                known.volume_drivers.clone_from(&drivers);
                changes.push(Change::NodeUpdated(known.id));
            }
        }
        self.drivers.insert(node, drivers);
    }

    /// What is known of a node's drivers, whichever came first.
    pub(super) fn drivers_of(&self, node: &Name) -> Vec<(Name, Option<u32>)> {
        self.drivers.get(node).cloned().unwrap_or_default()
    }

    /// Works out anew which volumes are attached where.
    pub(super) fn attach(&mut self) {
        let mut attached: BTreeMap<&Name, Vec<NodeId>> = BTreeMap::new();
        for (node, volume) in self.attachments.values() {
            if let Some(facts) = self.nodes.get(node) {
                attached.entry(volume).or_default().push(facts.id);
            }
        }
        for volume in &mut self.cluster.volumes {
            volume.attached = attached.remove(&volume.name).unwrap_or_default();
        }
    }

    fn node_changed(&self, name: &Name, changes: &mut Vec<Change>) {
        changes.extend(self.nodes.get(name).map(|facts| Change::NodeUpdated(facts.id)));
    }
}
