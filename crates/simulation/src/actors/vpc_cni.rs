//! amazon-vpc-cni-k8s: ipamd on every node.
//!
//! Followed: aws/amazon-vpc-cni-k8s v1.23.1 `pkg/ipamd/ipamd.go` (`nodeInit`, `StartNodeIPPoolManager`) and
//! `scripts/entrypoint.sh`. The decisions are [`addressing::vpc_cni`]'s; here is when they are made, in
//! [`pool_loop`]. The pool loop looks every 5 s; here a node is looked at only at those instants of the grid at which
//! a step would do something. After a refusal by the subnets it is looked at again once one of them has more room.
//!
//! Not modelled: `AWS_MANAGE_ENIS_NON_SCHEDULABLE`, reconciliation with EC2, leaked interfaces, throttling.

pub mod pool_loop;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use cluster::capability::Capability;
use cluster::network::{Cni, VpcCniSettings};
use cluster::role::Program;
use cluster::{Change, Cluster, Node, NodeId, Timestamp};

use self::pool_loop::{NodePool, Turn};
use super::address_queue::AddressQueue;
use super::agenda::Agenda;
use super::daemons::Daemons;
use super::fargate::is_fargate;
use super::room::Room;
use crate::actor::{Actor, Context};
use crate::effect::{Effect, Effects};
use crate::needs::{aws, service_works};

/// ipamd of all nodes.
#[derive(Clone, Debug)]
pub struct VpcCni {
    daemons: Daemons,
    queue: AddressQueue,
    pools: BTreeMap<NodeId, NodePool>,
    /// Nodes that the subnets refused: looked at again when there is more room.
    refused: BTreeSet<NodeId>,
    dirty: BTreeSet<NodeId>,
    agenda: Agenda,
    room: Room,
    blocked: bool,
    adopted: bool,
}

impl Default for VpcCni {
    fn default() -> VpcCni {
        VpcCni {
            daemons: Daemons::of(Program::VpcCni),
            queue: AddressQueue::default(),
            pools: BTreeMap::new(),
            refused: BTreeSet::new(),
            dirty: BTreeSet::new(),
            agenda: Agenda::default(),
            room: Room::default(),
            blocked: false,
            adopted: false,
        }
    }
}

impl Actor for VpcCni {
    fn observe(&mut self, change: &Change, context: Context<'_>) {
        let cluster = context.cluster;
        if !std::mem::replace(&mut self.adopted, true) {
            self.dirty.extend(cluster.live_nodes().map(|node| node.id));
        }
        self.daemons.observe(change, cluster, &mut self.dirty);
        self.queue.observe(change, cluster, &mut self.dirty);
        match change {
            Change::NodeRegistered(node) | Change::NodeUpdated(node) | Change::CniReady(node, _) => {
                self.dirty.insert(*node);
            }
            Change::PodGone(pod) | Change::PodStage(pod, _) => self.dirty.extend(cluster.pod(*pod).node),
            Change::EniCalled { node, call, outcome } => {
                if let Some(pool) = self.pools.get_mut(node) {
                    pool.answered(call, *outcome);
                }
                self.dirty.insert(*node);
            }
            Change::Fault(..) => self.dirty.extend(cluster.live_nodes().map(|node| node.id)),
            Change::NodeGone(node) => self.forget(*node),
            _ => {}
        }
    }

    fn decide(&mut self, context: Context<'_>, effects: &mut Effects) {
        let cluster = context.cluster;
        let Cni::VpcCni(settings) = &cluster.declared.cni else { return };
        if self.room.has_grown(&cluster.subnets) {
            for node in std::mem::take(&mut self.refused) {
                if let Some(pool) = self.pools.get_mut(&node) {
                    pool.try_again();
                    self.dirty.insert(node);
                }
            }
        }
        self.dirty.extend(self.agenda.take_due(cluster.now));
        if self.dirty.is_empty() {
            return;
        }
        let missing = (!service_works(cluster, "ec2")).then(|| aws("ec2"));
        self.note_block(missing.as_ref(), effects);
        for id in std::mem::take(&mut self.dirty) {
            let node = cluster.node(id);
            if node.exists() {
                let at = self.tend(node, settings, missing.clone(), context, effects);
                self.agenda.set(id, at);
            }
        }
    }

    fn wake_at(&self) -> Option<Timestamp> {
        self.agenda.next()
    }
}

impl VpcCni {
    fn forget(&mut self, node: NodeId) {
        self.pools.remove(&node);
        self.refused.remove(&node);
        self.dirty.remove(&node);
        self.agenda.set(node, None);
    }

    /// ipamd runs and cannot reach EC2: said once for the whole DaemonSet.
    fn note_block(&mut self, missing: Option<&Capability>, effects: &mut Effects) {
        if let Some(workload) = self.daemons.workload
            && self.blocked != missing.is_some()
        {
            self.blocked = missing.is_some();
            effects.now(Effect::Block(workload, missing.cloned()));
        }
    }

    /// Does what is due on a node; when to look again.
    fn tend(
        &mut self,
        node: &Node,
        settings: &VpcCniSettings,
        missing: Option<Capability>,
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
        let running = self.daemons.since(node.id, cluster);
        let instance_type = context.catalog.instance_type(&node.instance_type);
        let mut next = None;
        if let Some(since) = running {
            let turn = Turn::new(cluster, node, settings, instance_type, missing.is_none());
            let pool = self.pools.entry(node.id).or_default();
            next = pool.advance(&turn, since, effects);
            if pool.is_refused() {
                self.refused.insert(node.id);
            }
        }
        if !node.network.cni_ready {
            return next;
        }
        let missing = if running.is_none() { Some(Capability::AddressAllocation) } else { missing };
        let available =
            if running.is_some() { addressing::assignable(&node.network, cluster.now) } else { 0 };
        let why = || addressing::classify(cluster, node, instance_type, missing.clone());
        self.queue.serve(node.id, available, cluster, why, effects);
        let asks = running.and_then(|_| self.next_ask(node, available, cluster));
        [next, asks].into_iter().flatten().min()
    }

    /// When a waiting pod finds an address: at its next try, once one is free or has cooled down.
    fn next_ask(&self, node: &Node, available: u32, cluster: &Cluster) -> Option<Timestamp> {
        let now = cluster.now;
        let from = if available > 0 { Some(now) } else { addressing::next_cooled(&node.network, now) };
        self.queue.next_ask(node.id, from?, now)
    }
}
