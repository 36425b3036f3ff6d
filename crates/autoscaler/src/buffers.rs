//! Looking at CapacityBuffers: what they come to, which nodes keep room for them, and what is said of them.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/capacitybuffer/controller.go` and
//! `pkg/controllers/provisioning/provisioner.go` (`Reconcile`): a buffer is looked at when it, its status or its
//! template changes, and every 30 seconds, and each look asks for a plan. Here the look after 30 seconds is only taken
//! when something has changed since the last one, what a buffer refers to is looked at when it comes or changes; and a plan follows the deletion of a buffer, where Karpenter's next
//! plan may be long in coming. What is decided is `provisioning::buffers`'s to say.

use std::collections::BTreeSet;

use cluster::capacity_buffer::KIND;
use cluster::change::ClaimOrNode;
use cluster::{Change, Cluster, Timestamp};
use provisioning::buffers::{Hosted, status};

use crate::controller::{Autoscaler, matters};
use crate::effect::Effect;

/// Between two looks at a buffer to which nothing happens.
const LOOK_MS: i64 = 30_000;

/// What is remembered of buffers.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    looked: Option<Timestamp>,
    /// A buffer, its status or a template changed since.
    called: bool,
    /// Something changed since that a look every 30 seconds would find.
    stale: bool,
    /// There are buffers, and the gate is open.
    any: bool,
    hosts: BTreeSet<ClaimOrNode>,
}

impl Buffers {
    /// Nodes, and claims on their way, that the last plan had imagined pods on.
    pub fn hosts(&self) -> &BTreeSet<ClaimOrNode> {
        &self.hosts
    }

    /// Learns one change.
    pub fn observe(&mut self, change: &Change, cluster: &Cluster) {
        if !cluster.declared.karpenter.capacity_buffer {
            return;
        }
        self.called |= match change {
            Change::ObjectArrived(key) | Change::ObjectDeleted(key) => {
                let mut buffers = cluster.declared.capacity_buffers.iter();
                key.kind.as_str() == KIND || buffers.any(|buffer| buffer.is_made_from(key))
            }
            Change::BufferStatus(..) => true,
            _ => false,
        };
        self.any = !cluster.declared.capacity_buffers.is_empty();
        self.stale |= self.any && matters(change);
    }

    /// When to look again.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let next = self.looked.map(|at| at.after_ms(LOOK_MS));
        next.filter(|_| self.any && self.stale)
    }

    /// Whether a plan is made for their sake.
    pub fn are_planned_for(&self, cluster: &Cluster) -> bool {
        let gate = cluster.declared.karpenter.capacity_buffer;
        gate && (!cluster.declared.capacity_buffers.is_empty() || !self.hosts.is_empty())
    }

    /// A plan was made; true when others than before keep room.
    pub fn planned(&mut self, cluster: &Cluster, hosted: Hosted, effects: &mut Vec<Effect>) -> bool {
        if !cluster.declared.karpenter.capacity_buffer {
            return false;
        }
        let said = status::after_plan(cluster, &hosted).into_iter();
        effects.extend(said.map(|(key, status)| Effect::SayOfBuffer(key, Box::new(status))));
        let before = std::mem::replace(&mut self.hosts, hosted.on);
        self.hosts != before
    }
}

impl Autoscaler {
    /// Looks at every buffer when one of them changed, or when 30 seconds are over.
    pub(crate) fn look_at_buffers(&mut self, cluster: &Cluster, effects: &mut Vec<Effect>) {
        let (declared, now) = (&cluster.declared, cluster.now);
        if !declared.karpenter.capacity_buffer {
            return;
        }
        let first = self.buffers.looked.is_none() && !declared.capacity_buffers.is_empty();
        let due = self.buffers.wake_at().is_some_and(|at| at <= now);
        if !(first || due || self.buffers.called) {
            return;
        }
        (self.buffers.called, self.buffers.stale) = (false, false);
        self.buffers.looked = Some(now);
        for buffer in &declared.capacity_buffers {
            let status = status::resolved(cluster, buffer);
            if cluster.buffers.get(&buffer.key) != Some(&status) {
                effects.push(Effect::SayOfBuffer(buffer.key.clone(), Box::new(status)));
            }
        }
        if self.buffers.are_planned_for(cluster) {
            self.batch.open(now);
        }
        // What keeps room, and what waits for it, may have changed.
        self.disruption.changed = true;
    }
}
