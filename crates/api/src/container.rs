//! Containers: images, requests and limits with their defaults, probes, what they refer to.
//!
//! Follows `kubernetes/kubernetes` v1.36 `pkg/apis/core/v1/defaults.go` and `pkg/apis/core/validation`.

use cluster::template::Container;
use cluster::{FieldPath, Kind, Name, ObjectKey};
use k8s_openapi::api::core::v1 as core;

use crate::admission::{Admission, Named};
use crate::amounts::{is_extended, named_amounts};
use crate::object::Place;
use crate::problem::Reporter;
use crate::requests::Part;
use crate::{amounts, code};

/// Where a container stands.
pub(crate) struct Surroundings<'a> {
    /// Makes locations.
    pub(crate) place: &'a Place,
    /// The pod's namespace.
    pub(crate) namespace: &'a Name,
    /// What admission knows.
    pub(crate) admission: &'a Admission,
    /// Init containers rather than ordinary ones.
    pub(crate) init: bool,
    /// Objects of a live dump were accepted already.
    pub(crate) live: bool,
}

/// Lowers the containers of one list; the parts are for the pod's sum.
pub(crate) fn containers(
    wires: &[core::Container],
    path: &FieldPath,
    around: &Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) -> (Vec<Container>, Vec<Part>) {
    let mut lowered = (Vec::with_capacity(wires.len()), Vec::with_capacity(wires.len()));
    for (index, wire) in wires.iter().enumerate() {
        let path = path.child(index);
        check(wire, wires, index, &path, around, reporter);
        let part = part(wire, &path, around, reporter);
        lowered.0.push(Container {
            name: wire.name.as_str().into(),
            image: wire.image.as_deref().unwrap_or_default().into(),
            requests: part.requests.resources(),
            zeros: part
                .requests
                .0
                .iter()
                .filter(|(_, amount)| **amount == 0)
                .map(|(name, _)| name.clone())
                .collect(),
            limits: part.limits.resources(),
            sidecar: part.sidecar,
            always_pull: always_pull(wire),
            location: around.place.at(&path.0),
        });
        lowered.1.push(part);
    }
    lowered
}

fn check(
    wire: &core::Container,
    all: &[core::Container],
    index: usize,
    path: &FieldPath,
    around: &Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) {
    if wire.name.is_empty() {
        reporter.error(
            &path.child("name"),
            code::MISSING_FIELD,
            format!("{}: required value", path.child("name")),
            "name the container",
        );
    }
    if all[..index].iter().any(|other| other.name == wire.name) {
        let at = path.child("name");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: duplicate value {:?}", wire.name),
            "give each container its own name",
        );
    }
    if wire.image.as_deref().unwrap_or_default().is_empty() && !around.live {
        reporter.error(
            &path.child("image"),
            code::MISSING_FIELD,
            format!("{}: required value", path.child("image")),
            "name the image",
        );
    }
    if let Some(policy) = wire
        .image_pull_policy
        .as_deref()
        .filter(|policy| !matches!(*policy, "" | "Always" | "Never" | "IfNotPresent"))
    {
        let at = path.child("imagePullPolicy");
        reporter.error(
            &at,
            code::BAD_VALUE,
            format!("{at}: {policy:?} is not one of Always, IfNotPresent, Never"),
            "",
        );
    }
    if !around.init
        && wire.restart_policy.is_some()
        && wire.restart_policy_rules.is_none()
        && wire.restart_policy.as_deref() == Some("Always")
    {
        let at = path.child("restartPolicy");
        reporter.note(
            &at,
            code::NOT_MODELLED,
            format!("{at}: per-container restart policies are read only for init containers"),
            "",
        );
    }
}

/// Requests and limits with the API server's defaults: requests from limits first, then the namespace's LimitRanges.
fn part(
    wire: &core::Container,
    path: &FieldPath,
    around: &Surroundings<'_>,
    reporter: &mut Reporter<'_>,
) -> Part {
    let resources = path.child("resources");
    let wire_resources = wire.resources.as_ref();
    let list = |limits: bool| {
        wire_resources.and_then(|r| if limits { r.limits.as_ref() } else { r.requests.as_ref() })
    };
    let mut limits = Named::new(named_amounts(list(true), &resources.child("limits"), reporter));
    let mut requests = Named::new(named_amounts(list(false), &resources.child("requests"), reporter));
    for (name, limit) in limits.0.clone() {
        requests.set_if_absent(&name, limit);
    }
    for (name, request) in &requests.0 {
        check_against_limit(name, *request, limits.get(name), &resources, reporter);
    }
    if !around.live {
        around.admission.default_container(around.namespace, &mut requests, &mut limits);
        let refusal = around.admission.limit_range_refusal(around.namespace, "Container", &requests, &limits);
        if let Some((message, range)) = refusal {
            reporter.refuse_by_limit_range(message, range, around.place.at(&resources.0));
        }
    }
    let sidecar = around.init && wire.restart_policy.as_deref() == Some("Always");
    Part { requests, limits, sidecar }
}

fn check_against_limit(
    name: &Name,
    request: i64,
    limit: Option<i64>,
    resources: &FieldPath,
    reporter: &mut Reporter<'_>,
) {
    let at = || resources.child("requests").child(name);
    let shown = |amount| cluster::resources::format_amount(name, amount);
    match limit {
        Some(limit) if is_extended(name) && request != limit => {
            let message =
                format!("{}: {} must be equal to {name} limit of {}", at(), shown(request), shown(limit));
            reporter.error(&at(), code::BAD_VALUE, message, "write the same amount twice, or the limit only");
        }
        Some(limit) if request > limit => {
            let message = format!(
                "{}: {} must be less than or equal to {name} limit of {}",
                at(),
                shown(request),
                shown(limit)
            );
            reporter.error(&at(), code::BAD_VALUE, message, "lower the request or raise the limit");
        }
        None if is_extended(name) => {
            let message = format!("{}: limit must be set for non overcommitable resources", at());
            reporter.error(&at(), code::BAD_VALUE, message, format!("write the limit of {name} too"));
        }
        _ => {}
    }
}

/// `imagePullPolicy`, by default `Always` for the tag `latest` or none.
fn always_pull(wire: &core::Container) -> bool {
    match wire.image_pull_policy.as_deref() {
        Some("") | None => {
            let (_, tag, digest) = crate::role::split_image(wire.image.as_deref().unwrap_or_default());
            !digest && matches!(tag, "" | "latest")
        }
        Some(policy) => policy == "Always",
    }
}

/// Milliseconds from the container's start to its first passed readiness probe, all probes answering at once: the
/// start-up probe's delay holds back the readiness probe, whose own delay counts from the start as well.
pub(crate) fn ready_delay_ms(wire: &core::Container) -> i64 {
    let delay = |probe: Option<&core::Probe>| {
        i64::from(probe.and_then(|probe| probe.initial_delay_seconds).unwrap_or(0))
    };
    let successes = wire.readiness_probe.as_ref().map_or(0, |probe| {
        let more = i64::from(probe.success_threshold.unwrap_or(1)).saturating_sub(1).max(0);
        more.saturating_mul(i64::from(probe.period_seconds.filter(|period| *period > 0).unwrap_or(10)))
    });
    let first = delay(wire.startup_probe.as_ref()).max(delay(wire.readiness_probe.as_ref()));
    first.saturating_add(successes).max(0).saturating_mul(1000)
}

/// ConfigMaps and Secrets without which the container does not start.
pub(crate) fn needed_objects(wire: &core::Container, namespace: &Name, needed: &mut Vec<ObjectKey>) {
    let mut need = |kind: Kind, name: &str, optional: Option<bool>| {
        if optional != Some(true) && !name.is_empty() {
            needed.push(ObjectKey::new(kind, namespace.clone(), name));
        }
    };
    for source in wire.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
        if let Some(reference) = &source.config_map_key_ref {
            need(Kind::ConfigMap, &reference.name, reference.optional);
        }
        if let Some(reference) = &source.secret_key_ref {
            need(Kind::Secret, &reference.name, reference.optional);
        }
    }
    for source in wire.env_from.iter().flatten() {
        if let Some(reference) = &source.config_map_ref {
            need(Kind::ConfigMap, &reference.name, reference.optional);
        }
        if let Some(reference) = &source.secret_ref {
            need(Kind::Secret, &reference.name, reference.optional);
        }
    }
}

/// `spec.overhead` and `spec.resources` of the pod, as named amounts.
pub(crate) fn named(
    list: Option<&amounts::WireList>,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Named {
    Named::new(named_amounts(list, path, reporter))
}
