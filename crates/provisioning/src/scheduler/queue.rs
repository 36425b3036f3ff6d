//! The pods to place, in Karpenter's order.
//!
//! Follows `sigs.k8s.io/karpenter` v1.14.1 `pkg/controllers/provisioning/scheduling/queue.go` and
//! `pkg/controllers/provisioning/provisioner.go` (`Validate`). Only what is known before any pod is placed.

use cluster::rejection::PoolReason;
use cluster::{PodId, PodTemplate, Resources};

use crate::class::{ClassId, Classes, Constraints};
use crate::input::{Input, Policy};
use crate::plimsoll::addresses::{self, ADDRESSES};
use crate::sets::Sets;
use crate::volumes::{Attached, VolumeIndex};

/// A pod in the queue.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) pod: PodId,
    pub(super) class: ClassId,
    pub(super) attached: Attached,
    pub(super) pushed_at_len: usize,
}

/// The pods to place, largest first, and those that Karpenter does not plan for because of their volumes.
pub(super) fn queue(
    input: &Input<'_>,
    volumes: &VolumeIndex<'_>,
    classes: &mut Classes,
    sets: &mut Sets,
) -> (Vec<Waiting>, Vec<(PodId, PoolReason)>) {
    let ignore_preferences = input.cluster.declared.karpenter.ignore_preferences;
    let (mut queue, mut unplannable) = (Vec::new(), Vec::new());
    for &id in input.pods {
        let pod = input.cluster.pod(id);
        let pending = pod.node.is_none();
        // `IGNORE_DRA_REQUESTS`, which is on: such pods are not planned for.
        if pending && !pod.template.device_claims.is_empty() {
            unplannable.push((id, PoolReason::DeviceClaims));
            continue;
        }
        let alternatives = volumes.alternatives(input.cluster, pod, pending);
        if alternatives.is_none() && pending {
            unplannable.push((id, PoolReason::VolumeTopology));
            continue;
        }
        let untracked = alternatives.is_none();
        let mut constraints = Constraints::of(pod, alternatives.unwrap_or_default(), ignore_preferences);
        constraints.untracked = untracked;
        if matches!(input.policy, Policy::Plimsoll(_)) {
            ask_for_address(&mut constraints.requests, &pod.template);
        }
        let class = classes.intern(constraints, sets);
        let attached = volumes.attached(input.cluster, pod);
        queue.push(Waiting { pod: id, class, attached, pushed_at_len: 0 });
    }
    queue.sort_by_key(|waiting| {
        let pod = input.cluster.pod(waiting.pod);
        let requests = &pod.template.requests;
        // Creation times have a resolution of one second.
        (-requests.cpu_millis, -requests.memory_bytes, pod.created.0.div_euclid(1000), waiting.pod)
    });
    (queue, unplannable)
}

pub(super) fn ask_for_address(requests: &mut Resources, template: &PodTemplate) {
    if addresses::wants_address(template) {
        requests.set(ADDRESSES, 1);
    }
}
