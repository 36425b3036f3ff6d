//! Node groups: one node more, or the next size of the same family.

use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let groups = case.declared.profile.node_groups.iter().filter(|group| group.node_pool.is_empty());
    groups
        .flat_map(|group| {
            let count = group.count.saturating_add(1);
            let mut more = vec![set(group.location.at("/count"), json!(count))];
            if group.max < count {
                more.push(set(group.location.at("/scaling/max"), json!(count)));
            }
            let grow = Remedy {
                id: "node-group-count",
                title: format!("run {count} nodes of {} in group {}", group.instance_type, group.name),
                edits: more,
                operation: None,
                cost: 2,
            };
            let larger = next_size(case, &group.instance_type).map(|larger| Remedy {
                id: "node-group-size",
                title: format!("run group {} on {larger} instead of {}", group.name, group.instance_type),
                edits: vec![set(group.location.at("/instanceType"), json!(larger))],
                operation: Some(format!("replace the nodes of group {}", group.name)),
                cost: 2,
            });
            std::iter::once(grow).chain(larger)
        })
        .collect()
}

/// The smallest type of the same family with more CPUs.
fn next_size(case: &Case<'_>, instance_type: &str) -> Option<String> {
    let now = case.catalog.instance_type(instance_type)?;
    let family = instance_type.split_once('.')?.0;
    let larger = case.catalog.instance_types().iter().filter(|other| {
        other.name.split_once('.').is_some_and(|(f, _)| f == family)
            && other.vcpus > now.vcpus
            && !other.bare_metal
    });
    larger.min_by_key(|other| (other.vcpus, other.name.clone())).map(|other| other.name.to_string())
}
