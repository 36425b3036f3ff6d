//! What might help: one file for each kind of change.
//!
//! A generator looks at what was declared and at who waits for whom, and proposes edits that a person would make.
//! It never judges: whatever is proposed is run. What cannot be run, because the input says nothing about it, is
//! [`advice`].

pub mod advice;
mod affinity;
mod architecture;
mod binding_mode;
mod case;
mod class_selector;
mod cni;
mod dns_policy;
mod fargate;
mod group_label;
mod host_network;
mod limits;
mod max_pods;
mod node_group;
mod offering;
mod pod_spec;
mod prefix_delegation;
mod priority;
mod quota;
mod replace_nodes;
mod replicas;
mod requirement;
mod selector;
mod startup_taint;
mod storage;
mod surge;
mod toleration;
mod warm_targets;
mod webhook;

use catalog::Catalog;
use cluster::{Declared, Effect, Location};
use serde_json::Value;
use sources::{Action, Edit, Inputs};

use crate::remedy::Remedy;
use crate::trial::Trial;
pub(crate) use case::Case;

/// Every change that might help, in a fixed order: what is nearest to the cause comes first, what is bought last.
pub fn propose(inputs: &Inputs, declared: &Declared, catalog: &Catalog, told: &Trial) -> Vec<Remedy> {
    let case = Case { inputs, declared, catalog, told };
    let generators: [fn(&Case<'_>) -> Vec<Remedy>; 27] = [
        warm_targets::propose,
        prefix_delegation::propose,
        replace_nodes::propose,
        max_pods::propose,
        dns_policy::propose,
        host_network::propose,
        replicas::propose,
        affinity::propose,
        startup_taint::propose,
        toleration::propose,
        class_selector::propose,
        selector::propose,
        requirement::propose,
        group_label::propose,
        limits::propose,
        offering::propose,
        quota::propose,
        architecture::propose,
        binding_mode::propose,
        storage::propose,
        priority::propose,
        webhook::propose,
        surge::propose,
        architecture::keep_to_images,
        node_group::propose,
        node_group::propose_another,
        fargate::propose,
    ];
    generators.iter().flat_map(|propose| propose(&case)).collect()
}

/// Sets one field.
fn set(location: Location, value: Value) -> Edit {
    Edit { object: location.object, path: location.path, action: Action::Set(value) }
}

/// Removes one field.
fn remove(location: Location) -> Edit {
    Edit { object: location.object, path: location.path, action: Action::Remove }
}

/// Adds to a list.
fn append(location: Location, value: Value) -> Edit {
    Edit { object: location.object, path: location.path, action: Action::Append(value) }
}

/// A field whose name may have a `/` in it.
fn child(location: &Location, name: &str) -> Location {
    Location { object: location.object.clone(), path: location.path.child(name) }
}

/// An effect as it is written.
fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::NoSchedule => "NoSchedule",
        Effect::PreferNoSchedule => "PreferNoSchedule",
        Effect::NoExecute => "NoExecute",
    }
}
