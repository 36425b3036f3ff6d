//! Prefix delegation: sixteen addresses for each slot of an interface.

use cluster::network::Cni;
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let (edit, setting) = match &case.declared.cni {
        Cni::CiliumEni(settings) if !settings.prefix_delegation => {
            let location = settings.location.at("/aws-enable-prefix-delegation");
            (set(location, json!("true")), "aws-enable-prefix-delegation of Cilium")
        }
        Cni::VpcCni(settings) if !settings.prefix_delegation => {
            match case.env("ENABLE_PREFIX_DELEGATION", "true") {
                Some(edit) => (edit, "ENABLE_PREFIX_DELEGATION of the VPC CNI"),
                None => return Vec::new(),
            }
        }
        _ => return Vec::new(),
    };
    let title = format!("turn on prefix delegation: {setting}");
    vec![Remedy { id: "prefix-delegation", title, edits: vec![edit], operation: None, cost: 0 }]
}
