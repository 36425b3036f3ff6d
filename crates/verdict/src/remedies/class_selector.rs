//! Selectors of an EC2NodeClass that find no subnet, or no security group: by the tags that there are.

use std::collections::BTreeSet;

use cluster::NodeClass;
use cluster::node_class::SelectorTerm;
use cluster::rejection::PoolReason;
use findings::selected::{Selected, said};
use findings::{Party, Why};
use serde_json::{Map, Value, json};

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let classes = unready(case);
    let of_class = |class: &'_ NodeClass| -> Vec<Remedy> {
        let of = |what: Selected| {
            let nearest = what.nearest(case.declared, class);
            nearest.iter().map(|term| remedy(class, what, term)).collect::<Vec<_>>()
        };
        Selected::ALL.into_iter().flat_map(of).collect()
    };
    classes.into_iter().flat_map(of_class).collect()
}

/// The classes of pools that pods wait for and that are not ready.
fn unready<'c>(case: &'c Case<'_>) -> Vec<&'c NodeClass> {
    let pools: BTreeSet<u32> = case
        .told
        .graph
        .waits
        .iter()
        .filter_map(|wait| match (&wait.on, &wait.why) {
            (Party::Pool(index), Why::Pool(PoolReason::NotReady { .. })) => Some(*index),
            _ => None,
        })
        .collect();
    let names: BTreeSet<_> = pools
        .into_iter()
        .filter_map(|index| case.declared.node_pools.get(index as usize))
        .map(|pool| &pool.node_class)
        .collect();
    names.into_iter().filter_map(|name| case.declared.node_class(name)).collect()
}

fn remedy(class: &NodeClass, what: Selected, term: &SelectorTerm) -> Remedy {
    Remedy {
        id: "class-selector",
        title: format!("let EC2NodeClass {} select {} by {}", class.name, what.noun(), said(term)),
        edits: vec![set(class.location.at(&format!("/spec/{}", what.field())), json!([written(term)]))],
        operation: None,
        cost: 0,
    }
}

fn written(term: &SelectorTerm) -> Value {
    let mut fields = Map::new();
    if !term.tags.is_empty() {
        let tags = term.tags.iter().map(|(key, value)| (key.to_string(), json!(value.as_str())));
        fields.insert("tags".to_owned(), Value::Object(tags.collect()));
    }
    for (name, value) in [("id", &term.id), ("name", &term.name)] {
        if let Some(value) = value {
            fields.insert(name.to_owned(), json!(value.as_str()));
        }
    }
    Value::Object(fields)
}
