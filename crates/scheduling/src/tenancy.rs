//! Pods in the index: who holds room where, and what each coming and going changes.

use cluster::{Cluster, Name, NodeId, PodId, PodTemplate, Timestamp};

use crate::placements::Placements;
use crate::room::Ports;

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

impl Placements {
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
        self.touch_nominated(id);
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

    /// Takes a pod's room back. Does nothing when it holds none.
    pub fn forget(&mut self, id: PodId) {
        if let Some(node) = self.node_of(id) {
            self.version += 1;
            self.touch_nominated(id);
            self.drop(id, node.0 as usize);
        }
    }

    /// The node on which a pod holds room.
    pub fn node_of(&self, id: PodId) -> Option<NodeId> {
        self.tenants.get(id.0 as usize)?.as_ref()?.node.map(NodeId)
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
        self.weigh(id, node, up);
        let Some(tenant) = self.tenants.get(id.0 as usize).and_then(Option::as_ref) else { return };
        let (class_id, terminating) = (tenant.class, tenant.terminating);
        let class = &self.classes[class_id as usize];
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

    /// Gives or takes only the room of a pod: what filters see that do not look at other pods.
    pub(crate) fn weigh(&mut self, id: PodId, node: usize, up: bool) {
        let Some(tenant) = self.tenants.get(id.0 as usize).and_then(Option::as_ref) else { return };
        let class = &self.classes[tenant.class as usize];
        self.rows[node].change(&class.request, up);
        for (column, amount) in &class.request.extended {
            let used = &mut self.columns[*column as usize].used[node];
            *used = used.saturating_add(if up { *amount } else { amount.saturating_neg() });
        }
        change_ports(&mut self.ports[node], &class.template, up);
        self.touch(node);
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
