//! `VolumeRestrictions`: a `ReadWriteOncePod` claim serves one pod at a time.
//!
//! Follows `plugins/volumerestrictions/volume_restrictions.go`. Inline in-tree disks (GCE PD, EBS, RBD, iSCSI),
//! removed from Kubernetes long ago in favour of claims, are not modelled.

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::volume_binding::{VolumePlan, uses};

/// `PreFilter`: without a pod that uses one of the claims the filter is skipped, and pods that nodes are reserved for
/// are not looked at.
pub(crate) fn skip_if_unused(index: &Placements, plan: &mut VolumePlan) {
    if !refuses(index, plan) {
        plan.exclusive.clear();
    }
}

/// Whether a pod that is placed uses one of the exclusive claims.
pub(crate) fn refuses(index: &Placements, plan: &VolumePlan) -> bool {
    plan.exclusive.iter().any(|claim| index.claim_users.get(claim).is_some_and(|users| *users > 0))
}

/// A queueing hint: a pod with one of the claims is gone, a claim came, or a node came.
pub(crate) fn may_help(waiter: &Waiter<'_>, event: &Event) -> bool {
    match event {
        Event::NodeAdded(_) => true,
        Event::ClaimChanged { claim, added: true } => uses(waiter, *claim, false),
        Event::PodDeleted { pod, class, .. } => {
            let gone = waiter.index.tenants.get(pod.0 as usize).and_then(Option::as_ref);
            waiter.index.classes[class.0 as usize].namespace == waiter.class().namespace
                && gone.is_some_and(|gone| {
                    let mine = crate::claim_names(waiter.template(), &waiter.cluster.pod(waiter.pod).name);
                    gone.claims.iter().any(|claim| !claim.1 && mine.contains(claim))
                })
        }
        _ => false,
    }
}
