//! Replicas: a provisioner with one replica needs one place.

use cluster::workload::Shape;
use serde_json::json;

use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let several = |workload: &&cluster::Workload| matches!(workload.shape, Shape::Deployment { replicas, .. } if replicas > 1);
    case.provisioners()
        .into_iter()
        .filter(several)
        .map(|workload| Remedy {
            id: "replicas",
            title: format!("run one replica of {}", workload.key),
            edits: vec![set(workload.location.at("/spec/replicas"), json!(1))],
            operation: None,
            cost: 1,
        })
        .collect()
}
