//! Workloads whose pods the API server refuses for what they are: what ADM102 and ADM103 begin with.

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::change::Refusal;
use cluster::{Kind, ObjectKey, Workload};

use crate::code::Code;
use crate::finding::{Finding, Severity};
use crate::scene::Scene;

/// Fields shown of one refusal; the message names all.
const MAX_PLACES: usize = 6;

/// Refusals by these checks of workloads that lack pods for it.
pub(crate) fn by_checks<'a>(
    scene: &Scene<'a>,
    which: impl Fn(Refuser) -> bool,
) -> Vec<(&'a Workload, &'a PodRefusal)> {
    let declared = &scene.cluster.declared;
    let mut found = Vec::new();
    for (id, (_, refusal)) in &scene.cluster.creation_refusals {
        let workload = declared.workload(*id);
        if scene.cluster.deleted_workloads.contains(id) || !matches!(refusal, Refusal::Check(_)) {
            continue;
        }
        let all = declared.pod_refusals.get(&workload.key).into_iter().flatten();
        found.extend(all.filter(|refusal| which(refusal.by)).map(|refusal| (workload, refusal)));
    }
    found
}

/// A finding at the fields that are refused, with what the API server answers; `or` ends the help.
pub(crate) fn finding(
    code: Code,
    title: String,
    asks: &str,
    (workload, refusal): (&Workload, &PodRefusal),
    or: &str,
) -> Finding {
    let mut places = refusal.violations.iter().take(MAX_PLACES);
    let mut finding = Finding::new(code, Severity::Error, title);
    if let Some(Violation { location, what, .. }) = places.next() {
        finding = finding.at(location.clone(), what.as_str());
    }
    for Violation { location, what, .. } in places {
        finding = finding.also(location.clone(), what.as_str());
    }
    if let Some(object) = &refusal.object {
        finding = finding.also(object.clone(), asks);
    }
    let mut instead: Vec<&str> = Vec::new();
    for violation in &refusal.violations {
        if !instead.contains(&violation.instead.as_str()) {
            instead.push(&violation.instead);
        }
    }
    let mut finding =
        finding.note(answer(&workload.key, refusal)).help(format!("{}{or}", instead.join("; ")));
    finding.affects(workload.key.clone());
    finding
}

/// What a controller's event says, or what `kubectl apply` prints of a bare pod.
fn answer(key: &ObjectKey, refusal: &PodRefusal) -> String {
    let (who, made) = match key.kind {
        Kind::Pod => ("Error from server (Forbidden)", ""),
        _ => ("FailedCreate: Error creating", "-…"),
    };
    format!("{who}: pods \"{}{made}\" is forbidden: {}", key.name, refusal.message)
}
