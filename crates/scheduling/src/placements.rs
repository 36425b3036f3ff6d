//! The index: who is where, kept in step with every change.
//!
//! Built once from a [`Cluster`] and then told what happened ([`Placements::observe`] in `event`). Adding or
//! removing a pod costs the number of selectors that match it; changing a node costs the number of rules and groups.

use std::collections::{BTreeMap, BTreeSet};

use cluster::storage::VolumeClaimId;
use cluster::{Cluster, Name, Node, NodeId, PodId, WorkloadId};

use crate::class::{Class, OwnedTerm};
use crate::counter::{Counted, Counter};
use crate::devices::DeviceIndex;
use crate::domain::{Group, Inclusion, NO_DOMAIN, TopologyKey};
use crate::nominations::Nominations;
use crate::order::NodeOrder;
use crate::plugins::default_preemption::Remembered;
use crate::plugins::image_locality::ImageSpread;
use crate::room::{Column, Ports, Request, Row};
use crate::rule::{Cell, Rule, RuleKey};
use crate::score::Shape;
use crate::tenancy::Tenant;

/// What of a node is remembered to tell what a change changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    pub labels: u64,
    pub taints: Vec<cluster::Taint>,
    pub unschedulable: bool,
    pub images: Vec<Name>,
}

/// Namespace and owner: pods that differ in neither usually share a class.
pub(crate) type ClassKey = (Name, Option<(WorkloadId, u32)>);
/// Counter, key and inclusion of a group.
pub(crate) type GroupKey = (u32, u32, Option<Inclusion>);

/// Who is where. See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Placements {
    pub(crate) rows: Vec<Row>,
    /// By node: goes up whenever its room changes, or who is kept a place on it. Never 0.
    pub(crate) versions: Vec<u32>,
    pub(crate) columns: Vec<Column>,
    pub(crate) ports: Vec<Ports>,
    /// Pods that hold room, by node, in id order.
    pub(crate) pods_on: Vec<Vec<PodId>>,
    /// Volumes attached, by node.
    pub(crate) attached: Vec<BTreeSet<u32>>,
    pub(crate) order: NodeOrder,
    pub(crate) tenants: Vec<Option<Tenant>>,
    pub(crate) classes: Vec<Class>,
    pub(crate) class_ids: BTreeMap<ClassKey, Vec<u32>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) rule_ids: BTreeMap<RuleKey, u32>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) shape_ids: BTreeMap<Request, u32>,
    pub(crate) counters: Vec<Counter>,
    pub(crate) counter_ids: BTreeMap<Counted, u32>,
    pub(crate) keys: Vec<TopologyKey>,
    pub(crate) key_ids: BTreeMap<Name, u32>,
    pub(crate) groups: Vec<Group>,
    pub(crate) group_ids: BTreeMap<GroupKey, u32>,
    /// Owned terms, each with the group of its owners.
    pub(crate) terms: Vec<(OwnedTerm, u32)>,
    pub(crate) term_ids: BTreeMap<OwnedTerm, u32>,
    /// What preemption would do for pods of the classes that preempted last.
    pub(crate) tries: Remembered,
    /// Nodes reserved for pods.
    pub(crate) nominations: Nominations,
    /// Claims by namespace and name.
    pub(crate) claim_ids: BTreeMap<(Name, Name), VolumeClaimId>,
    /// Placed pods by the claim they use, ephemeral volumes left out.
    pub(crate) claim_users: BTreeMap<(Name, Name), u32>,
    /// Nodes chosen for claims by pods that are assumed.
    pub(crate) claim_nodes: BTreeMap<VolumeClaimId, NodeId>,
    /// Volumes chosen by pods that are assumed.
    pub(crate) chosen_volumes: BTreeMap<u32, VolumeClaimId>,
    /// Devices that are given away.
    pub(crate) devices: DeviceIndex,
    /// Images on nodes, by name.
    pub(crate) images: BTreeMap<Name, ImageSpread>,
    /// Where the next search begins, as an index into the node order.
    pub(crate) next_start: usize,
    /// Goes up whenever an attempt might end differently than before.
    pub(crate) version: u64,
    /// What of each node is compared when it changes.
    pub(crate) marks: Vec<Marks>,
}

impl Placements {
    /// The index of a cluster as it is now.
    pub fn new(cluster: &Cluster) -> Placements {
        let mut index = Placements { devices: DeviceIndex::new(cluster), ..Placements::default() };
        for node in &cluster.nodes {
            index.put_node(cluster, node.id);
        }
        for claim in &cluster.volume_claims {
            index.claim_ids.insert((claim.namespace.clone(), claim.name.clone()), claim.id);
        }
        for (number, volume) in (0u32..).zip(&cluster.volumes) {
            for node in &volume.attached {
                index.attached[node.0 as usize].insert(number);
            }
        }
        for pod in &cluster.pods {
            index.sync_pod(cluster, pod.id);
        }
        index
    }

    /// The domain in which a group counts a node; `None` when it does not.
    pub(crate) fn domain_in(&self, group: &Group, node: usize) -> Option<u32> {
        let domain = self.keys[group.key as usize].of(node);
        let counts = self.rows[node].live
            && domain != NO_DOMAIN
            && group.inclusion.as_ref().is_none_or(|inclusion| {
                let cell = self.rules[inclusion.rule as usize].cells.get(node).copied().unwrap_or_default();
                (cell.affine || !inclusion.affinity)
                    && (cell.tolerated || !inclusion.taints)
                    && inclusion.keys.iter().all(|key| self.keys[*key as usize].of(node) != NO_DOMAIN)
            });
        counts.then_some(domain)
    }

    /// Adds a node, or takes over what has changed about it.
    pub(crate) fn put_node(&mut self, cluster: &Cluster, id: NodeId) {
        let index = id.0 as usize;
        self.grow(index + 1);
        self.version += 1;
        let node = cluster.node(id);
        self.count_node(index, false);
        if node.exists() {
            self.order.put(id, &node.labels);
        } else {
            self.order.remove(id);
        }
        let row = &mut self.rows[index];
        row.live = node.exists();
        row.set_allocatable(node);
        self.touch(index);
        for column in &mut self.columns {
            column.allocatable[index] = node.allocatable.get(&column.name);
        }
        for key in &mut self.keys {
            key.set(index, node.labels.get(&key.name));
        }
        for rule in &mut self.rules {
            if rule.cells.len() <= index {
                rule.cells.resize(index + 1, Cell::default());
            }
            rule.cells[index] = rule.key.cell(node);
        }
        self.put_images(node);
        self.marks[index] = Marks {
            images: node
                .images
                .iter()
                .flat_map(|image| &image.names)
                .filter(|_| node.exists())
                .cloned()
                .collect(),
            labels: label_hash(node),
            taints: node.taints.clone(),
            unschedulable: node.unschedulable,
        };
        self.count_node(index, true);
    }

    /// Takes over which images are on a node. The size that was told first for a name counts for all nodes.
    fn put_images(&mut self, node: &Node) {
        let index = node.id.0;
        for name in std::mem::take(&mut self.marks[index as usize].images) {
            if let Some(image) = self.images.get_mut(&name) {
                image.nodes.remove(&index);
            }
        }
        for image in node.images.iter().filter(|_| node.exists()) {
            for name in &image.names {
                let spread = self.images.entry(name.clone()).or_default();
                if spread.nodes.is_empty() {
                    spread.size_bytes = image.size_bytes;
                }
                spread.nodes.insert(index);
            }
        }
    }

    /// Counts a node into all groups, or out of them.
    fn count_node(&mut self, node: usize, into: bool) {
        for id in 0..self.groups.len() {
            let Some(domain) = self.domain_in(&self.groups[id], node) else { continue };
            let pods = self.counters[self.groups[id].counter as usize].on(node);
            if into {
                self.groups[id].include(domain, pods);
            } else {
                self.groups[id].exclude(domain, pods);
            }
        }
    }

    /// What is remembered of a node's room does not hold any more.
    pub(crate) fn touch(&mut self, node: usize) {
        if let Some(version) = self.versions.get_mut(node) {
            *version = version.wrapping_add(1).max(1);
        }
    }

    pub(crate) fn grow(&mut self, nodes: usize) {
        if self.rows.len() < nodes {
            self.rows.resize(nodes, Row::default());
            self.versions.resize(nodes, 1);
            self.ports.resize(nodes, Ports::new());
            self.pods_on.resize(nodes, Vec::new());
            self.attached.resize(nodes, BTreeSet::new());
            self.marks.resize(nodes, Marks::default());
            self.columns.iter_mut().for_each(|column| column.grow(nodes));
        }
    }
}

/// Only ever compared within one run.
pub(crate) fn label_hash(node: &Node) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    node.labels.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn len<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).unwrap_or(u32::MAX)
}
