//! Cilium in ENI mode: the operator allocates, agents assign.
//!
//! Followed: cilium/cilium v1.18 `pkg/ipam/node_manager.go`, `pkg/ipam/node.go` (`maintainIPPool`), `pkg/ipam/crd.go`
//! (an agent does not start before its minimum pool is there, and asks for its router and health addresses first),
//! `operator/cmd`. The decisions are [`addressing::cilium`]'s; the state of one node is in [`node`], the taint of
//! nodes whose agent is not ready in [`taint`]. The operator makes a node's pass a second after a change; once the
//! agent runs, its reports are at least 15 s apart, and so are the passes. A node that the subnets refused is looked
//! at again once one of them has more room.
//!
//! Not modelled: API rate limits, `use-primary-address`, the operator's own tainting of nodes.

pub mod node;
pub mod taint;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cluster::capability::Capability;
use cluster::network::{CiliumEniSettings, Cni};
use cluster::role::Program;
use cluster::{Change, Cluster, Node, NodeId, PodId, Timestamp};

use self::node::{CiliumNode, Turn};
use super::address_queue::AddressQueue;
use super::agenda::Agenda;
use super::cni::{is_declared, runs};
use super::daemons::Daemons;
use super::fargate::is_fargate;
use super::room::Room;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};
use crate::needs::{aws, missing_need, service_works};

/// The operator and all agents.
#[derive(Clone, Debug)]
pub struct CiliumEni {
    agents: Daemons,
    operators: BTreeSet<PodId>,
    queue: AddressQueue,
    nodes: BTreeMap<NodeId, CiliumNode>,
    refused: BTreeSet<NodeId>,
    dirty: BTreeSet<NodeId>,
    agenda: Agenda,
    room: Room,
    /// What the operator lacks, as last seen.
    missing: Option<Capability>,
    /// Something happened that may change what the operator lacks.
    look_again: bool,
    adopted: bool,
}

impl Default for CiliumEni {
    fn default() -> CiliumEni {
        CiliumEni {
            agents: Daemons::of(Program::CiliumAgent),
            operators: BTreeSet::new(),
            queue: AddressQueue::default(),
            nodes: BTreeMap::new(),
            refused: BTreeSet::new(),
            dirty: BTreeSet::new(),
            agenda: Agenda::default(),
            room: Room::default(),
            missing: None,
            look_again: true,
            adopted: false,
        }
    }
}

impl Actor for CiliumEni {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if !std::mem::replace(&mut self.adopted, true) {
            self.dirty.extend(cluster.live_nodes().map(|node| node.id));
            let operators =
                cluster.pods.iter().filter(|pod| pod.template.role.program == Program::CiliumOperator);
            self.operators.extend(operators.map(|pod| pod.id));
        }
        self.agents.observe(change, cluster, &mut self.dirty);
        self.queue.observe(change, cluster, &mut self.dirty);
        match change {
            Change::PodCreated(pod) if cluster.pod(*pod).template.role.program == Program::CiliumOperator => {
                self.operators.insert(*pod);
            }
            Change::PodStage(pod, _) | Change::PodGone(pod) => {
                self.look_again |= self.may_serve_operator(*pod, cluster);
                self.dirty.extend(cluster.pod(*pod).node);
            }
            Change::PodRestarted(pod) | Change::PodWaits(pod, _) => {
                self.look_again |= self.operators.contains(pod);
            }
            Change::Fault(..) => self.look_again = true,
            Change::NodeRegistered(node) | Change::NodeUpdated(node) | Change::CniReady(node, _) => {
                self.dirty.insert(*node);
            }
            Change::EniCalled { node, call, outcome } => {
                if let Some(state) = self.nodes.get_mut(node) {
                    state.answered(call, *outcome, cluster.now);
                }
                self.dirty.insert(*node);
            }
            Change::NodeGone(node) => self.forget(*node),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        let Cni::CiliumEni(settings) = &cluster.declared.cni else { return };
        if self.room.has_grown(&cluster.subnets) {
            for node in std::mem::take(&mut self.refused) {
                if let Some(state) = self.nodes.get_mut(&node) {
                    state.try_again();
                    self.dirty.insert(node);
                }
            }
        }
        if std::mem::take(&mut self.look_again) {
            self.look_at_operator(cluster, effects);
        }
        self.dirty.extend(self.agenda.take_due(cluster.now));
        for id in std::mem::take(&mut self.dirty) {
            let node = cluster.node(id);
            if node.exists() {
                let at = self.tend(node, settings, context, effects);
                self.agenda.set(id, at);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }
}

impl CiliumEni {
    fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
        self.refused.remove(&node);
        self.dirty.remove(&node);
        self.agenda.set(node, None);
    }

    /// Whether a pod can change what the operator lacks: an operator, cluster DNS, or one on an operator's node
    /// (which may be a DNS cache).
    fn may_serve_operator(&self, pod: PodId, cluster: &Cluster) -> bool {
        let changed = cluster.pod(pod);
        changed.template.role.program == Program::ClusterDns
            || self.operators.iter().any(|operator| {
                *operator == pod || changed.node.is_some() && cluster.pod(*operator).node == changed.node
            })
    }

    /// What the operator lacks to allocate; said once when it changes, and then every node is looked at.
    fn look_at_operator(&mut self, cluster: &Cluster, effects: &mut Effects) {
        let missing = self.operator_lacks(cluster);
        if missing == self.missing {
            return;
        }
        let workload = self.operators.iter().find_map(|pod| cluster.pod(*pod).workload);
        if let Some(workload) = workload {
            // An operator that does not run at all says nothing.
            let said = missing.clone().filter(|missing| *missing != Capability::AddressAllocation);
            effects.now(Effect::Block(workload, said));
        }
        self.missing = missing;
        self.dirty.extend(cluster.live_nodes().map(|node| node.id));
    }

    /// The first operator that runs and lacks nothing is enough (they elect a leader). An input with neither operator
    /// nor agent says nothing about them; then only EC2 has to answer.
    fn operator_lacks(&self, cluster: &Cluster) -> Option<Capability> {
        let assumed = !is_declared(cluster, Program::CiliumOperator) && !self.agents.is_declared();
        if assumed && self.operators.is_empty() {
            return (!service_works(cluster, "ec2")).then(|| aws("ec2"));
        }
        let running = self.operators.iter().filter(|pod| runs(cluster.pod(**pod)));
        let mut lacks = running.map(|pod| missing_need(cluster, *pod));
        let Some(first) = lacks.next() else { return Some(Capability::AddressAllocation) };
        if first.is_none() || lacks.any(|lack| lack.is_none()) { None } else { first }
    }

    /// Does what is due on a node; when to look again.
    fn tend(
        &mut self,
        node: &Node,
        settings: &CiliumEniSettings,
        context: Context<'_>,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        let cluster = context.cluster;
        if is_fargate(node) {
            if !node.network.cni_ready {
                effects.now(Effect::CniReady(node.id, true));
            }
            return None;
        }
        let agent = self.agents.since(node.id, cluster);
        let instance_type = context.catalog.instance_type(&node.instance_type);
        let turn = Turn {
            cluster,
            node,
            operator: addressing::cilium::Operator::of(node, instance_type, settings),
            pending: self.queue.len(node.id),
            allocates: self.missing.is_none(),
        };
        let state = self.nodes.entry(node.id).or_default();
        let next = state.advance(&turn, agent, effects);
        if state.is_refused() {
            self.refused.insert(node.id);
        }
        if !node.network.cni_ready {
            return next;
        }
        let available = if agent.is_some() { addressing::assignable(&node.network, cluster.now) } else { 0 };
        let missing =
            if agent.is_none() { Some(Capability::AddressAllocation) } else { self.missing.clone() };
        let why = || addressing::classify(cluster, node, instance_type, missing.clone());
        self.queue.serve(node.id, available, cluster, why, effects);
        let asks = self.queue.next_ask(node.id, cluster.now, cluster.now).filter(|_| available > 0);
        [next, asks].into_iter().flatten().min()
    }
}
