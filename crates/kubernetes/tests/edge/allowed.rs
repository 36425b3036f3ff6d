//! What the chart allows the program, against what it does: nothing missing, nothing more.

use std::collections::BTreeSet;
use std::path::Path;

use kubernetes::Resource;
use kubernetes::calls::WRITES;
use serde_json::Value;

use super::recorded::{recorded, up_and_down};
use super::started;

/// Group, resource with its subresource, verb.
type Right = (String, String, String);

/// Not called: what an owner reference with `blockOwnerDeletion` asks for.
const BLOCKS_OWNERS: [&str; 2] = ["nodepools/finalizers", "nodeclaims/finalizers"];

fn right(resource: Resource, subresource: &str, verb: &str) -> Right {
    let api = resource.api();
    let name = if subresource.is_empty() { api.plural } else { format!("{}/{subresource}", api.plural) };
    (api.group, name, verb.to_owned())
}

fn needed() -> BTreeSet<Right> {
    let watched =
        Resource::WATCHED.into_iter().flat_map(|own| ["list", "watch"].map(|verb| right(own, "", verb)));
    watched.chain(WRITES.iter().map(|(own, sub, verb)| right(*own, sub, verb))).collect()
}

/// The rules of the first ClusterRole in a file, written as `key: [a, b]` lines.
fn allowed(path: &str) -> BTreeSet<Right> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path);
    let text = std::fs::read_to_string(path).unwrap();
    let role = text.split("kind: ClusterRole\n").nth(1).unwrap().split("\n---").next().unwrap();
    let mut rights = BTreeSet::new();
    let (mut groups, mut resources): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for line in role.lines() {
        let Some((key, list)) = line.trim().trim_start_matches("- ").split_once(": [") else { continue };
        let list =
            list.trim_end_matches(']').split(", ").map(|own| own.trim_matches('"').to_owned()).collect();
        match key {
            "apiGroups" => groups = list,
            "resources" => resources = list,
            "verbs" => {
                for group in &groups {
                    for resource in &resources {
                        rights
                            .extend(list.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
                    }
                }
            }
            other => panic!("{other}"),
        }
    }
    let (owners, rest) = rights.into_iter().partition(|(_, name, _)| BLOCKS_OWNERS.contains(&name.as_str()));
    let owners: BTreeSet<Right> = owners;
    assert!(owners.iter().all(|(_, _, verb)| verb == "update") && owners.len() == 2, "{owners:?}");
    rest
}

#[test]
fn the_chart_allows_what_is_needed_and_nothing_else() {
    assert_eq!(allowed("plimsoll.yaml"), needed());
    assert_eq!(allowed("chart/templates/clusterrole.yaml"), needed());
}

/// Everything that is called while nodes come and go is among what is said to be needed.
#[test]
fn what_is_called_is_said_to_be_needed() {
    let text = recorded(started(20), up_and_down);
    let kind = |name: &Value| {
        let all = Resource::WATCHED.into_iter().chain([Resource::Event]);
        all.into_iter().find(|own| *name == own.kind()).unwrap()
    };
    let mut called = BTreeSet::new();
    let acts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    for act in acts.filter(|line| line["act"].is_array()) {
        let works = act["act"].as_array().unwrap().iter();
        for call in works.flat_map(|work| work["calls"].as_array().unwrap()) {
            called.insert(if call["create"].is_string() {
                right(kind(&call["create"]), "", "create")
            } else if call["patch"].is_string() {
                let status = call["status"].as_bool() == Some(true);
                right(kind(&call["patch"]), if status { "status" } else { "" }, "patch")
            } else if call["delete"].is_string() {
                right(kind(&call["delete"]), "", "delete")
            } else {
                right(Resource::Pod, "eviction", "create")
            });
        }
    }
    let unsaid: Vec<Right> = called.difference(&needed()).cloned().collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
    assert!(called.len() >= 8, "{called:?}");
}
