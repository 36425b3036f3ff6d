//! What might help: one file for each kind of change.
//!
//! A generator looks at what was declared and at who waits for whom, and proposes edits that a person would make.
//! It never judges: whatever is proposed is run.

mod affinity;
mod architecture;
mod dns_policy;
mod host_network;
mod limits;
mod max_pods;
mod node_group;
mod prefix_delegation;
mod priority;
mod replace_nodes;
mod replicas;
mod toleration;
mod webhook;

use catalog::Catalog;
use cluster::role::Program;
use cluster::{Declared, Workload};
use findings::{Party, Wait};
use sources::{Action, Edit, Inputs};

use crate::remedy::Remedy;
use crate::trial::Trial;

/// What a generator may look at.
pub(crate) struct Case<'a> {
    pub inputs: &'a Inputs,
    pub declared: &'a Declared,
    pub catalog: &'a Catalog,
    pub told: &'a Trial,
}

/// Every change that might help, in a fixed order.
pub fn propose(inputs: &Inputs, declared: &Declared, catalog: &Catalog, told: &Trial) -> Vec<Remedy> {
    let case = Case { inputs, declared, catalog, told };
    let generators: [fn(&Case<'_>) -> Vec<Remedy>; 13] = [
        prefix_delegation::propose,
        replace_nodes::propose,
        max_pods::propose,
        dns_policy::propose,
        host_network::propose,
        affinity::propose,
        toleration::propose,
        limits::propose,
        architecture::propose,
        priority::propose,
        webhook::propose,
        replicas::propose,
        node_group::propose,
    ];
    generators.iter().flat_map(|propose| propose(&case)).collect()
}

impl Case<'_> {
    /// Workloads that run one of `programs`.
    fn running(&self, programs: &[Program]) -> Vec<&Workload> {
        let programs_of = |workload: &&Workload| programs.contains(&workload.template.role.program);
        self.declared.workloads.iter().filter(programs_of).collect()
    }

    /// The provisioners.
    fn provisioners(&self) -> Vec<&Workload> {
        self.running(&[Program::Karpenter, Program::ClusterAutoscaler])
    }

    /// Waits of workloads.
    fn workload_waits(&self) -> impl Iterator<Item = (&Workload, &Wait)> {
        self.told.graph.waits.iter().filter_map(|wait| match &wait.who {
            Party::Workload(id) => Some((self.declared.workload(*id), wait)),
            _ => None,
        })
    }
}

/// Sets one field of a workload's pod template; `tail` is relative to the template.
fn set_in_template(workload: &Workload, tail: &str, value: serde_json::Value) -> Edit {
    let location = workload.template.location.at(tail);
    Edit { object: location.object, path: location.path, action: Action::Set(value) }
}

/// Sets one field.
fn set(location: cluster::Location, value: serde_json::Value) -> Edit {
    Edit { object: location.object, path: location.path, action: Action::Set(value) }
}

/// Removes one field.
fn remove(location: cluster::Location) -> Edit {
    Edit { object: location.object, path: location.path, action: Action::Remove }
}

impl Case<'_> {
    /// Sets an environment variable of the VPC CNI's agent, where its settings are written: in the DaemonSet, or
    /// in the values of the profile's add-on.
    fn env(&self, name: &str, value: &str) -> Option<Edit> {
        let cluster::network::Cni::VpcCni(settings) = &self.declared.cni else { return None };
        let location = &settings.location;
        if location.object.kind == cluster::Kind::Cluster {
            let path = format!("/values/env/{name}");
            return Some(set(location.at(&path), serde_json::json!(value)));
        }
        let object = &self.inputs.find(&location.object)?.value;
        let written = object.pointer(&location.path.0)?;
        let (list, entries) = match written.get("env") {
            Some(entries) => (location.at("/env"), entries.as_array()?),
            None => (location.clone(), written.as_array()?),
        };
        let entry = entries.iter().position(|entry| entry.get("name").is_some_and(|known| known == name));
        Some(match entry {
            Some(index) => set(list.at(&format!("/{index}/value")), serde_json::json!(value)),
            None => Edit {
                object: list.object,
                path: list.path,
                action: Action::Append(serde_json::json!({"name": name, "value": value})),
            },
        })
    }
}
