//! `VolumeRestrictions`: a `ReadWriteOncePod` claim serves one pod at a time.
//!
//! Follows `plugins/volumerestrictions/volume_restrictions.go`. Inline in-tree disks (GCE PD, EBS, RBD, iSCSI),
//! removed from Kubernetes long ago in favour of claims, are not modelled.

use cluster::Name;

use crate::event::Event;
use crate::hints::Waiter;
use crate::placements::Placements;
use crate::plugins::volume_binding::uses;

/// The claims of a pod that only one pod may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusive {
    names: Vec<Name>,
    /// Claims that were in use when the attempt began, less the uses of claims of these names, in any namespace, then:
    /// upstream counts on from there when pods come and go for a try, and does not look at their namespace.
    offset: i64,
}

impl Exclusive {
    /// `PreFilter`: if no placed pod uses one of the claims, the filter is skipped, and pods that nodes are reserved for
    /// are not looked at.
    pub fn new(index: &Placements, namespace: &Name, mut names: Vec<Name>) -> Exclusive {
        names.sort();
        names.dedup();
        let in_use = |name: &&Name| {
            index.claim_users.get(&(namespace.clone(), (*name).clone())).is_some_and(|users| *users > 0)
        };
        let in_use = names.iter().filter(in_use).count();
        if in_use == 0 {
            return Exclusive::default();
        }
        let offset = i64::try_from(in_use).unwrap_or(i64::MAX).saturating_sub(uses_of(index, &names));
        Exclusive { names, offset }
    }

    /// Whether a placed pod uses one of the claims.
    pub fn refuses(&self, index: &Placements) -> bool {
        !self.names.is_empty() && uses_of(index, &self.names).saturating_add(self.offset) > 0
    }
}

/// How often placed pods use claims of these names.
fn uses_of(index: &Placements, names: &[Name]) -> i64 {
    let users = index.claim_users.iter().filter(|((_, name), _)| names.contains(name));
    users.map(|(_, users)| i64::from(*users)).sum()
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
