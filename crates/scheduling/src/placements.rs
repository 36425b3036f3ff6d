//! The index: who is where, kept in step with every change.
//!
//! Built once from a [`Cluster`] and then told what happened ([`Placements::observe`] in `event`). Adding or
//! removing a pod costs the number of selectors that match it; changing a node costs the number of rules and groups.

use std::collections::{BTreeMap, BTreeSet};

use cluster::storage::VolumeClaimId;
use cluster::{Cluster, Name, Node, NodeId, PodId, PodTemplate, Timestamp, WorkloadId};

use crate::attempt::ClaimChoice;
use crate::class::{Class, OwnedTerm};
use crate::counter::{Counted, Counter};
use crate::domain::{Group, Inclusion, NO_DOMAIN, TopologyKey};
use crate::order::NodeOrder;
use crate::plugins::image_locality::ImageSpread;
use crate::room::{Column, Ports, Request, Row};
use crate::rule::{Cell, Rule, RuleKey};
use crate::score::Shape;

/// A pod that holds room on a node, or that a node is reserved for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub class: u32,
    /// Where it holds room.
    pub node: Option<u32>,
    /// Its claims by name, and whether each is an ephemeral volume's.
    pub claims: Box<[(Name, bool)]>,
    /// It was asked to go.
    pub terminating: bool,
    /// It was asked to go by preemption.
    pub preempted: bool,
    /// When it was placed: what upstream reads from the kubelet's `status.startTime`.
    pub since: Timestamp,
}

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
    /// Nodes reserved for pods, by node.
    pub(crate) nominated: BTreeMap<NodeId, BTreeSet<PodId>>,
    /// Claims by namespace and name.
    pub(crate) claim_ids: BTreeMap<(Name, Name), VolumeClaimId>,
    /// Placed pods by the claim they use, ephemeral volumes left out.
    pub(crate) claim_users: BTreeMap<(Name, Name), u32>,
    /// Nodes chosen for claims by pods that are assumed.
    pub(crate) claim_nodes: BTreeMap<VolumeClaimId, NodeId>,
    /// Volumes chosen by pods that are assumed.
    pub(crate) chosen_volumes: BTreeMap<u32, VolumeClaimId>,
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
        let mut index = Placements::default();
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

    fn grow(&mut self, nodes: usize) {
        if self.rows.len() < nodes {
            self.rows.resize(nodes, Row::default());
            self.ports.resize(nodes, Ports::new());
            self.pods_on.resize(nodes, Vec::new());
            self.attached.resize(nodes, BTreeSet::new());
            self.marks.resize(nodes, Marks::default());
            self.columns.iter_mut().for_each(|column| column.grow(nodes));
        }
    }

    /// Takes a pod's place, and the room it holds, from the cluster.
    pub(crate) fn sync_pod(&mut self, cluster: &Cluster, id: PodId) {
        let pod = cluster.pod(id);
        let wanted = pod.node.filter(|_| pod.holds_node());
        if let Some(node) = wanted {
            self.place(cluster, id, node);
            self.set_nominated(cluster, id, None);
        } else {
            self.forget(id);
            let waits = pod.node.is_none() && !pod.is_over() && pod.template.scheduling_gates.is_empty();
            let nominated = pod.nominated.filter(|_| waits);
            self.set_nominated(cluster, id, nominated);
        }
        if pod.deleted.is_some() {
            self.set_terminating(id);
        }
    }

    /// Gives a pod room on a node before (or without) the cluster saying so.
    pub fn place(&mut self, cluster: &Cluster, id: PodId, node: NodeId) {
        let index = node.0 as usize;
        self.grow(index + 1);
        if self.node_of(id) == Some(node) {
            return;
        }
        self.forget(id);
        self.version += 1;
        self.tenant(cluster, id);
        if let Some(tenant) = self.tenants[id.0 as usize].as_mut() {
            tenant.since = if cluster.pod(id).node == Some(node) && cluster.now == Timestamp::ZERO {
                cluster.pod(id).created
            } else {
                cluster.now
            };
        }
        self.add(id, index);
    }

    /// Remembers what an assumed pod's claims are to become, until the cluster shows it.
    pub fn reserve_claims(&mut self, node: NodeId, claims: &[ClaimChoice]) {
        for choice in claims {
            match choice {
                ClaimChoice::Provision(claim) => self.claim_nodes.insert(*claim, node).map(|_| ()),
                ClaimChoice::Bind(claim, volume) => self.chosen_volumes.insert(*volume, *claim).map(|_| ()),
            };
        }
    }

    /// Forgets what [`Placements::reserve_claims`] remembered.
    pub fn release_claims(&mut self, claims: &[ClaimChoice]) {
        for choice in claims {
            match choice {
                ClaimChoice::Provision(claim) => self.claim_nodes.remove(claim).map(|_| ()),
                ClaimChoice::Bind(_, volume) => self.chosen_volumes.remove(volume).map(|_| ()),
            };
        }
    }

    /// Takes a pod's room back. Does nothing when it holds none.
    pub fn forget(&mut self, id: PodId) {
        if let Some(node) = self.node_of(id) {
            self.version += 1;
            self.drop(id, node.0 as usize);
        }
    }

    /// The node on which a pod holds room.
    pub fn node_of(&self, id: PodId) -> Option<NodeId> {
        self.tenants.get(id.0 as usize)?.as_ref()?.node.map(NodeId)
    }

    /// Reserves a node for a pod, or gives the reservation up.
    pub fn set_nominated(&mut self, cluster: &Cluster, id: PodId, node: Option<NodeId>) {
        if self.nominated_to(id) == node {
            return;
        }
        self.version += 1;
        self.nominated.retain(|_, pods| {
            pods.remove(&id);
            !pods.is_empty()
        });
        if let Some(node) = node {
            self.tenant(cluster, id);
            self.nominated.entry(node).or_default().insert(id);
        }
    }

    /// The node that is reserved for a pod.
    pub fn nominated_to(&self, id: PodId) -> Option<NodeId> {
        self.nominated.iter().find(|(_, pods)| pods.contains(&id)).map(|(node, _)| *node)
    }

    /// Makes the record of a pod.
    pub(crate) fn tenant(&mut self, cluster: &Cluster, id: PodId) {
        let index = id.0 as usize;
        if self.tenants.len() <= index {
            self.tenants.resize(cluster.pods.len().max(index + 1), None);
        }
        if self.tenants[index].is_none() {
            let pod = cluster.pod(id);
            let class = self.class_of(cluster, pod).0;
            self.tenants[index] = Some(Tenant {
                class,
                node: None,
                claims: crate::plugins::volume_binding::claim_names(&pod.template, &pod.name).into(),
                terminating: pod.deleted.is_some(),
                preempted: false,
                since: cluster.now,
            });
        }
    }

    /// Counts a pod in on a node. It must not hold room anywhere.
    pub(crate) fn add(&mut self, id: PodId, node: usize) {
        let Some(tenant) = self.tenants.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        tenant.node = u32::try_from(node).ok();
        if let Err(place) = self.pods_on[node].binary_search(&id) {
            self.pods_on[node].insert(place, id);
        }
        self.count_pod(id, node, true);
    }

    /// Counts a pod out again.
    pub(crate) fn drop(&mut self, id: PodId, node: usize) {
        let Some(tenant) = self.tenants.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        tenant.node = None;
        if let Ok(place) = self.pods_on[node].binary_search(&id) {
            self.pods_on[node].remove(place);
        }
        self.count_pod(id, node, false);
    }

    fn count_pod(&mut self, id: PodId, node: usize, up: bool) {
        let Some(tenant) = self.tenants.get(id.0 as usize).and_then(Option::as_ref) else { return };
        let (class_id, terminating) = (tenant.class, tenant.terminating);
        let class = &self.classes[class_id as usize];
        self.rows[node].change(&class.request, up);
        for (column, amount) in &class.request.extended {
            let used = &mut self.columns[*column as usize].used[node];
            *used = used.saturating_add(if up { *amount } else { amount.saturating_neg() });
        }
        change_ports(&mut self.ports[node], &class.template, up);
        for (claim, _) in tenant.claims.iter().filter(|(_, ephemeral)| !ephemeral) {
            let users = self.claim_users.entry((class.namespace.clone(), claim.clone())).or_insert(0);
            *users = if up { users.saturating_add(1) } else { users.saturating_sub(1) };
        }
        for place in 0..self.classes[class_id as usize].counters.len() {
            let counter = self.classes[class_id as usize].counters[place];
            if !(terminating && self.counters[counter as usize].counted.living()) {
                self.change_counter(counter, node, up);
            }
        }
    }

    fn change_counter(&mut self, counter: u32, node: usize, up: bool) {
        self.counters[counter as usize].change(node, up);
        for place in 0..self.counters[counter as usize].groups.len() {
            let group = self.counters[counter as usize].groups[place] as usize;
            if let Some(domain) = self.domain_in(&self.groups[group], node) {
                self.groups[group].change(domain, up);
            }
        }
    }

    /// Notes that a pod was asked to go: topology spread does not count it any more.
    pub(crate) fn set_terminating(&mut self, id: PodId) {
        let Some(tenant) = self.tenants.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        if std::mem::replace(&mut tenant.terminating, true) {
            return;
        }
        self.version += 1;
        let (node, class) = (tenant.node, tenant.class as usize);
        let Some(node) = node else { return };
        for place in 0..self.classes[class].counters.len() {
            let counter = self.classes[class].counters[place];
            if self.counters[counter as usize].counted.living() {
                self.change_counter(counter, node as usize, false);
            }
        }
    }

    /// Notes that a pod is about to be asked to go by preemption.
    pub fn expect_preemption(&mut self, id: PodId) {
        self.set_terminating(id);
        if let Some(tenant) = self.tenants.get_mut(id.0 as usize).and_then(Option::as_mut) {
            tenant.preempted = true;
        }
    }

    /// The priority of a pod that has a record.
    pub(crate) fn priority(&self, id: PodId) -> i32 {
        let tenant = self.tenants.get(id.0 as usize).and_then(Option::as_ref);
        tenant.map_or(0, |tenant| self.classes[tenant.class as usize].template.priority)
    }
}

/// By `HostPortInfo`: a port is taken or it is not. Of two pods that share one, the first that goes frees it.
fn change_ports(ports: &mut Ports, template: &PodTemplate, up: bool) {
    for port in &template.host_ports {
        let place = ports.iter().position(|taken| taken == port);
        match place {
            None if up => ports.push(port.clone()),
            Some(place) if !up => drop(ports.swap_remove(place)),
            _ => {}
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
