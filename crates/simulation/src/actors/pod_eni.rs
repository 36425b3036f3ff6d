//! Security groups for pods: the VPC resource controller, which runs in the EKS control plane.
//!
//! Followed: aws/amazon-vpc-resource-controller-k8s v1.8.2 `controllers/core/node_controller.go`,
//! `pkg/provider/branch/provider.go`, `pkg/provider/branch/trunk/trunk.go`; the trunk is asked for by ipamd
//! (aws/amazon-vpc-cni-k8s v1.23.2 `pkg/ipamd/ipamd.go` `tryEnableSecurityGroupsForPods`). With `ENABLE_POD_ENI` a node of a
//! type that can gets a trunk if it has an interface to spare, then says how many branches it takes
//! (`vpc.amazonaws.com/pod-eni`), and only then can such pods be scheduled there. Each gets a branch interface of its
//! own, which is deleted a minute after the pod.
//!
//! The label `has-trunk-attached: "true"` is ipamd's until v1.15, from which on the CNINode says it.
//!
//! Not modelled: controllers before CNINode missed pods that were bound before the trunk was there until their
//! half-hourly resync. Only a provisioner that bound pods itself (Karpenter before v0.17) could bring that about:
//! kube-scheduler waits for the capacity.

use std::collections::{BTreeMap, BTreeSet};

use addressing::pod_eni::{Branches, POD_ENI, trunk};
use addressing::vpc_cni::{ASSIGN_MS, ATTACH_MS};
use catalog::{InstanceType, branch_interfaces};
use cluster::change::NodePatch;
use cluster::network::{Cni, EniCall, EniOutcome, VpcCniSettings};
use cluster::waiting::AddressShortage;
use cluster::{Change, Cluster, Node, NodeId, Timestamp};

use super::address_queue::AddressQueue;
use super::agenda::Agenda;
use super::room::Room;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};
use crate::needs::{aws, service_works};

/// The label of a node that has its trunk, before v1.15 of the CNI.
const TRUNK_ATTACHED: &str = "vpc.amazonaws.com/has-trunk-attached";

/// The VPC resource controller.
#[derive(Clone, Debug)]
pub struct BranchInterfaces {
    queue: AddressQueue,
    /// Calls in flight: by node, how many.
    in_flight: BTreeMap<NodeId, u32>,
    /// Nodes that a subnet refused.
    refused: BTreeSet<NodeId>,
    dirty: BTreeSet<NodeId>,
    agenda: Agenda,
    room: Room,
    adopted: bool,
}

impl Default for BranchInterfaces {
    fn default() -> BranchInterfaces {
        BranchInterfaces {
            queue: AddressQueue::for_branches(),
            in_flight: BTreeMap::new(),
            refused: BTreeSet::new(),
            dirty: BTreeSet::new(),
            agenda: Agenda::default(),
            room: Room::default(),
            adopted: false,
        }
    }
}

impl Actor for BranchInterfaces {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if settings(cluster).is_none() {
            return;
        }
        if !std::mem::replace(&mut self.adopted, true) {
            self.dirty.extend(cluster.live_nodes().map(|node| node.id));
        }
        self.queue.observe(change, cluster, &mut self.dirty);
        match change {
            Change::CniReady(node, true) | Change::NodeUpdated(node) => {
                self.dirty.insert(*node);
            }
            Change::EniCalled { node, call, outcome } => {
                if concerns_trunk(call, cluster.node(*node)) {
                    self.answered(*node, *outcome);
                }
                // A step of ipamd may have made room for the trunk.
                self.dirty.insert(*node);
            }
            Change::Fault(..) => self.dirty.extend(cluster.live_nodes().map(|node| node.id)),
            Change::NodeGone(node) => {
                self.in_flight.remove(node);
                self.refused.remove(node);
                self.dirty.remove(node);
                self.agenda.set(*node, None);
            }
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        let Some(settings) = settings(cluster) else { return };
        if self.room.has_grown(&cluster.subnets) {
            self.dirty.append(&mut self.refused);
        }
        self.dirty.extend(self.agenda.take_due(cluster.now));
        for id in std::mem::take(&mut self.dirty) {
            let node = cluster.node(id);
            if node.exists() && node.network.cni_ready {
                let instance_type = context.catalog.instance_type(&node.instance_type);
                self.tend(node, settings, instance_type, cluster, effects);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }
}

fn settings(cluster: &Cluster) -> Option<&VpcCniSettings> {
    match &cluster.declared.cni {
        Cni::VpcCni(settings) if settings.pod_eni => Some(settings),
        _ => None,
    }
}

/// Whether a call is one of this controller's: for the trunk or on it.
fn concerns_trunk(call: &EniCall, node: &Node) -> bool {
    match call {
        EniCall::Attach { trunk, .. } => *trunk,
        EniCall::Assign { interface, .. } | EniCall::Unassign { interface, .. } => {
            trunk(&node.network) == Some(*interface)
        }
        EniCall::Detach { .. } => false,
    }
}

impl BranchInterfaces {
    fn answered(&mut self, node: NodeId, outcome: EniOutcome) {
        if let Some(count) = self.in_flight.get_mut(&node) {
            *count = count.saturating_sub(1);
        }
        if let EniOutcome::Short(_) = outcome {
            self.refused.insert(node);
        }
    }

    fn tend(
        &mut self,
        node: &Node,
        settings: &VpcCniSettings,
        instance_type: Option<&InstanceType>,
        cluster: &Cluster,
        effects: &mut Effects,
    ) {
        let now = cluster.now;
        let in_flight = self.in_flight.get(&node.id).copied().unwrap_or(0);
        let limit = instance_type.map_or(0, |it| branch_interfaces::limit(it).count);
        let branches = Branches::of(&node.network, now);
        let acts = service_works(cluster, "ec2") && !self.refused.contains(&node.id);
        match trunk(&node.network) {
            None if in_flight == 0 && acts && takes_trunk(node, settings, instance_type) => {
                let subnet = node.network.subnet;
                let attach = EniCall::Attach { subnet, count: 0, prefixes: false, trunk: true };
                self.call(node.id, ATTACH_MS, attach, effects);
            }
            None => {}
            Some(trunk) => {
                announce(node, limit, labels_trunk(&cluster.declared.cni_version), effects);
                if acts {
                    let free = limit.saturating_sub(branches.total() + in_flight);
                    let wanted = self.queue.len(node.id).saturating_sub(branches.ready + in_flight).min(free);
                    for _ in 0..wanted {
                        let branch = EniCall::Assign { interface: trunk, count: 1, prefixes: false };
                        self.call(node.id, ASSIGN_MS, branch, effects);
                    }
                    // The highest unused slots go: only when none of them is meant for a pod.
                    if branches.deletable > 0 && branches.ready == 0 && wanted + in_flight == 0 {
                        let delete = EniCall::Unassign { interface: trunk, count: branches.deletable };
                        self.call(node.id, 0, delete, effects);
                    }
                }
            }
        }
        let why = || self.shortage(node, limit, branches, cluster);
        let why = why();
        self.queue.serve(node.id, branches.ready, cluster, || why.clone(), effects);
        let asks = self.queue.next_ask(node.id, now, now).filter(|_| branches.ready > 0);
        let deletes = Branches::next_deletable(&node.network, now);
        self.agenda.set(node.id, [asks, deletes].into_iter().flatten().min());
    }

    fn call(&mut self, node: NodeId, delay_ms: i64, call: EniCall, effects: &mut Effects) {
        *self.in_flight.entry(node).or_default() += 1;
        effects.after(delay_ms, Effect::CallEni(node, call));
    }

    fn shortage(&self, node: &Node, limit: u32, branches: Branches, cluster: &Cluster) -> AddressShortage {
        let busy = self.in_flight.get(&node.id).is_some_and(|count| *count > 0);
        if !busy && (trunk(&node.network).is_none() || branches.total() - branches.ready >= limit) {
            return AddressShortage::NoBranchInterface;
        }
        if !service_works(cluster, "ec2") {
            return AddressShortage::NoAllocator(aws("ec2"));
        }
        let subnet = node.network.subnet.and_then(|id| cluster.subnets.get(id.0 as usize));
        match (subnet, node.network.last_shortage) {
            (Some(subnet), Some((_, code))) if self.refused.contains(&node.id) => {
                AddressShortage::SubnetFull {
                    subnet: subnet.name.clone(),
                    code,
                    free: subnet.space.free,
                    free_prefixes: subnet.space.free_blocks,
                }
            }
            _ => AddressShortage::Transient,
        }
    }
}

/// A type that can, and an interface to spare; otherwise ipamd logs "No slot available for a trunk ENI".
fn takes_trunk(node: &Node, settings: &VpcCniSettings, instance_type: Option<&InstanceType>) -> bool {
    let Some(it) = instance_type.filter(|it| branch_interfaces::is_trunking_compatible(it)) else {
        return false;
    };
    let max = settings.max_eni.filter(|max| *max > 0).unwrap_or(u32::MAX).min(it.default_card_interfaces);
    node.network.interfaces.len() < max as usize
}

/// Whether this ipamd labels its node (`v1.14.1`); what cannot be read is taken for a recent one.
fn labels_trunk(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    matches!((parts.next(), parts.next()), (Some(1), Some(minor)) if minor < 15)
}

/// The node says how many branches it takes, and that its trunk is there.
fn announce(node: &Node, limit: u32, with_label: bool, effects: &mut Effects) {
    let attached = node.labels.get(TRUNK_ATTACHED).is_some_and(|value| value == "true");
    if (attached || !with_label) && node.capacity.get(POD_ENI) == i64::from(limit) {
        return;
    }
    let labels = with_label.then(|| (TRUNK_ATTACHED.into(), "true".into())).into_iter().collect();
    let extended = vec![(POD_ENI.into(), i64::from(limit))];
    effects.now(Effect::PatchNode(node.id, Box::new(NodePatch { labels, extended, ..NodePatch::default() })));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::cni_stage::{Stage, subnet, vpc_cni};
    use cluster::Waiting;

    fn stage() -> Stage {
        let settings = VpcCniSettings { pod_eni: true, ..vpc_cni() };
        Stage::new(Cni::VpcCni(settings), vec![subnet(0, "10.0.0.0/22")], &[])
    }

    #[test]
    fn a_trunk_costs_a_whole_interface() {
        let mut stage = stage();
        let node = stage.node("m5.large", 29);
        stage.settle();
        assert_eq!(stage.world.cluster.node(node).capacity.get(POD_ENI), 9);
        let ordinary = stage.pods(node, 20);
        let branch = stage.branch_pods(node, 3);
        stage.settle();
        assert_eq!((stage.addressed(&ordinary), stage.addressed(&branch)), (18, 3), "27 without the trunk");
        assert_eq!(stage.network(node).held(), 3 + 18 + 3);
        stage.delete(branch[0]);
        let before = stage.now().0;
        stage.run(before + 50_000);
        assert_eq!(stage.network(node).held(), 24, "kept for a minute");
        stage.settle();
        assert_eq!(stage.network(node).held(), 23);
    }

    #[test]
    fn older_agents_label_their_node() {
        for (version, labelled) in [("v1.14.1", true), ("v1.15.0", false), ("", false), ("latest", false)] {
            let mut stage = stage();
            std::sync::Arc::make_mut(&mut stage.world.cluster.declared).cni_version = version.into();
            let node = stage.node("m5.large", 29);
            stage.settle();
            let node = stage.world.cluster.node(node);
            assert_eq!(node.labels.contains_key(TRUNK_ATTACHED), labelled, "{version}");
            assert_eq!(node.capacity.get(POD_ENI), 9);
        }
    }

    #[test]
    fn burstable_types_take_no_branch() {
        let mut stage = stage();
        let node = stage.node("t3.large", 35);
        let branch = stage.branch_pods(node, 1);
        stage.settle();
        assert_eq!(stage.waits(branch[0]), Some(Waiting::NoAddress(AddressShortage::NoBranchInterface)));
        assert_eq!(stage.world.cluster.node(node).capacity.get(POD_ENI), 0);
        let ordinary = stage.pods(node, 33);
        stage.settle();
        assert_eq!(stage.addressed(&ordinary), 33, "no interface is kept free for a trunk that cannot come");
    }

    #[test]
    fn nine_branches_and_no_more() {
        let mut stage = stage();
        let node = stage.node("m5.large", 29);
        let branch = stage.branch_pods(node, 10);
        stage.settle();
        assert_eq!(stage.addressed(&branch), 9);
        assert_eq!(stage.waits(branch[9]), Some(Waiting::NoAddress(AddressShortage::NoBranchInterface)));
        stage.delete(branch[0]);
        stage.settle();
        assert_eq!(stage.addressed(&branch[1..]), 9);
    }
}
