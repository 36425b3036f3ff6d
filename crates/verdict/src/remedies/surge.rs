//! Surge: a roll-out that finds no room for pods above its number replaces them in place.

use std::collections::BTreeMap;

use cluster::workload::Shape;
use cluster::{Kind, Waiting, Workload, WorkloadId};
use serde_json::json;
use sources::Edit;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let stuck = stuck_roll_outs(case);
    let edits: Vec<Edit> = stuck.iter().flat_map(|workload| in_place(workload)).collect();
    let title = match stuck.as_slice() {
        [] => return Vec::new(),
        [only] => format!("replace pods of {} in place: maxSurge 0, maxUnavailable 1", only.key),
        several => format!(
            "replace pods of {} Deployments in place: maxSurge 0, maxUnavailable 1 ({} and others)",
            several.len(),
            several[0].key.name
        ),
    };
    vec![Remedy { id: "surge", title, edits, operation: None, cost: 1 }]
}

/// Deployments of which a new pod waits for a place while an old one still runs.
fn stuck_roll_outs<'c>(case: &'c Case<'_>) -> Vec<&'c Workload> {
    let mut revisions: BTreeMap<WorkloadId, (Option<u32>, Option<u32>)> = BTreeMap::new();
    for pod in case.told.run.cluster.live_pods().filter(|pod| pod.deleted.is_none()) {
        let Some(workload) = pod.workload else { continue };
        let seen = revisions.entry(workload).or_default();
        let waits = matches!(pod.waiting, Some((_, Waiting::Unschedulable(_) | Waiting::NoAddress(_))));
        if waits {
            seen.0 = seen.0.max(Some(pod.revision));
        } else if pod.stage == cluster::pod::Stage::Ready {
            seen.1 = Some(seen.1.map_or(pod.revision, |known| known.min(pod.revision)));
        }
    }
    let rolling = revisions.into_iter().filter(|(_, (new, old))| new.is_some() && old.is_some() && old < new);
    let workloads = rolling.map(|(id, _)| case.declared.workload(id));
    let surges = |workload: &&Workload| {
        matches!(workload.shape, Shape::Deployment { recreate: false, max_surge: 1.., .. })
            && workload.location.object.kind != Kind::Cluster
    };
    workloads.filter(surges).collect()
}

fn in_place(workload: &Workload) -> [Edit; 1] {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
    [set(workload.location.at("/spec/strategy"), strategy)]
}
