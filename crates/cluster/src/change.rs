//! Facts: what has just become true. Everything that decides learns the world through these.

use crate::labels::Labels;
use crate::network::{EniCall, EniOutcome};
use crate::node_claim::{ClaimId, DriftReason, LaunchFailure, Launched, RefusedOffering};
use crate::node_pool::DisruptionReason;
use crate::pod::{PodId, Stage};
use crate::rejection::PoolRejection;
use crate::storage::VolumeClaimId;
use crate::waiting::Waiting;
use crate::{Name, NodeId, ObjectKey, Taint, Timestamp, WorkloadId};

/// A fact about the cluster. The [`crate::Cluster`] already contains it when it is observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A declared object is in the API now, or a scenario changed it. Workloads have [`Change::WorkloadArrived`].
    ObjectArrived(ObjectKey),
    /// A scenario deleted an object. Workloads have [`Change::WorkloadDeleted`].
    ObjectDeleted(ObjectKey),
    /// A workload is in the API now.
    WorkloadArrived(WorkloadId),
    /// A scenario changed a workload's shape or template (its `revision` went up for the latter).
    WorkloadChanged(WorkloadId),
    /// A workload is deleted.
    WorkloadDeleted(WorkloadId),
    /// The API server refused to create pods of a workload.
    PodRefused {
        /// Whose pods.
        workload: WorkloadId,
        /// Why.
        why: Refusal,
    },
    /// A pod exists.
    PodCreated(PodId),
    /// Somebody changed a pod's labels, annotations or resources.
    PodUpdated(PodId),
    /// A pod is bound to a node.
    PodBound(PodId, NodeId),
    /// Preemption reserved a node for a pod.
    PodNominated(PodId, NodeId),
    /// A pod's reserved node was given up ([`Change::PodNominated`] undone).
    NominationCleared(PodId),
    /// A pod waits, for a reason that is new or has changed.
    PodWaits(PodId, Box<Waiting>),
    /// A pod got an address.
    PodAddressed(PodId),
    /// A pod's stage is now this one: `Starting`, `Running`, `Ready`, `Succeeded`, `Failed`.
    PodStage(PodId, Stage),
    /// A pod's containers were restarted.
    PodRestarted(PodId),
    /// A pod was asked to go (by its owner, by eviction, by preemption for another).
    PodDeleting {
        /// Which.
        pod: PodId,
        /// On whose behalf.
        why: DeletionCause,
    },
    /// A pod is gone; its address and its room are free.
    PodGone(PodId),
    /// The provisioner could not plan for a pod.
    PodRefusedByPools(PodId, Vec<PoolRejection>),
    /// The provisioner expects a pod to land on this node or claim.
    PodExpected(PodId, ClaimOrNode),
    /// A node is in the API.
    NodeRegistered(NodeId),
    /// A node became Ready, or lost it.
    NodeReady(NodeId, bool),
    /// A node is not Ready, by its own words since this instant, which may be long past.
    NodeUnreadySince(NodeId, Timestamp),
    /// A node's taints, labels or `unschedulable` changed.
    NodeUpdated(NodeId),
    /// A node was asked to go.
    NodeDeleting(NodeId),
    /// A node is gone.
    NodeGone(NodeId),
    /// The CNI on a node wrote its configuration, or lost it.
    CniReady(NodeId, bool),
    /// A CNI's call to EC2 was answered.
    EniCalled {
        /// On which node.
        node: NodeId,
        /// What was asked.
        call: EniCall,
        /// The answer.
        outcome: EniOutcome,
    },
    /// A CSI driver registered on a node.
    DriverRegistered(NodeId, Name),
    /// A volume claim exists.
    VolumeClaimCreated(VolumeClaimId),
    /// The scheduler chose a node for a claim that waits for its first consumer.
    VolumeNodeSelected(VolumeClaimId, NodeId),
    /// A claim has a volume.
    VolumeBound(VolumeClaimId),
    /// A claim's volume is attached to a node.
    VolumeAttached(VolumeClaimId, NodeId),
    /// A claim's volume is detached from a node.
    VolumeDetached(VolumeClaimId, NodeId),
    /// A claim exists.
    ClaimCreated(ClaimId),
    /// The API server did not create a claim of this name.
    ClaimNotCreated(Name),
    /// EC2 launched a claim's instance.
    ClaimLaunched(ClaimId, Box<Launched>),
    /// On the way to the answer of a launch the cloud refused these.
    OfferingsRefused(Vec<RefusedOffering>),
    /// EC2 did not launch.
    ClaimFailed(ClaimId, LaunchFailure),
    /// A claim has no instance any more, as it was asked to.
    InstanceTerminated(ClaimId),
    /// A claim's node is initialized.
    ClaimInitialized(ClaimId),
    /// Somebody changed a claim's labels or annotations.
    ClaimUpdated(ClaimId),
    /// A claim has drifted, or has not any more.
    ClaimDrifted(ClaimId, Option<DriftReason>),
    /// A claim was asked to go.
    ClaimDeleting(ClaimId, Option<DisruptionReason>),
    /// A claim is gone.
    ClaimGone(ClaimId),
    /// A fault of the scenario began or ended.
    Fault(Fault, bool),
    /// A note for the timeline only: an actor could not act, and why.
    Blocked {
        /// Who.
        who: WorkloadId,
        /// What it waits for.
        needs: crate::capability::Capability,
    },
}

/// A claim in flight or a node that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ClaimOrNode {
    Claim(ClaimId),
    Node(NodeId),
}

/// Why the API server refused to create a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A webhook that fails closed did not answer.
    Webhook {
        /// The configuration.
        configuration: ObjectKey,
        /// `webhooks[].name`.
        webhook: Name,
        /// The Service without ready endpoints, as namespace and name.
        service: (Name, Name),
    },
    /// A check that looks at the pod alone refuses it.
    Check(Box<crate::admission::PodRefusal>),
    /// A quota is used up.
    Quota {
        /// The ResourceQuota.
        quota: ObjectKey,
        /// The resource.
        resource: Name,
        /// Its limit.
        hard: i64,
        /// What is used.
        used: i64,
        /// What the pod asks for.
        wanted: i64,
    },
    /// The pod's service account does not exist.
    ServiceAccountMissing(ObjectKey),
    /// The pod names a priority class that does not exist.
    PriorityClassMissing(Name),
    /// The namespace does not exist.
    NamespaceMissing(Name),
}

/// Why a pod is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum DeletionCause {
    /// Its owner: scaled down, rolled, finished, deleted.
    Owner,
    /// kube-scheduler made room for a pod of higher priority.
    Preempted {
        /// For which pod.
        by: PodId,
    },
    /// Evicted from a node that is drained.
    Drained,
    /// A `NoExecute` taint that it does not tolerate (long enough).
    Taint,
    /// Its node is gone.
    NodeLost,
    /// A scenario step.
    Scenario,
}

/// What a scenario can break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A zone has no capacity to launch.
    ZoneCapacity(Name),
    /// An AWS service answers with this error.
    Service {
        /// `ec2`, `sts`, …
        service: Name,
        /// The error code.
        code: Name,
    },
}

/// A node update as an effect. What is not named stays as it is: several writers change one node at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePatch {
    /// Taints to put on; one with the same key and effect is replaced.
    pub taints_on: Vec<Taint>,
    /// Taints to take off, by key and effect.
    pub taints_off: Vec<(Name, crate::Effect)>,
    /// Labels to add or change.
    pub labels: Labels,
    /// `spec.unschedulable`.
    pub unschedulable: Option<bool>,
    /// Extended resources to set, in capacity and allocatable.
    pub extended: Vec<(Name, i64)>,
}

impl NodePatch {
    /// Takes these taints off.
    pub fn without<'t>(taints: impl IntoIterator<Item = &'t Taint>) -> NodePatch {
        let taints_off = taints.into_iter().map(|taint| (taint.key.clone(), taint.effect)).collect();
        NodePatch { taints_off, ..NodePatch::default() }
    }

    /// Puts these taints on.
    pub fn with(taints: impl IntoIterator<Item = Taint>) -> NodePatch {
        NodePatch { taints_on: taints.into_iter().collect(), ..NodePatch::default() }
    }

    /// Brings a node's taints in line: off first, then on. A taint that is replaced keeps its place.
    pub fn change_taints(&self, taints: &mut Vec<Taint>) {
        let off = |taint: &Taint| {
            self.taints_off.iter().any(|(key, effect)| *key == taint.key && *effect == taint.effect)
        };
        taints.retain(|taint| !off(taint));
        for on in &self.taints_on {
            match taints.iter_mut().find(|taint| taint.key == on.key && taint.effect == on.effect) {
                Some(same) => *same = on.clone(),
                None => taints.push(on.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Effect;

    fn taint(key: &str, value: &str, effect: Effect) -> Taint {
        Taint { key: key.into(), value: value.into(), effect }
    }

    #[test]
    fn writers_of_taints_do_not_lose_each_others() {
        let (agent, starting) =
            (taint("agent-not-ready", "", Effect::NoExecute), taint("not-ready", "", Effect::NoSchedule));
        let mut taints = vec![agent.clone(), starting.clone(), taint("mine", "a", Effect::NoSchedule)];
        let (one, two) = (NodePatch::without([&agent]), NodePatch::without([&starting]));
        let three = NodePatch::with([taint("mine", "b", Effect::NoSchedule)]);
        [one, two, three].iter().for_each(|patch| patch.change_taints(&mut taints));
        assert_eq!(taints, [taint("mine", "b", Effect::NoSchedule)]);
        NodePatch::without([&taint("mine", "b", Effect::NoExecute)]).change_taints(&mut taints);
        assert_eq!(taints.len(), 1, "another effect is another taint");
    }
}
