//! `kind: Scenario`: what changes over virtual time, and what is expected. Steps are plain values; nothing is
//! carried out here.

pub(crate) mod wire;

use cluster::{FieldPath, Kind, Location, Name, ObjectKey, Timestamp};
use serde_json::Value;
use std::sync::Arc;

use crate::decode::{Strictness, decode};
use crate::object::Object;
use crate::problem::Reporter;
use crate::suggest::did_you_mean;
use crate::{code, duration};
use wire::{WireExpectation, WireScenario, WireStep, WireTarget};

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// `metadata.name`.
    pub name: Name,
    /// Where it is written.
    pub location: Location,
    /// Steps by time; equal times in the order written.
    pub steps: Vec<Step>,
    /// What must be true; makes the scenario a test.
    pub expect: Vec<Expectation>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Where it is written.
    pub location: Location,
    /// What happens.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Objects are applied: files to be read beside the scenario, and objects written in it.
    Apply {
        /// Paths, relative to the scenario's file.
        files: Vec<Name>,
        /// Inline objects.
        objects: Vec<Arc<Value>>,
    },
    /// An object is changed by a JSON merge patch (RFC 7386).
    Patch {
        /// Which object.
        target: ObjectKey,
        /// The patch.
        merge: Arc<Value>,
    },
    /// An object is deleted.
    Delete {
        /// Which object.
        target: ObjectKey,
        /// `force`: without a grace period, and without waiting for the kubelet.
        force: bool,
    },
    /// A node's kubelet stops or starts to report ready.
    Node {
        /// The node.
        name: Name,
        /// Whether it is ready from now on.
        ready: bool,
        /// For how long, in milliseconds; `None` is for good.
        for_ms: Option<i64>,
    },
    /// A zone has no capacity to launch, or has it again.
    Zone {
        /// The zone.
        name: Name,
        /// `capacity: none` is false, `capacity: normal` is true.
        capacity: bool,
        /// For how long, in milliseconds; `None` is for good.
        for_ms: Option<i64>,
    },
    /// An AWS service answers with an error.
    Api {
        /// `ec2`, `sts`, …
        service: Name,
        /// The error code.
        errors: Name,
        /// For how long, in milliseconds; `None` is for good.
        for_ms: Option<i64>,
    },
    /// A workload's pods are replaced (`kubectl rollout restart`).
    Restart {
        /// Which workload.
        target: ObjectKey,
    },
}

/// Something that must be true.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Where it is written.
    pub location: Location,
    /// `at` and `by`: it must have come about by then, and still be so. None of both: at the end.
    pub when: When,
    /// What.
    pub what: Expected,
}

/// When an expectation is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this instant (`at`).
    At(Timestamp),
    /// At this instant, at the latest (`by`).
    By(Timestamp),
    /// When the run ends.
    End,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The verdict: `converges`, `deadlock`, `starvation`, `misconfiguration`, `inconclusive`.
    Verdict(Name),
    /// A workload has so many running pods.
    Running {
        /// Which workload.
        target: ObjectKey,
        /// At least so many.
        at_least: u32,
        /// At most so many.
        at_most: Option<u32>,
    },
    /// So many nodes of a NodePool are in the API.
    Nodes {
        /// The NodePool.
        node_pool: Name,
        /// At least so many.
        at_least: u32,
        /// At most so many.
        at_most: Option<u32>,
    },
}

/// The code of a problem with a step that can be read and not carried out.
pub const IMPOSSIBLE_STEP: &str = code::IMPOSSIBLE_STEP;

/// Verdicts that can be expected.
pub const VERDICTS: [&str; 5] = ["converges", "deadlock", "starvation", "misconfiguration", "inconclusive"];

/// Reads a scenario document.
pub(crate) fn scenario(object: &Object, reporter: &mut Reporter<'_>) -> Option<Scenario> {
    let wire: WireScenario = decode(object, Strictness::Refuse, reporter)?;
    let steps = steps(&wire.spec.steps, &FieldPath::of("/spec/steps"), object, reporter);
    let path = FieldPath::of("/spec/expect");
    let mut expect = Vec::new();
    for (index, wire) in wire.spec.expect.iter().enumerate() {
        expect.extend(expectation(wire, &path.child(index), object, reporter));
    }
    let scenario = Scenario { name: object.key.name.clone(), location: object.place.at(""), steps, expect };
    (!reporter.refused).then_some(scenario)
}

/// Reads steps (of a scenario, or the profile's `faults`), in time order.
pub(crate) fn steps(
    wires: &[WireStep],
    path: &FieldPath,
    object: &Object,
    reporter: &mut Reporter<'_>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, wire) in wires.iter().enumerate() {
        steps.extend(step(wire, &path.child(index), object, reporter));
    }
    steps.sort_by_key(|step| step.at);
    steps
}

fn step(wire: &WireStep, path: &FieldPath, object: &Object, reporter: &mut Reporter<'_>) -> Option<Step> {
    let at = Timestamp(time(wire.at.as_deref().unwrap_or("0s"), &path.child("at"), reporter)?);
    let mut actions: Vec<Action> = Vec::new();
    if wire.apply.is_some() || wire.objects.is_some() {
        let files = wire.apply.iter().flatten().map(|file| Name::from(file.as_str())).collect();
        let objects = wire.objects.iter().flatten().map(|value| Arc::new(value.clone())).collect();
        actions.push(Action::Apply { files, objects });
    }
    if let Some(patch) = &wire.patch {
        let at = path.child("patch");
        if patch.merge.is_none() {
            reporter.error(
                &at.child("merge"),
                code::MISSING_FIELD,
                format!("{}: required", at.child("merge")),
                "write the fields to change",
            );
        }
        let merge = Arc::new(patch.merge.clone().unwrap_or_default());
        let target = key(&patch.kind, &patch.namespace, &patch.name, &at, reporter)?;
        actions.push(Action::Patch { target, merge });
    }
    if let Some(target) = &wire.delete {
        let at = path.child("delete");
        let key = key(&target.kind, &target.namespace, &target.name, &at, reporter)?;
        actions.push(Action::Delete { target: key, force: target.force.unwrap_or(false) });
    }
    if let Some(target) = &wire.restart {
        actions.push(Action::Restart { target: target_key(target, &path.child("restart"), reporter)? });
    }
    actions.extend(fault(wire, path, reporter));
    if actions.len() != 1 {
        let known = "apply, objects, patch, delete, node, zone, api, restart";
        let message = format!("{path}: a step does exactly one thing, this one {}", actions.len());
        reporter.error(path, code::EXCLUSIVE_FIELDS, message, format!("write one of {known}"));
        return None;
    }
    actions.pop().map(|action| Step { at, location: object.place.at(&path.0), action })
}

/// `node`, `zone` and `api` steps.
fn fault(wire: &WireStep, path: &FieldPath, reporter: &mut Reporter<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(node) = &wire.node {
        let at = path.child("node");
        let for_ms = span(node.for_.as_deref(), &at, reporter);
        actions.push(Action::Node {
            name: required(&node.name, "name", &at, reporter),
            ready: node.ready.unwrap_or(false),
            for_ms,
        });
    }
    if let Some(zone) = &wire.zone {
        let at = path.child("zone");
        let capacity = match zone.capacity.as_deref() {
            None | Some("none") => false,
            Some("normal") => true,
            Some(other) => {
                let at = at.child("capacity");
                reporter.error(
                    &at,
                    code::BAD_VALUE,
                    format!("{at}: {other:?} is not one of none, normal"),
                    "",
                );
                false
            }
        };
        let for_ms = span(zone.for_.as_deref(), &at, reporter);
        actions.push(Action::Zone { name: required(&zone.name, "name", &at, reporter), capacity, for_ms });
    }
    if let Some(api) = &wire.api {
        let at = path.child("api");
        let for_ms = span(api.for_.as_deref(), &at, reporter);
        let service = required(&api.service, "service", &at, reporter);
        actions.push(Action::Api { service, errors: required(&api.errors, "errors", &at, reporter), for_ms });
    }
    actions
}

fn expectation(
    wire: &WireExpectation,
    path: &FieldPath,
    object: &Object,
    reporter: &mut Reporter<'_>,
) -> Option<Expectation> {
    let when = match (wire.at.as_deref(), wire.by.as_deref()) {
        (None, None) => When::End,
        (Some(at), None) => When::At(Timestamp(time(at, &path.child("at"), reporter)?)),
        (None, Some(by)) => When::By(Timestamp(time(by, &path.child("by"), reporter)?)),
        (Some(_), Some(_)) => {
            reporter.error(
                path,
                code::EXCLUSIVE_FIELDS,
                format!("{path}: at and by exclude each other"),
                "keep one of the two",
            );
            return None;
        }
    };
    let what = expected(wire, path, reporter)?;
    Some(Expectation { location: object.place.at(&path.0), when, what })
}

fn expected(wire: &WireExpectation, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<Expected> {
    let mut found = Vec::new();
    if let Some(verdict) = &wire.verdict {
        if !VERDICTS.contains(&verdict.as_str()) {
            let at = path.child("verdict");
            let message = format!("{at}: {verdict:?} is not one of {}", VERDICTS.join(", "));
            reporter.error(&at, code::BAD_VALUE, message, did_you_mean(verdict, VERDICTS));
        }
        found.push(Expected::Verdict(verdict.as_str().into()));
    }
    if let Some(running) = &wire.running {
        let target = key(&running.kind, &running.namespace, &running.name, &path.child("running"), reporter)?;
        let at_least = running.at_least.unwrap_or(u32::from(running.at_most.is_none()));
        found.push(Expected::Running { target, at_least, at_most: running.at_most });
    }
    if let Some(nodes) = &wire.nodes {
        let node_pool = required(&nodes.node_pool, "nodePool", &path.child("nodes"), reporter);
        let at_least = nodes.at_least.unwrap_or(u32::from(nodes.at_most.is_none()));
        found.push(Expected::Nodes { node_pool, at_least, at_most: nodes.at_most });
    }
    if found.len() != 1 {
        let message = format!("{path}: an expectation is about exactly one of verdict, running, nodes");
        reporter.error(path, code::EXCLUSIVE_FIELDS, message, "");
        return None;
    }
    found.pop()
}

fn target_key(wire: &WireTarget, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<ObjectKey> {
    key(&wire.kind, &wire.namespace, &wire.name, path, reporter)
}

/// A key; the namespace is `default` for namespaced kinds where it is absent.
fn key(
    kind: &str,
    namespace: &str,
    name: &str,
    path: &FieldPath,
    reporter: &mut Reporter<'_>,
) -> Option<ObjectKey> {
    for (field, value) in [("kind", kind), ("name", name)] {
        if value.is_empty() {
            let at = path.child(field);
            reporter.error(&at, code::MISSING_FIELD, format!("{at}: required"), "");
            return None;
        }
    }
    let kind = Kind::from(kind);
    let namespace = match (crate::group::scope_of(&kind, "plimsoll.dev"), namespace) {
        (crate::group::Scope::Cluster, _) => "",
        (_, "") => "default",
        (_, namespace) => namespace,
    };
    Some(ObjectKey::new(kind, namespace, name))
}

fn required(text: &str, field: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> Name {
    if text.is_empty() {
        let at = path.child(field);
        reporter.error(&at, code::MISSING_FIELD, format!("{at}: required"), "");
    }
    text.into()
}

fn time(text: &str, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<i64> {
    match duration::parse_ms(text) {
        Ok(ms) if ms >= 0 => Some(ms),
        Ok(_) => {
            reporter.error(path, code::BAD_VALUE, format!("{path}: {text:?} is before the start"), "");
            None
        }
        Err(error) => {
            reporter.error(path, code::BAD_VALUE, format!("{path}: {error}"), "");
            None
        }
    }
}

fn span(text: Option<&str>, path: &FieldPath, reporter: &mut Reporter<'_>) -> Option<i64> {
    text.and_then(|text| time(text, &path.child("for"), reporter))
}
