//! Pods that the API server refuses to create: in one sentence, and for what they are, which ADM102 and ADM103 begin
//! with.

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::change::Refusal;
use cluster::resources::format_amount;
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

/// `pods of Deployment apps/web are refused`, and of a bare pod `Pod apps/one is refused`.
pub(crate) fn subject(key: &ObjectKey) -> String {
    match key.kind {
        Kind::Pod => format!("{key} is refused"),
        _ => format!("pods of {key} are refused"),
    }
}

/// What a controller's event says, or what `kubectl apply` prints of a bare pod.
fn answer(key: &ObjectKey, refusal: &PodRefusal) -> String {
    let (who, made) = match key.kind {
        Kind::Pod => ("Error from server (Forbidden)", ""),
        _ => ("FailedCreate: Error creating", "-…"),
    };
    format!("{who}: pods \"{}{made}\" is forbidden: {}", key.name, refusal.message)
}

/// Why, in one sentence.
pub(crate) fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Webhook { configuration, webhook, service: (namespace, name) } => {
            format!(
                "webhook {webhook} of {configuration} fails closed and Service {namespace}/{name} has no ready pod"
            )
        }
        Refusal::Check(refusal) => refusal.message.to_string(),
        Refusal::Quota { quota, resource, hard, used, wanted } => format!(
            "{quota} allows {resource} {}, {} used, {} wanted",
            format_amount(resource, *hard),
            format_amount(resource, *used),
            format_amount(resource, *wanted)
        ),
        Refusal::ServiceAccountMissing(key) => format!("{key} does not exist"),
        Refusal::PriorityClassMissing(name) => format!("PriorityClass {name} does not exist"),
        Refusal::NamespaceMissing(name) => format!("namespace {name} does not exist"),
    }
}
