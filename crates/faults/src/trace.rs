//! What happened, in order, in words: every note and every write that means something.

use serde_json::Value;

use crate::json::{holds, is_going, list, text};
use crate::store::{By, Written};
use crate::world::World;
use kubernetes::Resource;

/// The lines.
pub fn lines(world: &World) -> Vec<String> {
    let notes = world.notes.iter().map(|(at, note)| (*at, format!("-- {note}")));
    let written = world.store.written.iter().filter_map(|written| Some((written.at_ms, said(written)?)));
    let mut all: Vec<(i64, String)> = notes.chain(written).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, line)| format!("{:>7}.{} s  {line}", at / 1_000, at % 1_000 / 100)).collect()
}

fn said(written: &Written) -> Option<String> {
    let (resource, _, name) = &written.key;
    let who = match written.by {
        By::User => "user".to_owned(),
        By::Cluster => "cluster".to_owned(),
        By::Controller(run) => format!("controller {run}"),
        By::Eviction(run) => format!("controller {run} (eviction)"),
    };
    let what = match (&written.old, &written.new) {
        (_, None) => "gone".to_owned(),
        (None, Some(new)) => match text(new, "/message") {
            "" => "created".to_owned(),
            message => format!("says: {message}"),
        },
        (Some(old), Some(new)) if is_going(new) && !is_going(old) => "asked to go".to_owned(),
        (Some(old), Some(new)) => changed(*resource, old, new)?,
    };
    Some(format!("{who}: {} {name} {what}", resource.kind()))
}

/// What of an object has changed.
fn changed(resource: Resource, old: &Value, new: &Value) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let kinds = ["Launched", "Registered", "Initialized", "Ready", "Drifted"];
    for kind in kinds.into_iter().filter(|kind| holds(old, kind) != holds(new, kind)) {
        words.push(if holds(new, kind) { kind.to_owned() } else { format!("not {kind}") });
    }
    if old["spec"]["taints"] != new["spec"]["taints"] {
        let taints: Vec<&str> = list(new, "/spec/taints").map(|taint| text(taint, "/key")).collect();
        words.push(format!("taints [{}]", taints.join(", ")));
    }
    if old["spec"]["nodeName"] != new["spec"]["nodeName"] {
        words.push(format!("bound to {}", text(new, "/spec/nodeName")));
    }
    if old["metadata"]["finalizers"] != new["metadata"]["finalizers"] {
        words.push(format!("finalizers {}", new["metadata"]["finalizers"]));
    }
    let others = resource == Resource::NodePool && old["spec"] != new["spec"];
    words.extend(others.then(|| "changed".to_owned()));
    (!words.is_empty()).then(|| words.join(", "))
}
