//! Replacing nodes: interfaces that hold secondary addresses keep to them until the node is gone.

use cluster::network::AddressMode;
use serde_json::json;

use super::{Case, remove, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let groups = case.declared.profile.node_groups.iter();
    let holding = groups.filter(|group| group.address_mode == Some(AddressMode::SecondaryAddresses));
    holding
        .map(|group| {
            let mut edits = vec![set(group.location.at("/addressMode"), json!("prefixes"))];
            if group.held.is_some() {
                edits.push(remove(group.location.at("/held")));
            }
            Remedy {
                id: "replace-nodes",
                title: format!(
                    "replace the nodes of group {}, so that their interfaces start empty",
                    group.name
                ),
                edits,
                operation: Some(format!("replace the {} nodes of group {}", group.count, group.name)),
                cost: 1,
            }
        })
        .collect()
}
