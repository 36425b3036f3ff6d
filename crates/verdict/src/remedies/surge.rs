//! Surge: a roll-out that finds no room for pods above its number replaces them in place.

use cluster::change::Refusal;
use cluster::pod::Stage;
use cluster::unmet::current_revision;
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

/// Deployments of which new pods find no room, or a quota refuses them, while an old one still runs.
fn stuck_roll_outs<'c>(case: &'c Case<'_>) -> Vec<&'c Workload> {
    let stuck = case.told.run.unmet.iter().map(cluster::Unmet::workload).filter(|id| is_stuck(case, *id));
    let surges = |workload: &&Workload| {
        matches!(workload.shape, Shape::Deployment { recreate: false, max_surge: 1.., .. })
            && workload.location.object.kind != Kind::Cluster
    };
    stuck.map(|id| case.declared.workload(id)).filter(surges).collect()
}

fn is_stuck(case: &Case<'_>, id: WorkloadId) -> bool {
    let run = &case.told.run.cluster;
    let current = current_revision(run, id);
    let own = || run.live_pods().filter(|pod| pod.workload == Some(id) && pod.deleted.is_none());
    let old_serves = own().any(|pod| Some(pod.revision) != current && pod.stage == Stage::Ready);
    let waits = |pod: &cluster::Pod| {
        matches!(pod.waiting, Some((_, Waiting::Unschedulable(_) | Waiting::NoAddress(_))))
    };
    let new_waits = || own().any(|pod| Some(pod.revision) == current && waits(pod));
    let refused = || matches!(run.creation_refusals.get(&id), Some((_, Refusal::Quota { .. })));
    old_serves && (new_waits() || refused())
}

fn in_place(workload: &Workload) -> [Edit; 1] {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
    [set(workload.location.at("/spec/strategy"), strategy)]
}
