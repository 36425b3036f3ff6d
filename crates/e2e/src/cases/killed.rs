//! Programs that are killed while nodes come and while they go: nothing is lost, nothing is doubled, and who was not
//! killed lives on.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Notes;
use super::workload::Workload;
use crate::stage::Stage;
use crate::wait::Watch;

/// Some nine nodes.
const PODS: u32 = 60;

/// The autoscaler itself; whoever comes next waits for its lease to run out.
pub async fn autoscaler(stage: &mut Stage) -> Result<Notes> {
    let name = stage.subject().name();
    killed(stage, name, Duration::ZERO).await
}

/// The API server is away for two seconds.
pub async fn api_server(stage: &mut Stage) -> Result<Notes> {
    killed(stage, "kube-apiserver", Duration::from_secs(2)).await
}

/// So is etcd.
pub async fn etcd(stage: &mut Stage) -> Result<Notes> {
    killed(stage, "etcd", Duration::from_secs(2)).await
}

/// Kills a program when the first claim is there, and when the first one goes.
async fn killed(stage: &mut Stage, name: &str, pause: Duration) -> Result<Notes> {
    let subject = stage.subject();
    let before = subject.process(stage.plane()?)?.clone();
    let watch = Watch::start();
    let workload = Workload::create(stage.client().await?, "killed", PODS).await?;
    workload.a_claim().await?;
    stage.kill(name, pause).await?;
    workload.all_run().await?;
    let up = watch.elapsed();
    let (claims, _) = workload.one_node_a_claim().await?;

    let watch = Watch::start();
    workload.scale_to_none().await?;
    workload.a_claim_that_goes().await?;
    stage.kill(name, pause).await?;
    workload.none_left().await?;
    let down = watch.elapsed();
    let survived = name != subject.name();
    ensure!(!survived || before.runs(), "{} ended when {name} was killed", subject.name());
    workload.remove().await?;
    Ok(vec![format!(
        "{PODS} pods ran after {:.1} s on {} nodes; {:.1} s after the last pod was wanted none was left",
        up.as_secs_f64(),
        claims.len(),
        down.as_secs_f64()
    )])
}
