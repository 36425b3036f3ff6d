//! Where the settings of a CNI are edited: in its manifest, or in the values of the profile's add-on.

use cluster::network::Cni;
use cluster::{Kind, Location};
use serde_json::{Map, Value, json};
use sources::Edit;

use super::{Case, append, child, set};

/// How EKS's own name for the VPC CNI reads in a profile.
const VPC_CNI: &str = "vpc-cni";

impl Case<'_> {
    /// Sets environment variables of the VPC CNI's agent; `None` where another CNI hands out addresses, or the input
    /// has no place for them.
    pub(super) fn vpc_cni_env(&self, variables: &[(&str, String)]) -> Option<Vec<Edit>> {
        let Cni::VpcCni(settings) = &self.declared.cni else { return None };
        let location = &settings.location;
        if location.object.kind == Kind::Cluster {
            return self.addon_env(location, variables);
        }
        let object = &self.inputs.find(&location.object)?.value;
        match object.pointer(&location.path.0) {
            Some(written) => in_list(location, written, variables),
            // The container has no variables yet.
            None => Some(vec![set(location.clone(), Value::Array(variables.iter().map(entry).collect()))]),
        }
    }

    /// The values of the add-on's entry; one that is only assumed gets an entry.
    fn addon_env(&self, location: &Location, variables: &[(&str, String)]) -> Option<Vec<Edit>> {
        let Some(written) = self.addon_entry(location) else {
            self.inputs.find(&location.object)?;
            let env: Map<String, Value> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            let addons =
                Location { object: location.object.clone(), path: cluster::FieldPath::of("/spec/addons") };
            return Some(vec![append(addons, json!({"name": VPC_CNI, "values": {"env": env}}))]);
        };
        let env = location.at("/values/env");
        match written.pointer("/values/env") {
            Some(list @ Value::Array(_)) => in_list(&env, list, variables),
            _ => Some(variables.iter().map(|(name, value)| set(child(&env, name), json!(value))).collect()),
        }
    }

    /// Sets a key of cilium-config, or the chart's value where the profile brings Cilium.
    pub(super) fn cilium(&self, location: &Location, key: &str, chart: &str) -> Edit {
        if location.object.kind == Kind::Cluster {
            return set(location.at(&format!("/values{chart}")), json!(true));
        }
        set(child(location, key), json!("true"))
    }
}

fn entry((name, value): &(&str, String)) -> Value {
    json!({"name": name, "value": value})
}

/// Variables in a list of names and values.
fn in_list(list: &Location, written: &Value, variables: &[(&str, String)]) -> Option<Vec<Edit>> {
    let entries = written.as_array()?;
    let known = |name: &str| entries.iter().position(|entry| entry.get("name").is_some_and(|n| n == name));
    let edits = variables.iter().map(|variable| match known(variable.0) {
        Some(index) => set(list.at(&format!("/{index}/value")), json!(variable.1)),
        None => append(list.clone(), entry(variable)),
    });
    Some(edits.collect())
}
