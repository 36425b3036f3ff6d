//! Objects that others may wait for, and when they arrive.
//!
//! A ConfigMap or Secret that the input does not contain is **not** taken to be missing: operators, cert-manager,
//! External Secrets and people make such objects, and nothing in the input can tell. `needs_objects` keeps only what
//! is known to come later than the pod: an object of a later wave or hook phase under `order: waves`, or one that a
//! scenario applies.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::arrival::{Arrival, HookPhase};
use cluster::profile::Order;
use cluster::{Declared, Kind, ObjectKey};
use serde_json::Value;

use crate::arrival::arrival;
use crate::object::Object;
use crate::problem::{Problems, Reporter};
use crate::scenario::{Action, Scenario};

/// Fills `declared.arrivals`.
pub(crate) fn arrivals(objects: &[&Object], declared: &mut Declared, _problems: &mut Problems) {
    // Hook annotations of these kinds were looked at with the object itself, or are nobody's concern.
    let mut ignored = Problems::default();
    for object in objects.iter().filter(|object| is_waited_for(&object.key.kind)) {
        if let Some(arrival) = arrival(object, &mut Reporter::new(&mut ignored, object)) {
            declared.arrivals.insert(object.key.clone(), arrival);
        }
    }
}

fn is_waited_for(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Namespace
            | Kind::ConfigMap
            | Kind::Secret
            | Kind::ServiceAccount
            | Kind::PriorityClass
            | Kind::CustomResourceDefinition
    )
}

/// Hook phase, wave, hook weight: what a later rank waits for.
fn rank(arrival: &Arrival) -> (u8, i32, i32) {
    if arrival.existing {
        return (0, i32::MIN, i32::MIN);
    }
    let phase = match &arrival.hook {
        _ if arrival.addon => 0,
        Some(hook) if hook.phase == HookPhase::Before => 1,
        None => 2,
        Some(_) => 3,
    };
    (phase, arrival.wave, arrival.hook.as_ref().map_or(0, |hook| hook.weight))
}

/// Drops the needs that are met, or that nothing is known about.
pub(crate) fn keep_late_needs(declared: &mut Declared, scenario: Option<&Scenario>) {
    let applied: BTreeSet<ObjectKey> = scenario.into_iter().flat_map(applied).collect();
    let waves = declared.profile.order == Order::Waves;
    let Declared { workloads, arrivals, .. } = declared;
    for workload in workloads {
        if workload.template.needs_objects.is_empty() {
            continue;
        }
        let own = rank(&workload.arrival);
        let template = Arc::make_mut(&mut workload.template);
        template.needs_objects.retain(|needed| match arrivals.get(needed) {
            Some(arrival) => waves && !workload.arrival.existing && rank(arrival) > own,
            None => applied.contains(needed),
        });
    }
}

/// Keys of the objects that a scenario applies inline.
fn applied(scenario: &Scenario) -> impl Iterator<Item = ObjectKey> {
    let objects = scenario.steps.iter().filter_map(|step| match &step.action {
        Action::Apply { objects, .. } => Some(objects),
        _ => None,
    });
    objects.flatten().filter_map(|value| {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or("default");
        Some(ObjectKey::new(Kind::from(text("/kind")?), namespace, text("/metadata/name")?))
    })
}
