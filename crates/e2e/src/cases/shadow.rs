//! A plimsoll that only watches, beside whoever adds the nodes.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::Notes;
use super::workload::Workload;
use crate::ports;
use crate::stage::Stage;

/// How its process is called.
const SHADOW: &str = "shadow";
const PODS: u32 = 20;
/// It ends at once when it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// It compares one round, says that both would take the nodes away, and creates nothing itself.
pub async fn beside(stage: &mut Stage) -> Result<Notes> {
    let program = stage.programs().plimsoll(false)?;
    let [metrics, health] = ports::free(std::process::id().wrapping_add(2))?;
    let plane = stage.plane()?;
    let mut command = Command::new(program);
    command
        .args(["controller", "--shadow"])
        .env("KUBECONFIG", plane.kubeconfig())
        .env("METRICS_PORT", metrics.to_string())
        .env("HEALTH_PROBE_PORT", health.to_string());
    plane.spawn(SHADOW, command)?;
    let workload = Workload::create(stage.client().await?, "shadow", PODS).await?;
    workload.all_run().await?;
    workload.one_node_a_claim().await?;
    workload.scale_to_none().await?;
    workload.none_left().await?;
    workload.remove().await?;
    let plane = stage.plane()?;
    plane.stop_one(SHADOW, GRACE);
    let said = fs::read_to_string(plane.run().join("logs").join(format!("{SHADOW}.log")))?;
    let summary = said.rsplit_once("Shadow of ").map_or("", |(_, summary)| summary);
    let both = summary.lines().find(|line| line.trim_start().starts_with("Empty"));
    ensure!(both.is_some(), "both take the empty nodes away: {summary}");
    ensure!(summary.contains("Nothing was changed"), "no summary at the end of:\n{said}");
    ensure!(summary.contains(&format!("1 round that both planned ({PODS} pods)")), "{summary}");
    Ok(summary.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
}
