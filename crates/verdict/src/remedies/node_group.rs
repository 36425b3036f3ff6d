//! Node groups: one node more, the next size of the same family, or a group where what must run before nodes can be
//! added has none that takes it.

use cluster::profile::{NodeGroup, Provider};
use serde_json::json;
use simulation::actors::kubelet::image::rule_for;

use super::{Case, append, set};
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

/// Nodes of a new group, so that what runs twice can be apart.
const NODES: u32 = 2;

/// What AWS's own examples start with, for each architecture; the first that the images of the waiting pods run on.
const USUAL_TYPES: [(&str, &str); 2] = [("amd64", "m5.large"), ("arm64", "m6g.large")];

/// A group without taints, where every group has some that cluster DNS or the provisioner does not tolerate, or where
/// there is none.
pub(super) fn propose_another(case: &Case<'_>) -> Vec<Remedy> {
    let profile = &case.declared.profile;
    let homeless = case.homeless_bootstrap();
    let takes_all = |group: &NodeGroup| group.node_pool.is_empty() && group.taints.is_empty();
    let open = profile.node_groups.iter().any(takes_all);
    if profile.provider != Provider::Eks || !profile.given || homeless.is_empty() || open {
        return Vec::new();
    }
    let images = homeless.iter().flat_map(|workload| &workload.template.containers);
    let images: Vec<&str> = images.map(|container| container.image.as_str()).collect();
    let runs_on = |arch: &str| {
        let rule = |image: &&str| rule_for(&profile.images, image);
        images.iter().all(|image| rule(image).is_none_or(|rule| rule.architectures.iter().any(|a| a == arch)))
    };
    let Some((_, instance_type)) = USUAL_TYPES.iter().find(|(arch, _)| runs_on(arch)) else {
        return Vec::new();
    };
    let taken = |name: &str| profile.node_groups.iter().any(|group| group.name == name);
    let Some(name) = ["bootstrap", "system", "bootstrap-2"].into_iter().find(|name| !taken(name)) else {
        return Vec::new();
    };
    let names: Vec<String> = homeless.iter().map(|workload| workload.key.to_string()).collect();
    let entry = json!({"name": name, "instanceType": instance_type, "count": NODES});
    vec![Remedy {
        id: "node-group-new",
        title: format!("add a node group of {NODES} {instance_type} that takes {}", names.join(" and ")),
        edits: vec![append(profile.location.at("/spec/nodeGroups"), entry)],
        operation: Some(format!("create the node group {name}")),
        cost: 2,
    }]
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
