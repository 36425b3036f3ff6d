//! Pod Security admission: which pods a namespace's `pod-security.kubernetes.io/enforce` label refuses.
//!
//! Follows `k8s.io/pod-security-admission` v0.36 `api/helpers.go` (labels), `policy/registry.go` (which checks, in
//! which order) and `admission/admission.go` (only pods are refused, never what makes them; `warn` and `audit` decide
//! nothing). The checks are in [`baseline`] and [`restricted`].
//!
//! The plugin exempts users, runtime classes and namespaces by a file of the API server. EKS and the other managed
//! clusters exempt nobody, so nobody is exempt here. Not modelled: versions before v1.19 read seccomp annotations,
//! which no server reads any more.

use std::collections::BTreeMap;

use cluster::admission::{PodRefusal, Refuser, Violation};
use cluster::{Declared, FieldPath, Kind, Labels, Location, Name, ObjectKey};
use k8s_openapi::api::core::v1::PodSpec;

use self::subject::{Found, Subject};
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::{code, reader, suggest};

mod baseline;
mod restricted;
mod subject;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const ENFORCE_VERSION: &str = "pod-security.kubernetes.io/enforce-version";
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// What a namespace enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Policy {
    restricted: bool,
    /// The minor version of the checks; `None` is the server's own.
    minor: Option<u32>,
    /// As the plugin prints it: `baseline:latest`.
    shown: String,
    label: Location,
}

/// A check of the plugin: the first minor version that has it, and what it finds.
type Check = (u32, fn(&Subject<'_>) -> Option<Found>);

/// Adds what the namespaces of the input refuse of the declared workloads.
pub(crate) fn refuse(objects: &[&Object], declared: &mut Declared, problems: &mut Problems) {
    let policies = policies(objects, problems);
    if policies.is_empty() {
        return;
    }
    let by_key: BTreeMap<&ObjectKey, &&Object> = objects.iter().map(|object| (&object.key, object)).collect();
    let minor = declared.profile.kubernetes.1;
    for workload in &declared.workloads {
        let Some(policy) = policies.get(&workload.key.namespace) else { continue };
        let Some(object) = by_key.get(&workload.key) else { continue };
        let path = template_path(&workload.key.kind);
        let Some(spec) = object.field(&path.child("spec").0).and_then(|spec| reader::read(spec).0.ok())
        else {
            continue;
        };
        let refusal = policy.refuses(&spec, &workload.template.annotations, minor, &|tail| {
            object.place.at(&path.join(tail).0)
        });
        if let Some(refusal) = refusal {
            declared.pod_refusals.entry(workload.key.clone()).or_default().push(refusal);
        }
    }
}

/// Where a kind keeps its pods' template.
pub(crate) fn template_path(kind: &Kind) -> FieldPath {
    FieldPath::of(match kind {
        Kind::Pod => "",
        Kind::CronJob => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    })
}

/// What namespaces enforce, but for `privileged`. A level or version that does not exist is refused when the namespace
/// is made; one that is there counts as `restricted`, and as the newest.
fn policies(objects: &[&Object], problems: &mut Problems) -> BTreeMap<Name, Policy> {
    let mut policies = BTreeMap::new();
    for object in objects.iter().filter(|object| object.key.kind == Kind::Namespace) {
        let Some(level) = object.labels.get(ENFORCE) else { continue };
        let mut reporter = Reporter::new(problems, object);
        let at = |label: &str| FieldPath::of("/metadata/labels").child(label);
        if !LEVELS.contains(&level.as_str()) {
            let message = format!("{ENFORCE}: {level:?} must be one of {}", LEVELS.join(", "));
            let help = suggest::did_you_mean(level, LEVELS);
            reporter.error(&at(ENFORCE), code::BAD_VALUE, message, help);
        }
        let version = object.labels.get(ENFORCE_VERSION).map_or("latest", Name::as_str);
        let minor = version.strip_prefix("v1.").and_then(|minor| minor.parse().ok());
        if minor.is_none() && version != "latest" {
            let message = format!("{ENFORCE_VERSION}: {version:?} must be \"latest\" or \"v1.x\"");
            reporter.error(&at(ENFORCE_VERSION), code::BAD_VALUE, message, "write latest");
        }
        if level != "privileged" {
            let version = minor.map_or_else(|| "latest".to_owned(), |minor| format!("v1.{minor}"));
            let restricted = level != "baseline";
            let level = if restricted { "restricted" } else { "baseline" };
            let (shown, label) = (format!("{level}:{version}"), object.place.at(&at(ENFORCE).0));
            policies.insert(object.key.name.clone(), Policy { restricted, minor, shown, label });
        }
    }
    policies
}

impl Policy {
    /// What the level finds in a pod, on a server of this minor version.
    fn refuses(
        &self,
        spec: &PodSpec,
        annotations: &Labels,
        server_minor: u32,
        place: &dyn Fn(&FieldPath) -> Location,
    ) -> Option<PodRefusal> {
        let minor = self.minor.unwrap_or(server_minor).min(server_minor);
        let subject = Subject::new(spec, annotations, minor);
        let checks = baseline::CHECKS.iter().filter(|(id, _)| !self.overridden(id, minor));
        let more = restricted::CHECKS.iter().filter(|_| self.restricted);
        let held = checks.chain(more).filter(|(_, (since, _))| *since <= minor);
        let found: Vec<Found> = held.filter_map(|(_, (_, check))| check(&subject)).collect();
        if found.is_empty() {
            return None;
        }
        let details: Vec<String> = found.iter().map(Found::shown).collect();
        let violations =
            found.into_iter().flat_map(|found| found.at).map(|(path, what, instead)| Violation {
                location: place(&FieldPath::of("/spec").join(&path)),
                what: what.into(),
                instead: instead.into(),
            });
        Some(PodRefusal {
            by: Refuser::PodSecurity,
            message: format!("violates PodSecurity {:?}: {}", self.shown, details.join(", ")).into(),
            object: Some(self.label.clone()),
            violations: violations.collect(),
        })
    }

    /// A check of `baseline` that a stricter one of `restricted` stands in for.
    fn overridden(&self, id: &str, minor: u32) -> bool {
        let since = match id {
            "capabilities_baseline" => 22,
            "hostPathVolumes" => 0,
            "procMount" => 35,
            "seccompProfile_baseline" => 19,
            _ => return false,
        };
        self.restricted && since <= minor
    }
}

#[cfg(test)]
mod tests;
