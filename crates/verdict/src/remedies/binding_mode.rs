//! Volume binding: a class that binds at once may put the volume into a zone that the pod cannot go to.
//!
//! `volumeBindingMode` of a StorageClass cannot be changed (`k8s.io/kubernetes` `pkg/apis/storage/validation`): the
//! class is made anew, and so are the claims that it has bound.

use std::collections::BTreeSet;

use cluster::rejection::{FilterReason, PoolReason};
use cluster::template::PodVolume;
use cluster::{Name, Pod, Waiting};
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let stranded = case.waiting_pods().filter(|(pod, waiting)| is_kept_by_volume(case, pod, waiting));
    let classes: BTreeSet<Name> = stranded.flat_map(|(pod, _)| classes(case, pod)).collect();
    let immediate = case
        .declared
        .storage_classes
        .iter()
        .filter(|class| !class.wait_for_consumer && classes.contains(&class.name));
    immediate
        .map(|class| Remedy {
            id: "volume-binding",
            title: format!(
                "bind volumes of StorageClass {} where their pods are placed: WaitForFirstConsumer",
                class.name
            ),
            edits: vec![set(class.location.at("/volumeBindingMode"), json!("WaitForFirstConsumer"))],
            operation: Some(format!(
                "make StorageClass {} anew, and the claims that it has bound: the field cannot be changed",
                class.name
            )),
            cost: 1,
        })
        .collect()
}

fn is_kept_by_volume(case: &Case<'_>, pod: &Pod, waiting: &Waiting) -> bool {
    let Waiting::Unschedulable(rejection) = waiting else { return false };
    let by_node = rejection.reasons.iter().any(|reason| {
        matches!(reason.reason, FilterReason::VolumeNodeConflict | FilterReason::VolumeZoneConflict)
    });
    let refusal = case.told.run.cluster.refusals.get(&pod.id);
    by_node
        || refusal.is_some_and(|refusal| {
            refusal.pools.iter().any(|pool| matches!(pool.reason, PoolReason::VolumeTopology))
        })
}

/// The storage classes of a pod's claims.
fn classes(case: &Case<'_>, pod: &Pod) -> Vec<Name> {
    let run = &case.told.run.cluster;
    let default = || case.declared.default_storage_class().map(|class| class.name.clone());
    let of = |volume: &PodVolume| match volume {
        PodVolume::Claim(name) => run.volume_claim(&pod.namespace, name)?.storage_class.clone(),
        PodVolume::Template { storage_class, .. } => storage_class.clone().or_else(default),
    };
    pod.template.volumes.iter().filter_map(of).collect()
}
