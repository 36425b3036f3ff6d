//! Nodes come for pods and go without them: the shortest way through a node autoscaler, as people try it first.

use anyhow::Result;
use kube::api::DynamicObject;

use super::Notes;
use super::workload::Workload;
use crate::stage::Stage;
use crate::wait::Watch;

const PODS: u32 = 20;

/// 20 pods of 1 CPU and 1 GiB, then none.
pub async fn up_and_down(stage: &mut Stage) -> Result<Notes> {
    let watch = Watch::start();
    let workload = Workload::create(stage.client().await?, "scale", PODS).await?;
    workload.all_run().await?;
    let up = watch.elapsed();
    let (claims, nodes) = workload.one_node_a_claim().await?;
    let mut types: Vec<&str> = nodes.iter().filter_map(instance_type).collect();
    types.sort_unstable();

    let watch = Watch::start();
    workload.scale_to_none().await?;
    workload.none_left().await?;
    let down = watch.elapsed();
    workload.remove().await?;
    Ok(vec![
        format!("{PODS} pods ran after {:.1} s on {}: {}", up.as_secs_f64(), claims.len(), types.join(", ")),
        format!("no node, no claim {:.1} s after the last pod was wanted", down.as_secs_f64()),
    ])
}

fn instance_type(node: &DynamicObject) -> Option<&str> {
    node.metadata.labels.as_ref()?.get("node.kubernetes.io/instance-type").map(String::as_str)
}
