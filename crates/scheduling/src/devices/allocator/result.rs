//! What a search has found, as allocations.

use std::sync::Arc;

use cluster::device::{AllocatedDevice, DeviceAllocation, DeviceReach, SliceReach};
use cluster::template::NodeSelectorTerm;
use cluster::{Name, SelectorOperator, SelectorRequirement};

use super::{Chosen, Search};

impl<'c> Search<'c> {
    /// One allocation for each claim.
    pub(super) fn allocations(&self) -> Vec<Arc<DeviceAllocation>> {
        let of_claim = |chosen: &Vec<Chosen<'c>>| {
            let devices = chosen.iter().map(|chosen| self.result(chosen)).collect();
            Arc::new(DeviceAllocation { devices, nodes: self.nodes(chosen) })
        };
        self.chosen.iter().map(of_claim).collect()
    }

    fn result(&self, chosen: &Chosen<'c>) -> AllocatedDevice {
        let asked = self.asked.get(&chosen.asked);
        let request = asked.map_or_else(Name::default, |asked| match asked.asker() {
            (request, None) => request.clone(),
            (request, Some(alternative)) => Name::from(format!("{request}/{alternative}")),
        });
        AllocatedDevice {
            request,
            device: chosen.name.clone(),
            admin: asked.is_some_and(|asked| asked.wanted.admin),
            share: chosen.share.clone(),
        }
    }

    /// `createNodeSelector`: where the devices can be used together.
    fn nodes(&self, chosen: &[Chosen<'c>]) -> Option<Vec<NodeSelectorTerm>> {
        let mut term = NodeSelectorTerm::default();
        for Chosen { slice, device, .. } in chosen {
            let reach = match &slice.reach {
                SliceReach::Common(reach) => reach,
                _ => &device.reach,
            };
            if matches!(reach, DeviceReach::Node(_)) || device.binds_to_node {
                return Some(vec![only(&self.node.name)]);
            }
            let DeviceReach::Selector(terms) = reach else { continue };
            for more in terms.iter().take(1) {
                add_new(&more.match_fields, &mut term.match_fields);
                add_new(&more.match_expressions, &mut term.match_expressions);
            }
        }
        (term != NodeSelectorTerm::default()).then(|| vec![term])
    }
}

fn add_new(from: &[SelectorRequirement], to: &mut Vec<SelectorRequirement>) {
    for requirement in from {
        if !to.contains(requirement) {
            to.push(requirement.clone());
        }
    }
}

/// A term that holds on one node.
fn only(node: &Name) -> NodeSelectorTerm {
    let (key, operator, values) =
        (Name::new_static("metadata.name"), SelectorOperator::In, vec![node.clone()]);
    NodeSelectorTerm {
        match_expressions: Vec::new(),
        match_fields: vec![SelectorRequirement { key, operator, values, min_values: None }],
    }
}
