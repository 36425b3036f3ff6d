//! The harness itself: programs that die are named, what was started is stopped and nothing else, pods wait for room
//! and get it. No autoscaler has a part in this.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Notes;
use crate::api::{self, Kind};
use crate::cluster;
use crate::control_plane::{self, ControlPlane, Options};
use crate::process::{self, Recorded};
use crate::stage::Stage;
use crate::wait::{Seen, until};

const SOON: Duration = Duration::from_secs(30);
const POD: Kind<'_> = Kind { api_version: "v1", kind: "Pod", namespace: Some("default") };
const NODE: Kind<'_> = Kind { api_version: "v1", kind: "Node", namespace: None };

/// Kills one program and demands its name; then forgets everything, as a crash would, and stops it by the files.
pub async fn recovery(stage: &mut Stage) -> Result<Notes> {
    let run = stage.next_run();
    let mut plane = ControlPlane::start(&Options::of(&run), stage.programs()).await?;
    let took = plane.took;
    let client = plane.client().await?;

    plane.process("kwok").context("no record of kwok")?.signal(Signal::KILL);
    let named = async || {
        let complaint = plane.complaint().unwrap_or_default();
        Ok(Seen::when(complaint.starts_with("kwok died (signal: 9"), || format!("complaint: {complaint:?}")))
    };
    until("the dead program to be named", SOON, named).await?;

    let left = Recorded::all(&process::folder(&run));
    plane.leave();
    let mut stopped = control_plane::down(&run);
    stopped.reverse();
    ensure!(
        stopped == ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"],
        "stopped by the files: {stopped:?}"
    );
    ensure!(left.len() == 5 && !left.iter().any(Recorded::runs), "still there: {left:?}");
    ensure!(Recorded::all(&process::folder(&run)).is_empty(), "records of processes that have ended");
    ensure!(control_plane::down(&run).is_empty(), "stopped twice");
    ensure!(client.apiserver_version().await.is_err(), "the API server answers after its end");
    Ok(vec![format!("a control plane was ready after {:.1} s", took.as_secs_f64())])
}

/// A pod without room, a node with room, and both gone again.
pub async fn placement(stage: &mut Stage) -> Result<Notes> {
    let client = stage.client().await?;
    let pods = POD.api(&client);
    api::create(&client, &cluster::pod("lonely", &json!({}), "1", "1Gi")).await?;
    let refused = async || {
        let pod = pods.get("lonely").await?;
        let why = api::condition(&pod, "PodScheduled");
        Ok(Seen::when(why == Some(("False", "Unschedulable")), || format!("PodScheduled is {why:?}")))
    };
    until("the pod to be refused", SOON, refused).await?;
    let pod = pods.get("lonely").await?;
    ensure!(phase(&pod.data) == "Pending", "a pod without a node is {}", phase(&pod.data));

    let watch = crate::wait::Watch::start();
    api::create(&client, &cluster::node("worker", "2", "4Gi")).await?;
    let runs = async || {
        let pod = pods.get("lonely").await?;
        let node = pod.data["spec"]["nodeName"].as_str().unwrap_or("no node");
        let state = format!("{} on {node}", phase(&pod.data));
        Ok(Seen::when(state == "Running on worker", || state))
    };
    until("the pod to run on the new node", SOON, runs).await?;
    let ran_after = watch.elapsed();
    daemons_run(&client).await?;

    api::delete(&client, POD, "lonely").await?;
    api::delete(&client, NODE, "worker").await?;
    let nodes = NODE.api(&client);
    let gone = async || {
        let (pod, node) = (pods.get_opt("lonely").await?, nodes.get_opt("worker").await?);
        Ok(Seen::when(pod.is_none() && node.is_none(), || {
            format!("pod {}, node {}", pod.is_some(), node.is_some())
        }))
    };
    until("the pod and its node to go", SOON, gone).await?;
    Ok(vec![format!("the pod ran {:.1} s after its node was created", ran_after.as_secs_f64())])
}

/// Waits until both DaemonSets run on both nodes.
async fn daemons_run(client: &kube::Client) -> Result<()> {
    let system = Kind { namespace: Some("kube-system"), ..POD };
    let run = async || {
        let pods = api::list(client, system, "").await?;
        let on = |node: &str| {
            let there = |data: &Value| data["spec"]["nodeName"] == node && phase(data) == "Running";
            pods.iter().filter(|pod| there(&pod.data)).count()
        };
        let counts = (on(cluster::CONTROL_PLANE_NODE), on("worker"));
        Ok(Seen::when(counts == (2, 2), || format!("{counts:?} daemon pods run")))
    };
    until("the DaemonSets to run on both nodes", SOON, run).await
}

fn phase(data: &Value) -> &str {
    data["status"]["phase"].as_str().unwrap_or_default()
}
