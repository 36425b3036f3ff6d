//! Replicas: a provisioner with one replica needs one place.
//!
//! One of two that cannot be placed is the usual case: the chart's two replicas want two nodes that Karpenter did not
//! make. Then fewer replicas are a smaller change than another placement rule.

use cluster::workload::Shape;
use cluster::{Kind, Location, Workload};
use serde_json::json;

use super::affinity::is_unschedulable;
use super::{Case, set};
use crate::remedy::Remedy;

pub(super) fn propose(case: &Case<'_>) -> Vec<Remedy> {
    let several =
        |workload: &&Workload| matches!(workload.shape, Shape::Deployment { replicas, .. } if replicas > 1);
    let remedies = case.stuck_provisioners().into_iter().filter(several).filter_map(|workload| {
        let location = place(case, workload)?;
        let only_some = has_ready_pod(case, workload) && is_unschedulable(case, workload);
        Some(Remedy {
            id: "replicas",
            title: format!("run one replica of {}", workload.key),
            edits: vec![set(location, json!(1))],
            operation: None,
            cost: if only_some { 0 } else { 1 },
        })
    });
    remedies.collect()
}

/// Where the number of replicas is written.
fn place(case: &Case<'_>, workload: &Workload) -> Option<Location> {
    let location = &workload.location;
    if location.object.kind != Kind::Cluster {
        return Some(location.at("/spec/replicas"));
    }
    let written = case.addon_entry(location)?;
    let known = ["/pods/count", "/values/replicas", "/values/replicaCount", "/replicas"];
    let path = known.into_iter().find(|path| written.pointer(path).is_some());
    let default = if written.get("pods").is_some() { "/pods/count" } else { "/replicas" };
    Some(location.at(path.unwrap_or(default)))
}

fn has_ready_pod(case: &Case<'_>, workload: &Workload) -> bool {
    let run = &case.told.run.cluster;
    let of =
        |pod: &&cluster::Pod| pod.workload.is_some_and(|id| run.declared.workload(id).key == workload.key);
    run.live_pods().filter(of).any(|pod| pod.stage == cluster::pod::Stage::Ready && pod.deleted.is_none())
}
